"""The integer simulator: Lava's fixed-point arithmetic, bit for bit, for whole test sets.

It works in windowed time (see `window.py`). A graph without loops is computed population
by population, all samples and steps in one matrix product; one with loops, step by
step. Sums of 8-bit weights over spikes stay below 2**24, where float32 is exact, so
BLAS does the work; where they could not, float64 does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

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
)
from spikewright.simulate.linear import apply_synapses
from spikewright.simulate.window import Connection, check_inputs, connections, run_meta
from spikewright.trace import SpikeTrace, merge_traces

CHUNK = 8
"""samples computed at once; larger chunks only push the arrays out of the cache"""
FLOAT32_EXACT = 2**24

_Target = QuantizedNeurons | QuantizedIntegrators | Output


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
    meta = run_meta(graph, "integer", "fixed", inputs.shape[1])
    return merge_traces(list(iterate_integer(graph, inputs, on_samples)), meta)


def iterate_integer(
    graph: Graph,
    inputs: npt.NDArray[np.generic],
    on_samples: Callable[[int], None] = lambda done: None,
) -> Iterator[SpikeTrace]:
    """Yield the traces of `CHUNK` samples at a time: bounded memory for large sets."""
    graph.expect(Stage.QUANTIZED)
    check_inputs(graph, inputs)
    for start in range(0, len(inputs), CHUNK):
        yield _Chunk(graph, inputs[start : start + CHUNK]).run()
        on_samples(min(start + CHUNK, len(inputs)))


@dataclass(frozen=True)
class _Order:
    """In which order to compute, and how much time at once."""

    names: tuple[str, ...]
    is_loop: bool


def _order(ways: Sequence[Connection]) -> _Order:
    """Sort by all connections; with loops, by those of the same step only."""
    try:
        return _Order(_sorted(ways), is_loop=False)
    except CycleError:
        return _Order(_sorted([way for way in ways if way.lag == 0]), is_loop=True)


def _sorted(ways: Sequence[Connection]) -> tuple[str, ...]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for way in ways:
        sorter.add(way.target, way.source)
    return tuple(sorter.static_order())


class _Chunk:
    """Some samples on their way through the graph: signals sent, and potentials."""

    def __init__(self, graph: Graph, inputs: npt.NDArray[np.generic]) -> None:
        self.graph, self.ways = graph, connections(graph)
        self.samples, self.steps = inputs.shape[:2]
        self.sent: dict[str, npt.NDArray[np.generic]] = {}
        self.v: dict[str, IntArray] = {}
        for name, node in graph.nodes.items():
            match node:
                case QuantizedNeurons():
                    self._allocate(name, node, np.uint8)
                case QuantizedIntegrators() | Output():
                    self._allocate(name, node, np.int64)
                case BiasLine():
                    self.sent[name] = np.ones((*inputs.shape[:2], 1), dtype=np.uint8)
        self.sent[graph.input_name] = inputs.astype(np.uint8)

    def _allocate(self, name: str, node: _Target, kind: type[np.generic]) -> None:
        self.sent[name] = np.zeros((self.samples, self.steps, *node.shape), dtype=kind)
        self.v[name] = np.zeros((self.samples, *node.shape), dtype=np.int64)

    def run(self) -> SpikeTrace:
        """Compute all steps."""
        order = _order(self.ways)
        length = 1 if order.is_loop else self.steps
        targets = {way.target for way in self.ways} | set(self.v)
        names = [name for name in order.names if name in targets]
        for start in range(0, self.steps, length):
            for name in names:
                self._advance(name, start, start + length)
        return self._trace()

    def _advance(self, name: str, start: int, stop: int) -> None:
        """Compute the steps from `start` to `stop` of one population."""
        node = self.graph.nodes[name]
        assert isinstance(node, _Target)  # noqa: S101 - only they have connections in
        total = np.zeros((self.samples, stop - start, *node.shape), dtype=np.int64)
        for way in self.ways:
            if way.target == name:
                total += self._arriving(way, node, start, stop)
        limit = MAX_MESSAGE if isinstance(node, Output) else MAX_CURRENT
        _refuse_overflow(name, "input", total, limit)
        if isinstance(node, Output):
            self.sent[name][:, start:stop] = total
        else:
            self._update(name, node, total, start)

    def _arriving(
        self, way: Connection, node: _Target, start: int, stop: int
    ) -> npt.NDArray[np.generic]:
        """Return what one connection delivers: (samples, stop - start, *shape)."""
        signal = _window(self.sent[way.source], start - way.lag, stop - way.lag)
        if way.synapses is None:
            return signal
        magnitude = np.abs(way.synapses.weight).sum() if signal.dtype == np.uint8 else 0
        is_small = 0 < magnitude < FLOAT32_EXACT or _fits(way)
        batch = signal.reshape(-1, *signal.shape[2:])
        x = batch.astype(np.float32 if is_small else np.float64)
        sums = apply_synapses(way.synapses, x, node.shape).astype(np.int64)
        return (sums << way.synapses.exponent).reshape(*signal.shape[:2], *node.shape)

    def _update(
        self,
        name: str,
        node: QuantizedNeurons | QuantizedIntegrators,
        total: IntArray,
        start: int,
    ) -> None:
        """v = rsz(v (4096 - dv), 12) + (a << 6);  s = v > (vth << 6);  v = 0 where s."""
        for i in range(total.shape[1]):
            v = self.v[name] * (DECAY_ONE - node.dv)
            v = shift_to_zero(v, 12) + (total[:, i] << STATE_BITS)
            _refuse_overflow(name, "potential", v, STATE_LIMIT)
            if isinstance(node, QuantizedNeurons):
                spikes = v > (node.vth << STATE_BITS)
                self.sent[name][:, start + i] = spikes
                v[spikes] = 0
            else:
                self.sent[name][:, start + i] = v
            self.v[name] = v

    def _trace(self) -> SpikeTrace:
        spikes = {
            name: signal
            for name, signal in self.sent.items()
            if signal.dtype == np.uint8
            and not isinstance(self.graph.nodes[name], BiasLine)
        }
        output = self.graph.nodes[self.graph.output_name]
        assert isinstance(output, Output)  # noqa: S101 - the name says so
        values = self.sent[self.graph.output_name].astype(np.float64) * output.scale
        return SpikeTrace(spikes, values)


def _window(
    signal: npt.NDArray[np.generic], start: int, stop: int
) -> npt.NDArray[np.generic]:
    """Return steps `start` to `stop`; those before 0 are silent."""
    if start >= 0:
        return signal[:, start:stop]
    shape = (len(signal), stop - start, *signal.shape[2:])
    window = np.zeros(shape, dtype=signal.dtype)
    if stop > 0:
        window[:, -stop:] = signal[:, :stop]
    return window


def _refuse_overflow(name: str, what: str, values: IntArray, limit: int) -> None:
    largest = int(np.abs(values).max(initial=0))
    if largest >= limit:
        step = int(np.argmax(np.abs(values).max(axis=tuple(range(2, values.ndim)))))
        raise OverflowDetectedError(
            f"node '{name}': {what} of magnitude {largest} at step {step}; it must stay "
            f"below {limit}; lower the weights, or shorten the sample"
        )
