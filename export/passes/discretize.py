"""Fix a time step: seconds become factors per step."""

from __future__ import annotations

from math import isfinite

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.graphs.order import Wire, back_edges
from spikewright.export.passes.forward_euler import integrators, spiking
from spikewright.graph import Edge, Graph, Stage

_WHOLE = 1e-6
_KNOWN = [kind.__name__ for kind in (n.Input, n.Output, *n.MAPS, *n.IN_SECONDS)]


def discretize(graph: Graph, *, dt_s: float) -> Graph:
    """Turn a CONTINUOUS graph into a DISCRETE one by forward Euler.

    1. LIF, IF: v <- v + dt/tau (v_leak - v + r a) is v <- decay v + g a + leak with
       decay = 1 - dt/tau and g = r dt/tau (IF: decay = 1, g = r dt). Neurons are
       scale-free, so all is divided by g: the weighted input enters unscaled, and the
       threshold becomes v_threshold / g, the bias v_leak / r.
    2. CubaLIF: the current first, u <- alpha u + g_in a, with alpha = 1 - dt/tau_syn
       and g_in = w_in dt/tau_syn, then v with g u; all is divided by g_in g.
    3. A v_reset other than 0 shifts all voltages by itself: the neuron then resets to
       0 and starts at -v_reset.
    4. LI, I, CubaLI: the same, with the gain on what is sent.
    5. Threshold: decay 0, no bias. Delay: whole steps, per element if they differ.
    6. Linear maps stay.
    7. An edge that closes a loop (`back_edges`: searched depth first from the Inputs,
       in the order of the edges) gets a delay of one step: its target sees the step
       before, as in every NIR executor; NIR itself leaves it open.

    Args:
        graph: a CONTINUOUS graph.
        dt_s: the time step in seconds.

    Raises:
        GraphError: `dt_s` is not positive, a time constant is shorter than it, a delay
            is not a whole number of steps, r or w_in is not positive, v_threshold is
            below a v_reset other than 0, or a loop holds neither a neuron nor a Delay.
        UnsupportedNodeError: a node cannot be discretized.
    """
    graph.expect(Stage.CONTINUOUS)
    if not (isfinite(dt_s) and dt_s > 0):
        raise GraphError(
            f"time step {dt_s} s; allowed: finite and above 0; give another --dt"
        )
    nodes = {name: _discrete(name, node, dt_s) for name, node in graph.nodes.items()}
    return Graph(nodes, _delayed(graph, nodes), Stage.DISCRETE, dt_s)


# --- nodes -------------------------------------------------------------------------


def _discrete(name: str, node: n.Node, dt_s: float) -> n.Node:
    match node:
        case n.Input() | n.Output():
            return node
        case _ if isinstance(node, n.MAPS):
            return node
        case n.LIF() | n.IF() | n.CubaLIF():
            return spiking(name, node, dt_s)
        case n.LI() | n.I() | n.CubaLI():
            return integrators(name, node, dt_s)
        case n.Threshold(threshold):
            nothing = np.zeros(threshold.shape)
            return n.SpikingNeurons(nothing, threshold.astype(np.float64), nothing)
        case n.Delay(delay_s):
            return n.DelaySteps(delay_s.shape, _steps(name, delay_s, dt_s))
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "discretize", _KNOWN)


def _steps(name: str, delay_s: n.FloatArray, dt_s: float) -> n.PerNeuron:
    """Return whole steps, one number if all delays agree."""
    steps = delay_s.astype(np.float64) / dt_s
    whole = np.rint(steps)
    wrong = ~(whole >= 0) | ~(np.abs(steps - whole) <= _WHOLE * np.maximum(1.0, whole))
    if np.any(wrong):
        raise GraphError(
            f"node '{name}': a delay of {delay_s[wrong][0]} s is "
            f"{steps[wrong][0]:.9g} steps of {dt_s} s; allowed: whole steps, 0 or "
            "more; change the delay or --dt"
        )
    if np.all(whole == whole.flat[0]):
        return int(whole.flat[0])
    return whole.astype(np.int64)


# --- edges -------------------------------------------------------------------------


def _delayed(graph: Graph, nodes: dict[str, n.Node]) -> tuple[Edge, ...]:
    """Return the edges, each one that closes a loop with a delay of one step."""
    pairs = [(edge.source, edge.target) for edge in graph.edges]
    for edge in graph.edges:
        if edge.delay:
            raise GraphError(
                f"edge {edge.source} -> {edge.target}: has a delay of {edge.delay} "
                "steps before there are steps; put a Delay node there"
            )
    _check_loops(nodes, pairs)
    loops = back_edges(list(nodes), pairs, [*graph.inputs])
    return tuple(Edge(*pair, delay=int(pair in loops)) for pair in pairs)


def _check_loops(nodes: dict[str, n.Node], pairs: list[Wire]) -> None:
    """Refuse loops without memory: y = f(y) at one and the same step."""
    bare = dict.fromkeys(k for k, node in nodes.items() if _passes_at_once(node))
    inner = [pair for pair in pairs if bare.keys() >= set(pair)]
    loops = sorted(back_edges(list(bare), inner, ()))
    if loops:
        source, target = loops[0]
        raise GraphError(
            f"edge {source} -> {target}: closes a loop of linear maps alone; allowed: "
            "loops with a neuron or a Delay; put one into the loop"
        )


def _passes_at_once(node: n.Node) -> bool:
    """Say whether what a node sends may depend on what it takes at the same step."""
    if isinstance(node, n.DelaySteps):
        return not np.all(node.steps)
    return isinstance(node, n.MAPS)
