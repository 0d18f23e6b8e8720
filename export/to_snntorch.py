"""A CONTINUOUS graph as an snnTorch module: exact, trainable, exportable again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from spikewright import nodes as n
from spikewright.errors import InputError
from spikewright.export.graphs.order import topological_order
from spikewright.export.graphs.shapes import ends
from spikewright.export.passes.discretize import discretize
from spikewright.export.snntorch.rebuild import Making, layer, leaky, neurons
from spikewright.export.snntorch.record.layers import Delay
from spikewright.graph import Graph, Stage

Tensors = Mapping[str, torch.Tensor]


def import_nir(graph: Graph, *, dt_s: float, learn_neurons: bool = False) -> NirNetwork:
    """Return the module that fires, step by step, as a graph.

    LIF, IF and Threshold become `snntorch.Leaky` with reset to zero; LI -> Threshold
    with a loop that subtracts the threshold, one with reset by subtraction; other LI
    and I, one without reset, of which the potential goes on; CubaLIF and CubaLI,
    `snntorch.Synaptic`. Numbers are float32 if that holds all of them, else float64.

    Args:
        graph: what `read_nir` returned; CONTINUOUS.
        dt_s: length of a step in seconds.
        learn_neurons: let training change decays and thresholds, too.

    Raises:
        GraphError: snnTorch cannot do exactly what a node does, such as a v_reset other
            than 0; or the graph cannot be discretized.
        UnsupportedNodeError: there is no module for a node.
    """
    graph.expect(Stage.CONTINUOUS)
    return NirNetwork(graph, dt_s, learn_neurons=learn_neurons)


@dataclass(frozen=True)
class _Part:
    """What one module of the network does in a step."""

    name: str
    """of the node"""
    module: str
    """of the module, or nothing"""
    sources: tuple[tuple[str, int], ...]
    """what flows in, and how many steps late"""
    shape: n.Shape
    """of what the node sends"""
    states: int = 0
    """of a neuron: its potential, and a current if it has one"""
    spikes: str = ""
    """under which name a neuron sends its spikes, if it does"""
    potential: str = ""
    """under which name a neuron sends its potential, if it does"""


class NirNetwork(nn.Module):
    """Runs the nodes of a graph, step by step, from rest."""

    def __init__(self, graph: Graph, dt_s: float, *, learn_neurons: bool) -> None:
        super().__init__()
        discrete = discretize(graph, dt_s=dt_s)
        self._shapes = {k: ends(k, node)[1] for k, node in graph.nodes.items()}
        self._inputs, self._outputs = list(graph.inputs), list(graph.outputs)
        self.biases, self.gains = nn.ParameterDict(), nn.ParameterDict()
        making = Making(_dtype(discrete), learn_neurons)
        self._parts = tuple(self._make(graph, discrete, making))

    def forward(self, inputs: torch.Tensor | Tensors) -> torch.Tensor | Tensors:
        """Run samples.

        Args:
            inputs: (steps, samples, *shape of the Input), by name if there are several.

        Returns:
            (steps, samples, *shape of the Output), by name if there are several.
        """
        given = self._named(inputs)
        for delay in self.modules():
            if isinstance(delay, Delay):
                delay.rest()
        states: dict[str, tuple[torch.Tensor, ...]] = {}
        rows: dict[str, list[torch.Tensor]] = {name: [] for name in self._outputs}
        before: dict[str, torch.Tensor] = {}
        for step in range(len(next(iter(given.values())))):
            sent = {name: each[step] for name, each in given.items()}
            for part in self._parts:
                self._run(part, sent, before, states)
            for name, row in rows.items():
                row.append(sent[name])
            before = sent
        stacked = {name: torch.stack(each) for name, each in rows.items()}
        return stacked if len(stacked) > 1 else stacked[self._outputs[0]]

    def _named(self, inputs: torch.Tensor | Tensors) -> Tensors:
        if isinstance(inputs, torch.Tensor) and len(self._inputs) == 1:
            return {self._inputs[0]: inputs}
        if isinstance(inputs, torch.Tensor) or set(inputs) != set(self._inputs):
            raise InputError(
                f"the network takes the inputs {', '.join(self._inputs)}; give a "
                "tensor for each, by name"
            )
        return inputs

    # --- a step ----------------------------------------------------------------------

    def _run(
        self,
        part: _Part,
        sent: dict[str, torch.Tensor],
        before: Tensors,
        states: dict[str, tuple[torch.Tensor, ...]],
    ) -> None:
        """Let a node take what flows in, and send."""
        a = self._taken(part, sent, before)
        if part.states:
            a = a + self.biases[part.module] if part.module in self.biases else a
            state = states.get(part.name, (torch.zeros_like(a),) * part.states)
            spikes, *after = self.get_submodule(part.module)(a, *state)
            states[part.name] = tuple(after)
            gain = self.gains[part.module] if part.module in self.gains else None
            if part.spikes:
                sent[part.spikes] = spikes
            if part.potential:
                sent[part.potential] = after[-1] if gain is None else after[-1] * gain
        elif part.module:
            sent[part.name] = self.get_submodule(part.module)(a)
        else:
            sent[part.name] = a.reshape(len(a), *part.shape)

    def _taken(self, part: _Part, sent: Tensors, before: Tensors) -> torch.Tensor:
        """Sum what flows in, in the order of the edges; nothing late at first."""
        total: torch.Tensor | None = None
        for source, late in part.sources:
            if late and source not in before:
                like = next(iter(sent.values()))
                found = like.new_zeros((len(like), *self._shapes[source]))
            else:
                found = before[source] if late else sent[source]
            total = found if total is None else total + found
        assert total is not None  # noqa: S101 - a graph has no node without an edge in
        return total

    # --- making ----------------------------------------------------------------------

    def _make(self, graph: Graph, discrete: Graph, making: Making) -> list[_Part]:
        """Make a module for every node but the Inputs, in the order of a step."""
        loops = soft_resets(discrete)
        hidden = {name for loop in loops.values() for name in loop}
        parts = []
        for name in _order(discrete):
            if isinstance(discrete.nodes[name], n.Input):
                continue
            spiking = next((s for s, (mem, _) in loops.items() if mem == name), "")
            if spiking:
                parts.append(self._soft(discrete, spiking, loops[spiking], making))
            elif name not in loops and name not in hidden:
                parts.append(self._single(graph, discrete, name, making))
        return parts

    def _single(
        self, graph: Graph, discrete: Graph, name: str, making: Making
    ) -> _Part:
        node, original = discrete.nodes[name], graph.nodes[name]
        sources, shape = _sources(discrete, name), self._shapes[name]
        if isinstance(node, n.SpikingNeurons | n.Integrators):
            module = self._add(name, neurons(name, node, making))
            self._add_constants(module, node, making)
            states = 2 if np.any(node.current_decay) else 1
            is_graded = isinstance(node, n.Integrators)
            sent = ("", name) if is_graded else (name, "")
            return _Part(name, module, sources, shape, states, *sent)
        delay_s = original.delay_s if isinstance(original, n.Delay) else None
        made = layer(name, node, delay_s, making)
        module = "" if made is None else self._add(name, made)
        return _Part(name, module, sources, shape)

    def _soft(
        self, discrete: Graph, spiking: str, loop: tuple[str, str], making: Making
    ) -> _Part:
        """Make a neuron that subtracts its threshold at the next step."""
        membrane, back = loop
        node, fires = discrete.nodes[membrane], discrete.nodes[spiking]
        assert isinstance(node, n.Integrators)  # noqa: S101 - soft_resets checked
        assert isinstance(fires, n.SpikingNeurons)  # noqa: S101 - soft_resets checked
        made = leaky(making, node.decay, fires.threshold, "subtract")
        module = self._add(spiking, made)
        self._add_constants(module, node, making)
        sources = tuple(s for s in _sources(discrete, membrane) if s[0] != back)
        shape = self._shapes[spiking]
        return _Part(spiking, module, sources, shape, 1, spiking, membrane)

    def _add(self, name: str, made: nn.Module) -> str:
        """Add a module under the name of its node, or one near it."""
        free = name.replace(".", "_")
        while hasattr(self, free):
            free += "_"
        self.add_module(free, made)
        return free

    def _add_constants(
        self, module: str, node: n.SpikingNeurons | n.Integrators, making: Making
    ) -> None:
        if np.any(node.bias):
            self.biases[module] = nn.Parameter(making.tensor(node.bias))
        if isinstance(node, n.Integrators) and np.any(node.gain != 1):
            self.gains[module] = nn.Parameter(making.tensor(node.gain))


def soft_resets(graph: Graph) -> dict[str, tuple[str, str]]:
    """Find snnTorch's default neuron in a DISCRETE graph.

    Returns:
        spiking node -> (integrators, Scale), if the Threshold reads the integrators and
        the Scale brings its spikes back a step late as -threshold, and nothing else.
    """
    found = {}
    for name, scale in graph.nodes.items():
        into, out = graph.into(name), graph.out_of(name)
        if not isinstance(scale, n.Scale) or len(into) != 1 or len(out) != 1:
            continue
        spiking, membrane = into[0].source, out[0].target
        delay = into[0].delay + out[0].delay
        if delay == 1 and _is_soft(graph, membrane, spiking, scale):
            found[spiking] = (membrane, name)
    membranes = [membrane for membrane, _ in found.values()]
    return {k: v for k, v in found.items() if membranes.count(v[0]) == 1}


def _is_soft(graph: Graph, membrane: str, spiking: str, scale: n.Scale) -> bool:
    node, fires = graph.nodes[membrane], graph.nodes[spiking]
    reads = graph.into(spiking)
    return (
        isinstance(node, n.Integrators)
        and isinstance(fires, n.SpikingNeurons)
        and [(e.source, e.delay) for e in reads] == [(membrane, 0)]
        and not (np.any(fires.decay) or np.any(fires.bias) or np.any(fires.start))
        and not (np.any(node.current_decay) or np.any(node.gain != 1))
        and np.array_equal(scale.scale, -fires.threshold)
        and bool(np.all(fires.threshold >= 0))
    )


def _sources(graph: Graph, name: str) -> tuple[tuple[str, int], ...]:
    return tuple((edge.source, edge.delay) for edge in graph.into(name))


def _order(graph: Graph) -> list[str]:
    """Order nodes as signals travel within a step."""
    prompt: Sequence[tuple[str, str]] = [
        (edge.source, edge.target) for edge in graph.edges if not edge.delay
    ]
    return topological_order(list(graph.nodes), prompt, [*graph.inputs])


def _dtype(graph: Graph) -> torch.dtype:
    """Return float32 if it holds all numbers of a graph."""
    for node in graph.nodes.values():
        for each in fields(node):
            values = getattr(node, each.name)
            if isinstance(values, np.ndarray) and values.dtype == np.float64:
                if not np.array_equal(values, values.astype(np.float32)):
                    return torch.float64
    return torch.float32
