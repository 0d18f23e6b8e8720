"""The pass that fits a TIMED graph into Loihi's integers.

A neuron is scale-free: multiply its weights, biases and threshold by any number and it
fires the same. So each population gets one scale, a power of two (dyadic weights stay
exact), as large as the registers allow; each of its projections gets the power-of-two
exponent that fills eight bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spikewright.errors import GraphError
from spikewright.export.compose import scale_rows
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops
from spikewright.loihi import (
    DECAY_ONE,
    MAX_CURRENT,
    MAX_DELAY,
    MAX_EXPONENT,
    MAX_MESSAGE,
    MAX_THRESHOLD,
    STATE_BITS,
    largest_growth,
    largest_sum,
    weight_limit,
)
from spikewright.nodes import (
    GRADED,
    FloatArray,
    Integrators,
    Node,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    SpikingNeurons,
    Synapses,
)

FINEST_BITS = 17
"""the largest threshold has 17 bits, and so has the largest weight with its exponent"""
HEADROOM_STEPS = 64
"""Steps of the worst input that a population without leak must survive."""


@dataclass(frozen=True, eq=False)
class _Fan:
    """What arrives at one node, in integers."""

    synapses: Mapping[str, Synapses]
    """by name"""
    bits: int
    """scale = 2**bits"""


def quantize(graph: Graph) -> Graph:
    """Round weights to 8 bits, decays to 12 and thresholds to 17; nothing is clipped.

    TIMED to QUANTIZED. The scale of a population is the largest power of two for which
    the worst binary input still fits Loihi's 24-bit registers: |a| < 2**17, and less
    where v accumulates, without leak over `HEADROOM_STEPS` steps. What a longer sample
    could do is watched at run time.

    Raises:
        GraphError: thresholds, decays or delays that one Loihi population cannot have;
            a threshold, a decay or all weights of a projection would round to nothing;
            or graded signals go into synapses.
    """
    graph.expect(Stage.TIMED)
    _refuse_long_delays(graph)
    every = tuple(hops(graph))
    nodes: dict[str, Node] = dict(graph.nodes)
    for name in [*graph.populations(), graph.output_name]:  # the Output takes scales
        arriving = [hop for hop in every if hop.target == name]
        nodes.update(_quantize_target(graph, name, nodes, arriving))
    return Graph(nodes, graph.edges, Stage.QUANTIZED, graph.dt_s, graph.arrival)


def _refuse_long_delays(graph: Graph) -> None:
    for edge in graph.edges:
        if edge.delay > MAX_DELAY:
            raise GraphError(
                f"edge {edge.source} -> {edge.target}: delay of {edge.delay} steps, at "
                f"most {MAX_DELAY}; put a relay population on the longer branch"
            )


def _quantize_target(
    graph: Graph, name: str, done: Mapping[str, Node], arriving: list[Hop]
) -> dict[str, Node]:
    """Return the integer forms of a population or Output and of its synapses.

    `done` holds the integer forms of the populations before it.
    """
    match graph.nodes[name]:
        case SpikingNeurons() as node:
            scaled, threshold = _unit_threshold(graph, name, node, arriving)
            decay = _shared(name, "decay", node.decay)
            fan = _fit(name, scaled, _current_limit(decay), threshold)
            vth = round(threshold * 2.0**fan.bits)
            if threshold > 0 and vth == 0:
                raise _lost(name, f"threshold {threshold:g}")
            neurons = QuantizedNeurons(node.shape, _dv(name, decay), vth, 2.0**fan.bits)
            return {name: neurons, **fan.synapses}
        case Integrators() as node:
            decay = _shared(name, "decay", node.decay)
            scaled = _rows(graph, name, arriving, node.gain)
            fan = _fit(name, scaled, _current_limit(decay), 0.0)
            integrators = QuantizedIntegrators(
                node.shape, _dv(name, decay), 2.0**fan.bits
            )
            return {name: integrators, **fan.synapses}
        case Output() as node:
            direct = [done[hop.source] for hop in arriving if hop.latency == 0]
            return _quantize_output(graph, name, node, arriving, direct)
        case _:
            return {}


def _quantize_output(
    graph: Graph,
    name: str,
    node: Output,
    arriving: list[Hop],
    direct: list[Node],
) -> dict[str, Node]:
    """Give the Output the scale of what it receives."""
    graded = [each for each in direct if isinstance(each, QuantizedIntegrators)]
    if graded and len(arriving) > 1:
        raise GraphError(
            f"output '{name}': an LI or I and another signal cannot be summed as "
            "integers of different scale; give each its own Affine into one LI"
        )
    if graded:
        units = graded[0].scale * 2**STATE_BITS
        return {name: replace(node, scale=1.0 / units)}
    if direct:
        return {}
    ones = np.ones(node.shape)
    fan = _fit(name, _rows(graph, name, arriving, ones), MAX_MESSAGE, 0.0)
    return {name: replace(node, scale=2.0**-fan.bits), **fan.synapses}


def _unit_threshold(
    graph: Graph, name: str, node: SpikingNeurons, arriving: list[Hop]
) -> tuple[dict[str, Synapses], float]:
    """Return synapses scaled so that one threshold serves the population.

    A Loihi population has one threshold; a neuron with another one gets its weights
    multiplied by the ratio, which changes no spike.
    """
    threshold = float(node.threshold.max())
    if threshold == 0:
        return _rows(graph, name, arriving, np.ones(node.shape)), 0.0
    if np.any(node.threshold == 0):
        raise GraphError(
            f"node '{name}': some thresholds are 0 and some are not; one Loihi "
            "population has one threshold; split the population"
        )
    return _rows(graph, name, arriving, threshold / node.threshold), threshold


def _rows(
    graph: Graph, name: str, arriving: list[Hop], factor: FloatArray
) -> dict[str, Synapses]:
    scaled: dict[str, Synapses] = {}
    for hop in arriving:
        if isinstance(graph.nodes[hop.source], GRADED):
            raise GraphError(
                f"node '{name}': '{hop.source}' sends numbers (LI or I), and integer "
                "synapses take spikes; put a Threshold or a spiking neuron between"
            )
        assert hop.synapses is not None  # noqa: S101 - only the Output takes plain edges
        rows = scale_rows(hop.synapses, factor)
        if rows is None:
            raise GraphError(
                f"node '{name}': its tokens share the weights of '{hop.first.target}' "
                "but not their threshold or gain; make it equal for all tokens"
            )
        scaled[hop.first.target] = rows
    return scaled


def _shared(name: str, what: str, values: FloatArray) -> float:
    if np.any(values != values.flat[0]):
        raise GraphError(
            f"node '{name}': {what} differs between neurons ({values.min():g} to "
            f"{values.max():g}); a Loihi population shares one; split the population"
        )
    return float(values.flat[0])


def _dv(name: str, decay: float) -> int:
    """Return the decay in 1 / 4096; refuse one that would become 1 or 0."""
    dv = round((1.0 - decay) * DECAY_ONE)
    if (dv == 0 and decay < 1) or (dv == DECAY_ONE and decay > 0):
        raise GraphError(
            f"node '{name}': decay {decay:g} would round to {1 - dv / DECAY_ONE:g}, as "
            f"Loihi keeps it in units of 1 / {DECAY_ONE}; choose another --dt"
        )
    return dv


def _lost(name: str, what: str) -> GraphError:
    return GraphError(
        f"node '{name}': {what} would round to 0 beside weights that are so much "
        "larger; bring what arrives at the population to one order of magnitude"
    )


def _current_limit(decay: float) -> float:
    """Return the |a| below which v cannot leave its register."""
    return MAX_CURRENT / largest_growth(decay, HEADROOM_STEPS)


def _fit(
    name: str, synapses: Mapping[str, Synapses], limit: float, threshold: float
) -> _Fan:
    """Return the largest power-of-two scale under which everything fits."""
    largest = max([threshold, *map(_largest_weight, synapses.values())])
    if not largest:
        return _Fan(_round(synapses, 0), 0)
    finest = FINEST_BITS - math.frexp(largest)[1]
    for bits in range(finest, finest - 2 * FINEST_BITS, -1):
        if threshold * 2.0**bits > MAX_THRESHOLD or any(
            _exponent(each, bits) > MAX_EXPONENT for each in synapses.values()
        ):
            continue
        rounded = _round(synapses, bits)
        if largest_sum(rounded.values()) < limit:
            _refuse_lost_weights(name, synapses, rounded)
            return _Fan(rounded, bits)
    raise GraphError(f"node '{name}': its weights fit no scale of Loihi's registers")


def _largest_weight(synapses: Synapses) -> float:
    return float(np.abs(synapses.weight).max(initial=0.0))


def _refuse_lost_weights(
    name: str, synapses: Mapping[str, Synapses], rounded: Mapping[str, Synapses]
) -> None:
    for key, each in synapses.items():
        if np.any(each.weight) and not np.any(rounded[key].weight):
            raise _lost(name, f"every weight of '{key}'")


def _exponent(synapses: Synapses, bits: int) -> int:
    """Return the smallest exponent with which the largest weight has eight bits."""
    largest = _largest_weight(synapses) * 2.0**bits
    if largest == 0:
        return 0
    return max(0, math.ceil(math.log2(largest / weight_limit(synapses.weight))))


def _round(synapses: Mapping[str, Synapses], bits: int) -> dict[str, Synapses]:
    rounded = {}
    for name, each in synapses.items():
        exponent = _exponent(each, bits)
        weight = np.rint(each.weight * 2.0 ** (bits - exponent))
        rounded[name] = replace(each, weight=weight.astype(np.int64), exponent=exponent)
    return rounded
