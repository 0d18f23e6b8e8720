"""The pass that fits a TIMED graph into Loihi's integers.

A neuron is scale-free: multiply its weights, biases and threshold by any number and it
fires the same. So each population gets one scale, a power of two (dyadic weights stay
exact), as large as the registers allow; each of its projections gets the power-of-two
exponent that fills eight bits, or fewer (then `stretch` chooses the scale).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikewright.bounds import StateRange, Sums, state_range
from spikewright.errors import GraphError
from spikewright.export.passes.compose import scale_rows
from spikewright.export.passes.gains import row_gains
from spikewright.export.passes.neuron_registers import (
    Floats,
    constants_of,
    registers_of,
)
from spikewright.export.passes.rounding import DEFAULT, Quantization, bits_of
from spikewright.export.passes.scaling import fit, lost
from spikewright.export.passes.stretch import best_factor, stretched
from spikewright.export.passes.units import Arriving, arrive, project
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops_by_target
from spikewright.loihi import MAX_DELAY, MAX_MESSAGE, STATE_BITS
from spikewright.nodes import (
    GRADED,
    FloatArray,
    Integrators,
    Node,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    SpikingNeurons,
)

HEADROOM_STEPS = 64
"""steps of the worst input for which every population has room"""
MARGIN = 2.0
"""how many times what was measured a calibrated state may reach: one bit more"""


def quantize(graph: Graph, choices: Quantization = DEFAULT) -> Graph:
    """Round weights to 8 bits or fewer, decays to 12, thresholds and drops to 17.

    TIMED to QUANTIZED. The scale of a population is the largest power of two for which
    the worst input of spikes, `HEADROOM_STEPS` long, fits Loihi's 24-bit registers; or,
    with a calibration, for which `MARGIN` times what was measured does. What goes
    further is detected at run time. Weights saturate only if the choices allow it.
    Below 8 bits a scale is the power of two times a factor (`stretch`), and biases keep
    8 bits.

    Raises:
        GraphError: a threshold, drop or decay, or all weights of a projection, would
            round to nothing; 1 bit is to hold weights of both signs; only some
            thresholds of a population are 0; a delay is too long; a population has a
            bias of its own; graded signals go into synapses, or meet others in an
            Output; or the calibration is not of this graph.
    """
    graph.expect(Stage.TIMED)
    _refuse_long_delays(graph)
    into = hops_by_target(graph)
    nodes: dict[str, Node] = dict(graph.nodes)
    for name in [*graph.populations(), *graph.outputs]:  # an Output takes scales
        target = _Target(graph, name, into[name], choices)
        match graph.nodes[name]:
            case SpikingNeurons() | Integrators() as node:
                nodes |= _quantize_population(target, node)
            case Output() as node:
                direct = [nodes[hop.source] for hop in into[name] if not hop.synapses]
                nodes |= _quantize_output(target, node, direct)
    return Graph(nodes, graph.edges, Stage.QUANTIZED, graph.dt_s, graph.arrival)


@dataclass(frozen=True, eq=False)
class _Target:
    """A population or Output, and what arrives there."""

    graph: Graph
    name: str
    arriving: Sequence[Hop]
    choices: Quantization


def _refuse_long_delays(graph: Graph) -> None:
    for edge in graph.edges:
        if edge.delay > MAX_DELAY:
            raise GraphError(
                f"edge {edge.source} -> {edge.target}: delay of {edge.delay} steps, at "
                f"most {MAX_DELAY}; put a relay population on the longer branch"
            )


# --- populations ---------------------------------------------------------------------


def _quantize_population(target: _Target, node: Floats) -> dict[str, Node]:
    """Return the integer forms of a population and of the synapses into it."""
    gains = row_gains(target.name, node)
    arriving = _arriving(target, gains)
    factor = best_factor(arriving, target.choices)
    node = stretched(node, factor)
    registers = registers_of(target.name, node)
    measured = _measured(target, gains * factor)

    def has_room(bits: int, sums: Sums) -> bool:
        worst = state_range(registers(bits), sums, HEADROOM_STEPS)
        return _smaller(worst, measured, bits).fits

    found = fit(
        target.name,
        [project(each, factor, target.choices) for each in arriving],
        constants_of(node),
        has_room,
        gains.size,
        target.choices,
    )
    integers = registers(found.bits)
    _refuse_lost_constants(target.name, node, integers, found.bits)
    scaled = replace(integers, scale=integers.scale * factor)
    return {target.name: scaled, **found.synapses}


def _arriving(target: _Target, gains: FloatArray) -> list[Arriving]:
    """Return what arrives, with the gains multiplied in."""
    graph = target.graph
    times = Counter(hop.first.target for hop in target.arriving)
    found: dict[str, Arriving] = {}
    for hop in target.arriving:
        source, name = graph.nodes[hop.source], hop.first.target
        if isinstance(source, GRADED):
            raise GraphError(
                f"node '{target.name}': '{hop.source}' sends numbers (LI or I), and "
                "integer synapses take spikes; put a Threshold or a spiking neuron "
                "between"
            )
        if hop.synapses is not None and name not in found:
            size = math.prod(source.shape)  # type: ignore[union-attr]  # a population
            scaled = scale_rows(hop.synapses, gains, size)
            bits = bits_of(source, target.choices.weight_bits)
            found[name] = arrive(name, scaled, times[name], bits)
    return list(found.values())


def _refuse_lost_constants(name: str, node: Floats, made: Node, bits: int) -> None:
    if not isinstance(node, SpikingNeurons) or not isinstance(made, QuantizedNeurons):
        return
    if made.vth == 0 < node.threshold.max():
        raise lost(name, f"threshold {node.threshold.max():g}", bits)
    if node.drop is not None and np.any((np.asarray(made.drop) == 0) & (node.drop > 0)):
        raise lost(name, f"drop {node.drop[node.drop > 0].min():g}", bits)


# --- calibration ---------------------------------------------------------------------


def _measured(target: _Target, gains: FloatArray) -> StateRange | None:
    """Return what the calibration measured of a target, its gains multiplied in."""
    if target.choices.calibration is None:
        return None
    found = target.choices.calibration.get(target.name)
    if found is None or found.a.shape != gains.shape:
        raise GraphError(
            f"node '{target.name}': the calibration has nothing of its shape "
            f"{gains.shape}; measure it on this graph with measure_ranges"
        )
    factor = np.abs(gains)
    return StateRange(
        *((each * factor).reshape(-1) for each in (found.a, found.u, found.v))
    )


def _smaller(worst: StateRange, measured: StateRange | None, bits: int) -> StateRange:
    """Return the smaller of the worst input and what was measured with its margin."""
    if measured is None:
        return worst
    margin = MARGIN * 2.0**bits
    return StateRange(
        np.minimum(worst.a, measured.a * margin),
        np.minimum(worst.u, measured.u * margin),
        np.minimum(worst.v, measured.v * margin),
    )


# --- Outputs -------------------------------------------------------------------------


def _quantize_output(
    target: _Target, node: Output, direct: Sequence[Node]
) -> dict[str, Node]:
    """Give an Output the scale of what it receives.

    `direct` holds the integer forms of the populations that reach it without synapses.
    """
    graded = [each for each in direct if isinstance(each, QuantizedIntegrators)]
    is_mixed = 0 < len(direct) < len(target.arriving)
    if is_mixed or (graded and len(direct) > 1):
        raise GraphError(
            f"output '{target.name}': an LI or I, or plain spikes, and another signal "
            "cannot be summed as integers of different scale; give each its own Affine "
            "into one LI"
        )
    if graded:
        return {target.name: replace(node, scale=2.0**-STATE_BITS / graded[0].scale)}
    if direct:
        return {}
    gains = row_gains(target.name, node)
    arriving = _arriving(target, gains)
    factor = best_factor(arriving, target.choices)
    measured = _measured(target, gains * factor)

    def has_room(bits: int, sums: Sums) -> bool:
        reached = StateRange(np.maximum(*sums), np.zeros(1), np.zeros(1))
        return bool(np.all(_smaller(reached, measured, bits).a < MAX_MESSAGE))

    found = fit(
        target.name,
        [project(each, factor, target.choices) for each in arriving],
        (),
        has_room,
        gains.size,
        target.choices,
    )
    scaled = replace(node, scale=2.0**-found.bits / factor)
    return {target.name: scaled, **found.synapses}
