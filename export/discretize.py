"""Fix a time step: seconds become factors per step."""

from __future__ import annotations

from math import isfinite

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError, UnsupportedNodeError
from spikewright.export.nir_order import Pair, back_edges
from spikewright.graph import Edge, Graph, Stage

_SNAP_GAIN = 1e-12
_SNAP_DECAY = 4 * 2.0**-53
_WHOLE = 1e-6
_STATELESS = (n.Affine, n.Linear, n.Conv1d, n.Scale, n.Flatten)
_KNOWN = ("LIF", "IF", "LI", "I", "Threshold", "Delay", "Affine", "Linear", "Conv1d")


def discretize(graph: Graph, *, dt_s: float) -> Graph:
    """Turn a CONTINUOUS graph into a DISCRETE one by forward Euler.

    1. LIF, IF: v <- v + dt/tau (v_leak - v + r a) is v <- decay v + g a + leak with
       decay = 1 - dt/tau and g = r dt/tau (IF: decay = 1, g = r dt). Neurons are
       scale-free, so all is divided by g: the weighted input enters unscaled, and the
       threshold becomes v_threshold / g, the bias v_leak / r.
    2. LI, I: the same, with g as the gain on what is sent.
    3. Threshold: decay 0, no bias. Delay: whole steps.
    4. Linear maps stay.
    5. An edge that closes a loop (`back_edges`: searched depth first from the Input, in
       the order of the edges) gets a delay of one step: its target sees the step
       before, as in every NIR executor; NIR itself leaves it open.

    Args:
        graph: a CONTINUOUS graph.
        dt_s: the time step in seconds.

    Raises:
        GraphError: `dt_s` is not positive, a time constant is shorter than it, a delay
            is not a whole number of steps, r is not positive, v_reset is not zero, or a
            loop holds neither a neuron nor a Delay.
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
        case n.Affine() | n.Linear() | n.Conv1d() | n.Scale() | n.Flatten():
            return node
        case n.LIF() | n.IF():
            return _spiking(name, node, dt_s)
        case n.LI() | n.I():
            return _integrators(name, node, dt_s)
        case n.Threshold(threshold):
            nothing = np.zeros(threshold.shape)
            return n.SpikingNeurons(nothing, _float64(threshold), nothing)
        case n.Delay(delay_s):
            return n.DelaySteps(delay_s.shape, _steps(name, delay_s, dt_s))
        case _:
            raise UnsupportedNodeError(name, type(node).__name__, "discretize", _KNOWN)


def _spiking(name: str, node: n.LIF | n.IF, dt_s: float) -> n.SpikingNeurons:
    reset = node.v_reset[node.v_reset != 0]
    if reset.size:
        raise GraphError(
            f"node '{name}': v_reset is {reset[0]}; allowed: 0, the only reset that "
            "the neurons of a chip have; shift the voltages (v_leak, v_threshold) so "
            "that the reset is 0, or train with a reset to zero"
        )
    threshold = _float64(node.v_threshold)
    _check_alike(name, node.r, threshold, node.v_reset)
    if isinstance(node, n.IF):
        gain, bias = _gain(name, _float64(node.r) * dt_s), np.zeros(threshold.shape)
        threshold = _per_unit(name, threshold, gain)
        return n.SpikingNeurons(np.ones(threshold.shape), threshold, bias)
    decay, gain, bias = _leaky(name, node, dt_s)
    return n.SpikingNeurons(decay, _per_unit(name, threshold, gain), bias)


def _integrators(name: str, node: n.LI | n.I, dt_s: float) -> n.Integrators:
    if isinstance(node, n.I):
        gain = _gain(name, _float64(node.r) * dt_s)
        return n.Integrators(np.ones(gain.shape), np.zeros(gain.shape), gain)
    decay, gain, bias = _leaky(name, node, dt_s)
    return n.Integrators(decay, bias, gain)


def _leaky(
    name: str, node: n.LIF | n.LI, dt_s: float
) -> tuple[n.FloatArray, n.FloatArray, n.FloatArray]:
    """Return decay, gain and bias; the bias is v_leak (dt/tau) / gain = v_leak / r."""
    _check_alike(name, node.tau_s, node.r, node.v_leak)
    tau_s, r = _float64(node.tau_s), _float64(node.r)
    decay = _decay(name, tau_s, dt_s)
    gain = _gain(name, r * dt_s / tau_s)
    return decay, gain, _per_unit(name, _float64(node.v_leak), r)


def _decay(name: str, tau_s: n.FloatArray, dt_s: float) -> n.FloatArray:
    """Return 1 - dt/tau, snapped to the float32 that a framework trained with.

    tau = dt / (1 - beta) in float64 loses a few units of 2**-53 on the way, an absolute
    error, since 1 - x is near 1. A float32 beta above 1e-7 has no float32 neighbor that
    near, so the nearest float32 is beta itself, bit for bit. A decay that was no
    float32 stays, but for one chance in 2**26 to move by less than its own error.
    """
    shorter = tau_s[~(tau_s >= dt_s)]
    if shorter.size:
        raise GraphError(
            f"node '{name}': time constant {shorter.min():.9g} s is shorter than the "
            f"time step {dt_s:.9g} s; choose a smaller --dt"
        )
    decay = 1.0 - dt_s / tau_s
    nearest = decay.astype(np.float32).astype(np.float64)
    return np.where(np.abs(decay - nearest) <= _SNAP_DECAY, nearest, decay)


def _gain(name: str, gain: n.FloatArray) -> n.FloatArray:
    """Check the gain, and snap it to 1 where only rounding of r = tau/dt differs."""
    wrong = gain[~(np.isfinite(gain) & (gain > 0))]
    if wrong.size:
        raise GraphError(
            f"node '{name}': the gain of the input per step is {wrong[0]}; allowed: "
            "finite and above 0; r must be positive: move its sign into the weights"
        )
    return np.where(np.abs(gain - 1.0) <= _SNAP_GAIN, 1.0, _float64(gain))


def _steps(name: str, delay_s: n.FloatArray, dt_s: float) -> int:
    steps = _float64(delay_s) / dt_s
    whole = np.rint(steps)
    if whole.min() < 0 or whole.min() != whole.max():
        raise GraphError(
            f"node '{name}': delays from {delay_s.min()} s to {delay_s.max()} s; "
            "allowed: one delay of 0 or more for all elements; use one Delay for each"
        )
    if np.abs(steps - whole).max() > _WHOLE * max(1.0, float(whole.max())):
        raise GraphError(
            f"node '{name}': a delay of {delay_s.max()} s is {steps.max():.9g} steps "
            f"of {dt_s} s; allowed: whole steps; change the delay or --dt"
        )
    return int(whole.max())


def _check_alike(name: str, *parameters: n.FloatArray) -> None:
    shapes = {each.shape for each in parameters}
    if len(shapes) > 1:
        raise GraphError(
            f"node '{name}': parameters have the shapes {sorted(shapes)}; allowed: one "
            "shape for all; repeat scalars to the full shape"
        )


def _per_unit(name: str, values: n.FloatArray, unit: n.FloatArray) -> n.FloatArray:
    with np.errstate(over="ignore"):
        scaled: n.FloatArray = values / unit
    if not np.isfinite(scaled).all():
        raise GraphError(
            f"node '{name}': r is so small that threshold or bias per unit of input is "
            "not finite; move the factor into the weights"
        )
    return scaled


def _float64(values: n.FloatArray) -> n.FloatArray:
    return values.astype(np.float64)


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
    loops = back_edges(list(nodes), pairs, graph.input_name)
    return tuple(Edge(*pair, delay=int(pair in loops)) for pair in pairs)


def _check_loops(nodes: dict[str, n.Node], pairs: list[Pair]) -> None:
    """Refuse loops without memory: y = f(y) at one and the same step."""
    bare = [
        name
        for name, node in nodes.items()
        if isinstance(node, _STATELESS)
        or (isinstance(node, n.DelaySteps) and not node.steps)
    ]
    inner = [pair for pair in pairs if set(pair) <= set(bare)]
    loops = sorted(back_edges(bare, inner, bare[0])) if bare else []
    if loops:
        source, target = loops[0]
        raise GraphError(
            f"edge {source} -> {target}: closes a loop of linear maps alone; allowed: "
            "loops with a neuron or a Delay; put one into the loop"
        )
