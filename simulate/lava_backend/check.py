"""All reasons to refuse a graph, before Lava sees it: Lava checks little, and hangs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph, Stage
from spikewright.linear import ends
from spikewright.loihi import (
    DECAY_ONE,
    MAX_DELAY,
    MAX_EXPONENT,
    MAX_THRESHOLD,
    largest_sum,
    stored_bits,
    upper_shift,
    weight_limit,
)

MESSAGE_LIMIT = 1 << 31
"""stock Dense and LIF exchange int32 and wrap in silence"""

_SOURCES = (n.Input, n.BiasLine)
_FLOATS = (n.SpikingNeurons, n.Integrators)
_INTEGERS = (n.QuantizedNeurons, n.QuantizedIntegrators)


def check_graph(graph: Graph) -> None:
    """Check what every run on Lava needs.

    Raises:
        GraphError: a stage, an edge, a shape, a weight or a register does not fit.
    """
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    _check_arrival(graph)
    for edge in graph.edges:
        _check_edge(graph, edge)
    for name, node in graph.nodes.items():
        if isinstance(node, n.SYNAPSES):
            _check_synapses(graph, name, node)
        else:
            _check_population(graph, name, node)


def check_stock(graph: Graph) -> None:
    """Check that Lava's own processes express the whole graph.

    Raises:
        GraphError: there are graded or soft-reset populations, or a delay or a shift
            that a chip cannot make.
    """
    for name, node in graph.nodes.items():
        if isinstance(node, n.GRADED):
            _refuse_stock(
                name, "it sends its potential, and no stock neuron sends numbers"
            )
        if isinstance(node, n.SPIKING) and node.drop is not None:
            _refuse_stock(name, "it has a soft reset, and the stock LIF resets to 0")
        if isinstance(node, n.SYNAPSES) and graph.stage is Stage.QUANTIZED:
            _check_shift(name, node)
    if graph.stage is Stage.QUANTIZED:
        for edge in graph.edges:
            _check_delay(graph, edge)


def _check_delay(graph: Graph, edge: Edge) -> None:
    """Stock synapses carry the delays before and behind them."""
    delay = edge.delay
    if isinstance(graph.nodes[edge.target], n.SYNAPSES):
        delay += sum(each.delay for each in graph.out_of(edge.target))
    if delay > MAX_DELAY:
        raise GraphError(
            f"edge {edge.source} -> {edge.target}: a delay of {delay} steps does not "
            f"fit a stock synapse; allowed: at most {MAX_DELAY}; put a relay "
            "population between"
        )


def _refuse_stock(name: str, reason: str) -> None:
    raise GraphError(
        f"node '{name}': {reason}, so stock processes cannot express it; run it with "
        "our own processes (processes 'auto'), or remove the node"
    )


def _check_shift(name: str, node: n.Synapses) -> None:
    shift = lava_weights(node).exponent
    if abs(shift) > MAX_EXPONENT:
        raise GraphError(
            f"synapses '{name}': a chip would shift their sums by {shift}; allowed: "
            f"-{MAX_EXPONENT} to {MAX_EXPONENT}; scale the weights"
        )


class LavaWeights(NamedTuple):
    """Weights as stock fixed-point synapses keep them exactly."""

    weight: n.NumberArray
    """int32"""
    exponent: int
    """`weight_exp`: what shifts their sums"""
    bits: int
    """`num_weight_bits`"""


def lava_weights(node: n.Synapses) -> LavaWeights:
    """Return weights with as few bits as they need, where Lava's Dense keeps them.

    They are shifted up to the bits that it does not drop, and their sums back down.
    """
    weight, shift = node.weight, upper_shift(node.weight, node.exponent)
    return LavaWeights(
        weight.astype(np.int32) << shift,
        node.exponent - shift,
        stored_bits(weight, node.exponent),
    )


# --- edges and shapes ----------------------------------------------------------------


def _check_arrival(graph: Graph) -> None:
    wanted = {*graph.populations(), *graph.outputs}
    missing = sorted(wanted - set(graph.arrival))
    if missing:
        raise GraphError(
            f"no arrival step for {', '.join(missing)}; run balance_delays first"
        )
    for name in graph.inputs:
        if graph.arrival[name] != 0:
            raise GraphError(
                f"'{name}' sends from step 0 on, but its arrival step is "
                f"{graph.arrival[name]}"
            )


def _check_edge(graph: Graph, edge: Edge) -> None:
    source, target = graph.nodes[edge.source], graph.nodes[edge.target]
    joins = isinstance(source, n.POPULATIONS) and isinstance(
        target, (*n.SYNAPSES, n.Output)
    )
    lands = isinstance(source, n.SYNAPSES) and isinstance(
        target, (*n.POPULATIONS, n.Output)
    )
    if not (joins or lands) or isinstance(target, _SOURCES):
        raise GraphError(
            f"edge {edge.source} -> {edge.target} leads from {type(source).__name__} "
            f"to {type(target).__name__}; allowed: population -> synapses -> "
            "population or Output, population -> Output"
        )
    if isinstance(target, n.Output) and joins:
        _check_size(edge, _size(graph, edge.source), _size(graph, edge.target))


def _size(graph: Graph, name: str) -> int:
    return math.prod(graph.nodes[name].shape)  # type: ignore[union-attr]  # no maps


def _check_size(edge: Edge, got: int, wanted: int) -> None:
    if got != wanted:
        raise GraphError(
            f"edge {edge.source} -> {edge.target}: {got} values do not fit {wanted}"
        )


def _check_synapses(graph: Graph, name: str, node: n.Synapses) -> None:
    into, out_of = graph.into(name), graph.out_of(name)
    if len(into) != 1 or len(out_of) != 1:
        raise GraphError(
            f"synapses '{name}' have {len(into)} edges in and {len(out_of)} out; "
            "exactly one of each is allowed: use a Synapses node per connection"
        )
    sent = _size(graph, into[0].source)
    try:
        given = ends(node, sent)[1]
    except GraphError as error:
        raise GraphError(f"edge {into[0].source} -> {name}: {error}") from error
    _check_size(out_of[0], math.prod(given), _size(graph, out_of[0].target))
    if graph.stage is Stage.QUANTIZED:
        _check_integers(name, node)


# --- values --------------------------------------------------------------------------


def _check_integers(name: str, node: n.Synapses) -> None:
    least, most = node.weight.min(initial=0), node.weight.max(initial=0)
    limit = weight_limit(node.weight)
    whole = np.array_equal(node.weight, np.rint(node.weight))
    if not whole or max(-float(least), float(most)) > limit:
        raise GraphError(
            f"synapses '{name}': weights from {least} to {most} do not fit; allowed: "
            f"integers of magnitude up to {limit}"
        )
    if abs(node.exponent) > MAX_EXPONENT:
        raise GraphError(
            f"synapses '{name}': exponent {node.exponent} is not allowed; it must be "
            f"-{MAX_EXPONENT} to {MAX_EXPONENT}"
        )


def _check_population(graph: Graph, name: str, node: n.Node) -> None:
    shape: n.Shape = node.shape  # type: ignore[union-attr]  # maps cannot stand here
    if not shape or 0 in shape:
        raise GraphError(f"node '{name}': shape {shape} holds no neurons")
    if isinstance(node, _INTEGERS):
        _check_register(name, "dv", node.dv, DECAY_ONE)
        _check_register(name, "du", node.du, DECAY_ONE)
    if isinstance(node, n.QuantizedNeurons):
        _check_register(name, "vth", node.vth, MAX_THRESHOLD)
    if isinstance(node, _FLOATS):
        _check_rest(name, node)
    if isinstance(node, n.SpikingNeurons) and node.drop is None:
        _check_decay(name, "decay", node.decay)
        _check_decay(name, "current_decay", node.current_decay)
    _check_sum(graph, name)


def _check_rest(name: str, node: n.SpikingNeurons | n.Integrators) -> None:
    """Neurons run before their data arrive; they must stay silent until then."""
    start = node.start if isinstance(node, n.SpikingNeurons) else n.ZERO
    if node.bias.any() or start.any():
        raise GraphError(
            f"node '{name}': a bias or a start of its own acts before the data arrive; "
            "let it travel on a BiasLine"
        )
    if isinstance(node, n.SpikingNeurons) and node.threshold.min() < 0:
        raise GraphError(
            f"node '{name}': a threshold of {node.threshold.min():g} fires at rest, "
            "before the data arrive; allowed: 0 or more"
        )


def _check_decay(name: str, what: str, values: n.FloatArray) -> None:
    """Lava's LIF takes 1 - decay, and subtracts that from 1 at each step."""
    decay = np.asarray(values)
    lost = decay[1.0 - (1.0 - decay) != decay]
    if lost.size:
        raise GraphError(
            f"node '{name}': a {what} of {lost.flat[0]!r} would change its last bit in "
            "Lava's LIF, which takes 1 - decay; allowed: multiples of 2**-53; use "
            "1 - (1 - decay)"
        )


def _check_register(name: str, register: str, value: n.PerNeuron, limit: int) -> None:
    values = np.asarray(value)
    wrong = values[(values < 0) | (values > limit)]
    if values.dtype.kind not in "iu" or wrong.size:
        got = wrong.flat[0] if wrong.size else values.dtype
        raise GraphError(
            f"node '{name}': {register} = {got} does not fit its register; "
            f"allowed: integers from 0 to {limit}"
        )


def _check_sum(graph: Graph, name: str) -> None:
    if graph.stage is not Stage.QUANTIZED:
        return
    sources = [graph.nodes[edge.source] for edge in graph.into(name)]
    largest = largest_sum(each for each in sources if isinstance(each, n.SYNAPSES))
    if largest >= MESSAGE_LIMIT:
        raise GraphError(
            f"node '{name}': its synapses could add up to {largest:g}, and Lava wraps "
            f"at {MESSAGE_LIMIT}; quantize with a smaller scale"
        )
