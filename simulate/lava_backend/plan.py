"""What a run needs to know of its graph, and all reasons to refuse it. No Lava here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.inputs import check_inputs, is_binary

FIXED_TAG, FLOAT_TAG = "fixed_pt", "floating_pt"
MIXED_LIMITS, POSITIVE_LIMITS, NEGATIVE_LIMITS = (-128, 127), (0, 255), (-255, 0)
"""8 bits; a matrix of one sign needs no sign bit (lava.utils.weightutils)"""
MESSAGE_LIMIT = 1 << 31
"""stock Dense and LIF exchange int32 and wrap in silence"""
VTH_LIMIT, DV_LIMIT = 131_071, 4096
"""registers of lava.proc.lif, fixed_pt: 17 bits, 12 bits and "forget all" """

_SPIKING = (n.SpikingNeurons, n.QuantizedNeurons)
_SOURCES = (n.Input, n.BiasLine)


@dataclass(frozen=True)
class Plan:
    """How long a sample runs, what is recorded, and who sends numbers."""

    tag: str
    """Lava's name of the arithmetic"""
    steps: int
    """steps of a sample"""
    run_steps: int
    """steps of a run, until the last window closes"""
    recorded: tuple[str, ...]
    """spiking populations behind the Input, in the graph's order"""
    graded: frozenset[str]
    """populations that send numbers instead of spikes"""


def make_plan(graph: Graph, inputs: npt.NDArray[np.generic]) -> Plan:
    """Check graph and inputs, and plan the run.

    Args:
        graph: TIMED or QUANTIZED.
        inputs: (samples, steps, *input shape).

    Raises:
        GraphError: the graph cannot be built from Lava's processes.
        InputError: the inputs have a wrong shape or wrong values.
    """
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    _check_arrival(graph)
    _check_edges(graph)
    _check_connected(graph)
    for name, node in graph.nodes.items():
        _check_node(graph, name, node)
    check_inputs(graph, inputs)
    steps = inputs.shape[1]
    graded = {k for k, v in graph.nodes.items() if isinstance(v, n.GRADED)}
    if not is_binary(inputs):
        graded.add(graph.input_name)
    return Plan(
        FIXED_TAG if graph.stage is Stage.QUANTIZED else FLOAT_TAG,
        steps,
        steps + max(graph.arrival.values()),
        tuple(k for k, v in graph.nodes.items() if isinstance(v, _SPIKING)),
        frozenset(graded),
    )


def weight_limits(weight: n.Array) -> tuple[int, int]:
    """Return the range that Lava's fixed point keeps exactly, for the signs present."""
    if weight.min() >= 0:
        return POSITIVE_LIMITS
    return NEGATIVE_LIMITS if weight.max() <= 0 else MIXED_LIMITS


def row_bound(node: n.Synapses) -> float:
    """Return the largest sum of |weight| at one target."""
    axes: dict[type[n.Synapses], tuple[int, ...]] = {
        n.DenseSynapses: (1,),
        n.TokenSynapses: (0, 2),
        n.ChannelSynapses: (2,),
        n.DiagonalSynapses: (),
    }
    return float(np.abs(node.weight).sum(axis=axes[type(node)]).max())


def synapse_shapes(name: str, node: n.Synapses, size: int) -> tuple[n.Shape, n.Shape]:
    """Return the shapes of x and a for a source of `size` neurons, in C order.

    Raises:
        GraphError: the number of tokens is no whole number, or below that of taps.
    """
    weight = node.weight
    match node:
        case n.DenseSynapses():
            return (weight.shape[1],), (weight.shape[0],)
        case n.ChannelSynapses():
            return (len(weight), weight.shape[2]), (len(weight), weight.shape[1])
        case n.DiagonalSynapses():
            return weight.shape, weight.shape
    taps, targets, sources = weight.shape
    tokens, rest = divmod(size, sources)
    if rest or tokens < taps:
        raise GraphError(
            f"synapses '{name}': weight {weight.shape} (taps, targets, sources) does "
            f"not fit a source of {size} neurons"
        )
    return (sources, tokens), (targets, tokens - taps + 1)


def ends(graph: Graph, name: str) -> tuple[str, str]:
    """Return the source and the target of a Synapses node.

    Raises:
        GraphError: it has not exactly one edge in and one out.
    """
    into, out_of = graph.into(name), graph.out_of(name)
    if len(into) != 1 or len(out_of) != 1:
        raise GraphError(
            f"synapses '{name}' have {len(into)} edges in and {len(out_of)} out; "
            "exactly one of each is allowed: use a Synapses node per connection"
        )
    return into[0].source, out_of[0].target


def _check_arrival(graph: Graph) -> None:
    wanted = {*graph.populations(), graph.output_name}
    missing = sorted(wanted - set(graph.arrival))
    if missing:
        raise GraphError(
            f"no arrival step for {', '.join(missing)}; run balance_delays first"
        )
    for name in (k for k, v in graph.nodes.items() if isinstance(v, _SOURCES)):
        if graph.arrival[name] != 0:
            raise GraphError(
                f"'{name}' sends from step 0 on, but its arrival step is "
                f"{graph.arrival[name]}"
            )


def _check_edges(graph: Graph) -> None:
    for edge in graph.edges:
        source, target = graph.nodes[edge.source], graph.nodes[edge.target]
        joins = isinstance(source, n.POPULATIONS) and isinstance(
            target, (*n.SYNAPSES, n.Output)
        )
        lands = isinstance(source, n.SYNAPSES) and isinstance(
            target, (*n.POPULATIONS, n.Output)
        )
        if not (joins or lands) or isinstance(target, _SOURCES):
            raise GraphError(_wrong_edge(graph, edge))


def _wrong_edge(graph: Graph, edge: Edge) -> str:
    kinds = [type(graph.nodes[k]).__name__ for k in (edge.source, edge.target)]
    return (
        f"edge {edge.source} -> {edge.target} leads from {kinds[0]} to {kinds[1]}; "
        "allowed: population -> synapses -> population or Output, "
        "population -> Output"
    )


def _check_connected(graph: Graph) -> None:
    """Lava runs only what is connected; the rest would read as silence."""
    neighbors: Mapping[str, list[str]] = {name: [] for name in graph.nodes}
    for edge in graph.edges:
        neighbors[edge.source].append(edge.target)
        neighbors[edge.target].append(edge.source)
    reached, waiting = {graph.output_name}, [graph.output_name]
    while waiting:
        for name in neighbors[waiting.pop()]:
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    apart = [name for name in graph.nodes if name not in reached]
    if apart:
        raise GraphError(
            f"not connected to the Output '{graph.output_name}': {', '.join(apart)}; "
            "remove or connect them"
        )


def _check_node(graph: Graph, name: str, node: n.Node) -> None:
    if isinstance(node, n.SYNAPSES):
        _check_synapses(graph, name, node)
        return
    shape: n.Shape = node.shape  # type: ignore[union-attr]  # maps cannot stand here
    if isinstance(node, n.Output):
        for edge in graph.into(name):
            source = graph.nodes[edge.source]
            if isinstance(source, n.POPULATIONS):
                _check_size(edge, math.prod(source.shape), math.prod(shape))
    if not shape or 0 in shape:
        raise GraphError(f"node '{name}': shape {shape} holds no neurons")
    if isinstance(node, (n.QuantizedNeurons, n.QuantizedIntegrators)):
        _check_register(name, "dv", node.dv, DV_LIMIT)
    if isinstance(node, n.QuantizedNeurons):
        _check_register(name, "vth", node.vth, VTH_LIMIT)
    if isinstance(node, (n.SpikingNeurons, n.Integrators)):
        _check_rest(name, node)


def _check_rest(name: str, node: n.SpikingNeurons | n.Integrators) -> None:
    """Neurons run before their data arrive; they must stay silent until then."""
    if node.bias.any():
        raise GraphError(
            f"node '{name}': a bias of its own acts before the data arrive; let it "
            "travel on a BiasLine"
        )
    if isinstance(node, n.SpikingNeurons) and node.threshold.min() < 0:
        raise GraphError(
            f"node '{name}': a threshold of {node.threshold.min():g} fires at rest, "
            "before the data arrive; allowed: 0 or more"
        )


def _check_register(name: str, register: str, value: int, limit: int) -> None:
    if not 0 <= value <= limit:
        raise GraphError(
            f"node '{name}': {register} = {value} does not fit its register; "
            f"allowed: 0 to {limit}"
        )


def _check_size(edge: Edge, got: int, wanted: int) -> None:
    if got != wanted:
        raise GraphError(
            f"edge {edge.source} -> {edge.target}: {got} values do not fit {wanted}"
        )


def _check_synapses(graph: Graph, name: str, node: n.Synapses) -> None:
    source, target = ends(graph, name)
    sent = math.prod(graph.nodes[source].shape)  # type: ignore[union-attr]
    wanted = math.prod(graph.nodes[target].shape)  # type: ignore[union-attr]
    x_shape, a_shape = synapse_shapes(name, node, sent)
    _check_size(Edge(source, name), sent, math.prod(x_shape))
    _check_size(Edge(name, target), math.prod(a_shape), wanted)
    if graph.stage is Stage.QUANTIZED:
        _check_integers(name, node)


def _check_integers(name: str, node: n.Synapses) -> None:
    low, high = weight_limits(node.weight)
    least, most = node.weight.min(), node.weight.max()
    whole = np.array_equal(node.weight, np.rint(node.weight))
    if not whole or least < low or most > high:
        raise GraphError(
            f"synapses '{name}': weights from {least} to {most} do not fit; allowed: "
            f"integers from {low} to {high}"
        )
    if node.exponent < 0 or row_bound(node) * 2.0**node.exponent >= MESSAGE_LIMIT:
        raise GraphError(
            f"synapses '{name}': exponent {node.exponent} is not allowed; it must be "
            f"0 or more, and the sums of |weight| * 2**exponent below 2**31"
        )
