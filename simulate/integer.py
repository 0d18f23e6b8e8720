"""The integer simulator: Lava's fixed-point arithmetic, bit for bit, for test sets.

It works in windowed time (see `window.py`). A graph without loops is computed
population by population, all samples and steps in one matrix product; one with loops,
step by step. Sums of 8-bit weights over spikes stay below 2**24, where float32 is
exact, so BLAS does the work; where they might not, float64 does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.errors import OverflowDetectedError
from spikewright.graph import Graph, Stage
from spikewright.loihi import (
    DECAY_ONE,
    MAX_CURRENT,
    MAX_MESSAGE,
    STATE_BITS,
    STATE_LIMIT,
    shift_to_zero,
)
from spikewright.nodes import (
    BiasLine,
    IntArray,
    Output,
    QuantizedIntegrators,
    QuantizedNeurons,
    Synapses,
)
from spikewright.simulate.inputs import check_inputs, run_meta
from spikewright.simulate.linear import apply_synapses
from spikewright.simulate.window import Connection, connections
from spikewright.trace import Spikes, SpikeTrace, merge_traces

CHUNK = 8
"""samples computed at once; larger chunks only push the arrays out of the cache"""
FLOAT32_EXACT = 2**24
DECAY_BITS = 12

Target = QuantizedNeurons | QuantizedIntegrators | Output
"""the nodes that a connection may lead to"""
Signal = npt.NDArray[Any]
"""(samples, steps, *shape): uint8 spikes, or int64 values"""


def run_integer(
    graph: Graph,
    inputs: npt.NDArray[np.generic],
    *,
    on_samples: Callable[[int], None] = lambda done: None,
) -> SpikeTrace:
    """Run spikes through a QUANTIZED graph in Loihi's integers.

    Args:
        graph: QUANTIZED.
        inputs: (samples, steps, *input shape), 0 or 1.
        on_samples: called with the number of finished samples.

    Raises:
        InputError: the inputs do not fit the graph.
        OverflowDetectedError: a sum or a state left its register.
    """
    parts = list(iterate_integer(graph, inputs, on_samples=on_samples))
    return merge_traces(parts, run_meta(graph, "integer", inputs.shape[1]))


def iterate_integer(
    graph: Graph,
    inputs: npt.NDArray[np.generic],
    *,
    on_samples: Callable[[int], None] = lambda done: None,
) -> Iterator[SpikeTrace]:
    """Yield the trace of `CHUNK` samples at a time: bounded memory for large sets."""
    graph.expect(Stage.QUANTIZED)
    check_inputs(graph, inputs)
    for start in range(0, len(inputs), CHUNK):
        chunk = inputs[start : start + CHUNK].astype(np.uint8)
        yield _run_chunk(graph, chunk)
        on_samples(start + len(chunk))


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Some samples on their way through the graph."""

    graph: Graph
    ways: Sequence[Connection]
    sent: dict[str, Signal] = field(default_factory=dict)
    """what each node has sent so far, all steps allocated"""
    v: dict[str, IntArray] = field(default_factory=dict)
    """potentials as they are now, (samples, *shape)"""


def _run_chunk(graph: Graph, inputs: Spikes) -> SpikeTrace:
    chunk = _Chunk(graph, connections(graph))
    for name, node in graph.nodes.items():
        _allocate(chunk, name, node, inputs.shape[:2])
    chunk.sent[graph.input_name] = inputs
    order, is_loop = _order(chunk.ways)
    length = 1 if is_loop else inputs.shape[1]
    names = [*order, *(name for name in chunk.v if name not in order)]
    for start in range(0, inputs.shape[1], length):
        for name in names:
            _advance(chunk, name, start, start + length)
    return _trace(chunk)


def _allocate(chunk: _Chunk, name: str, node: object, runs: tuple[int, ...]) -> None:
    match node:
        case BiasLine():
            chunk.sent[name] = np.ones((*runs, 1), dtype=np.uint8)
        case QuantizedNeurons() | QuantizedIntegrators() | Output():
            kind = np.uint8 if isinstance(node, QuantizedNeurons) else np.int64
            chunk.sent[name] = np.zeros((*runs, *node.shape), dtype=kind)
            chunk.v[name] = np.zeros((runs[0], *node.shape), dtype=np.int64)


def _order(ways: Sequence[Connection]) -> tuple[tuple[str, ...], bool]:
    """Return the targets in computing order, and whether there is a loop.

    With loops only connections of the same step decide; those have no cycle, because
    every loop of a TIMED graph takes a step at least.
    """
    targets = {way.target for way in ways}
    try:
        names = _sorted(ways)
    except CycleError:
        names = _sorted([way for way in ways if way.lag == 0])
        return tuple(name for name in names if name in targets), True
    return tuple(name for name in names if name in targets), False


def _sorted(ways: Sequence[Connection]) -> tuple[str, ...]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for way in ways:
        sorter.add(way.target, way.source)
    return tuple(sorter.static_order())


def _advance(chunk: _Chunk, name: str, start: int, stop: int) -> None:
    """Compute the steps from `start` to `stop` of one node."""
    node = chunk.graph.nodes[name]
    assert isinstance(node, Target)  # noqa: S101 - only they were allocated
    runs = (len(chunk.v[name]), stop - start)
    total = np.zeros((*runs, *node.shape), dtype=np.int64)
    for way in chunk.ways:
        if way.target == name:
            signal = _window(chunk.sent[way.source], start - way.lag, stop - way.lag)
            total += _through(way.synapses, signal, node.shape)
    limit = MAX_MESSAGE if isinstance(node, Output) else MAX_CURRENT
    _refuse_overflow(f"input of node '{name}'", total, limit)
    sent = chunk.sent[name]
    if isinstance(node, Output):
        sent[:, start:stop] = total
        return
    for i in range(stop - start):
        sent[:, start + i] = _update(chunk.v, name, node, total[:, i])


def _window(signal: Signal, start: int, stop: int) -> Signal:
    """Return steps `start` to `stop`; those before 0 are silent."""
    if start >= 0:
        return signal[:, start:stop]
    silent = np.zeros((len(signal), -start, *signal.shape[2:]), dtype=signal.dtype)
    return np.concatenate([silent, signal[:, : max(0, stop)]], axis=1)[
        :, : stop - start
    ]


def _through(
    synapses: Synapses | None, signal: Signal, target: tuple[int, ...]
) -> Signal:
    """Return what a connection delivers: (samples, steps, *target)."""
    if synapses is None:
        return signal
    is_exact = np.abs(synapses.weight).sum() < FLOAT32_EXACT
    batch = signal.reshape(-1, *signal.shape[2:])
    x = batch.astype(np.float32 if is_exact else np.float64)
    sums = apply_synapses(synapses, x, target).astype(np.int64)
    return (sums << synapses.exponent).reshape(*signal.shape[:2], *target)


def _update(
    v: dict[str, IntArray],
    name: str,
    node: QuantizedNeurons | QuantizedIntegrators,
    a: IntArray,
) -> Signal:
    """v = rsz(v (4096 - dv), 12) + (a << 6); s = v > (vth << 6); v = 0 where s."""  # noqa: D403
    kept = shift_to_zero(v[name] * (DECAY_ONE - node.dv), DECAY_BITS)
    potential: IntArray = kept + (a << STATE_BITS)
    _refuse_overflow(f"potential of node '{name}'", potential, STATE_LIMIT)
    if isinstance(node, QuantizedIntegrators):
        v[name] = potential
        return potential
    spikes: Signal = potential > (node.vth << STATE_BITS)
    v[name] = np.where(spikes, 0, potential)
    return spikes


def _refuse_overflow(what: str, values: IntArray, limit: int) -> None:
    largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
    if largest >= limit:
        raise OverflowDetectedError(
            f"{what} reaches {largest}; its register ends below {limit}; "
            "make the weights smaller against the threshold, or the sample shorter"
        )


def _trace(chunk: _Chunk) -> SpikeTrace:
    graph = chunk.graph
    spikes = {
        name: chunk.sent[name]
        for name, node in graph.nodes.items()
        if isinstance(node, QuantizedNeurons) or name == graph.input_name
    }
    output = graph.nodes[graph.output_name]
    assert isinstance(output, Output)  # noqa: S101 - the name says so
    values = chunk.sent[graph.output_name].astype(np.float64) * output.scale
    return SpikeTrace(spikes, values)
