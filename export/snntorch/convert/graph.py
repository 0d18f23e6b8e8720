"""One step of a forward as a CONTINUOUS graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.layouts import Layout, layouts
from spikewright.export.snntorch.convert.maps import flattened
from spikewright.export.snntorch.convert.neurons import Neuron, parts_of, reset_of
from spikewright.export.snntorch.convert.signal import (
    AxesError,
    Signal,
    Source,
    channels_first,
)
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.export.snntorch.convert.values import Lowering
from spikewright.export.snntorch.record.body import Body
from spikewright.export.snntorch.record.layers import Delay
from spikewright.graph import Graph

_SPIKING = n.LIF | n.IF | n.CubaLIF | n.Threshold


@dataclass(frozen=True)
class Export:
    """A graph, and where in it the numbers of the module lie."""

    graph: Graph
    inputs: Mapping[str, Signal]
    """by argument"""
    outputs: Mapping[str, Signal]
    """by Output: what flows into it; in the order of what is returned"""
    spikes: Mapping[str, Signal]
    """by path of a neuron: its spikes, if a node sends them"""
    needs_proof: tuple[str, ...]
    """neurons that are exact only if no v stays above its threshold after a reset"""


def lower_body(body: Body, *, dt_s: float, odd_spikes: Mapping[str, str]) -> Export:
    """Spell one step as nodes, with the axes of the Inputs in the order that fits.

    Raises:
        GraphError: no graph does exactly what the module does.
    """
    first: AxesError | None = None
    for chosen in layouts(body):
        try:
            return _spelled(body, dt_s, odd_spikes, chosen)
        except AxesError as error:
            # Its traceback would keep the weights of this attempt in memory.
            first = first or error.with_traceback(None)
    assert first is not None  # noqa: S101 - there is at least one layout
    raise first


def _spelled(
    body: Body, dt_s: float, odd_spikes: Mapping[str, str], chosen: Mapping[str, Layout]
) -> Export:
    sketch = Sketch(dt_s)
    inputs = _add_inputs(sketch, chosen)
    neurons = {
        path: _neuron(sketch, path, call.layer, odd_spikes.get(path, ""))
        for path, call in body.neurons.items()
    }
    lowering = Lowering(body, sketch, inputs, neurons)
    for path in neurons:
        lowering.take(path)
    returned = {each.name: lowering.signal(each.value) for each in body.outputs}
    for path in neurons:
        lowering.add_neuron(path)
    outputs = dict(_add_output(sketch, *each) for each in returned.items())
    spikes = {
        path: replace(lowering.takes[path], sources=(Source(each.base),), constant=None)
        for path, each in neurons.items()
        if isinstance(sketch.nodes.get(each.base), _SPIKING)
    }
    unproven = tuple(p for p, each in neurons.items() if each.reset == "at once")
    graph = sketch.finished()
    _check_finite(graph)
    return Export(graph, inputs, outputs, spikes, unproven)


def _check_finite(graph: Graph) -> None:
    for name, node in graph.nodes.items():
        for each in fields(node):
            values = getattr(node, each.name)
            if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                raise GraphError(
                    f"node '{name}': its {each.name} is not finite; look for a "
                    "training that diverged, or a parameter beyond its range"
                )


def _neuron(sketch: Sketch, path: str, layer: Any, odd_spikes: str) -> Neuron:
    wanted = path or type(layer).__name__.lower()
    if isinstance(layer, Delay):
        return Neuron(path, layer, "none", sketch.name(wanted))
    reset = reset_of(path, layer, odd_spikes)
    base = sketch.name(wanted, parts_of(layer, reset))
    return Neuron(path, layer, reset, base)


def _add_inputs(sketch: Sketch, chosen: Mapping[str, Layout]) -> dict[str, Signal]:
    """Add the Inputs; one alone is called so, several as their arguments."""
    inputs = {}
    for argument, (places, shape) in chosen.items():
        outer, dot, key = argument.partition(".")
        key = f"{outer}_{key}" if key.isdigit() else key
        name = sketch.name(key if dot else argument if len(chosen) > 1 else "input")
        sketch.add(name, n.Input(shape))
        inputs[argument] = Signal((Source(name, 0, False),), places, shape)
    return inputs


def _add_output(sketch: Sketch, wanted: str, signal: Signal) -> tuple[str, Signal]:
    """Add an Output in torch's order, or with the channels before the tokens.

    Raises:
        AxesError: the axes lie in another order.
    """
    if signal.places.ndim == 0:  # squeezed: one number a sample
        signal = replace(signal, places=signal.places.reshape(1))
    name, shape = sketch.name(wanted), signal.places.shape
    if len(shape) == 1 and signal.is_plain:
        signal = flattened(sketch, name, signal)
    is_torch = signal.is_plain and signal.shape == shape
    if not (is_torch or (len(shape) > 1 and _is_channels_first(signal))):
        raise AxesError(
            f"{name}: the axes of what is returned, {shape}, lie as {signal.shape} in "
            "the graph in another order; allowed: torch's order, or (tokens, channels) "
            "as (channels, tokens); return what a layer gives"
        )
    sketch.add(name, n.Output(signal.shape), signal)
    return name, signal


def _is_channels_first(signal: Signal) -> bool:
    places, shape = channels_first(signal.places.shape)
    return signal.shape == shape and np.array_equal(signal.places, places)
