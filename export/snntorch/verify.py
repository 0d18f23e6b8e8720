"""The proof of an export: the module and the reference executor fire alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spikewright import nodes as n
from spikewright.errors import ExportMismatchError
from spikewright.export.graphs.shapes import ends
from spikewright.export.passes.discretize import discretize
from spikewright.export.snntorch.convert.graph import Export
from spikewright.export.snntorch.convert.signal import Signal
from spikewright.export.snntorch.record.body import Body
from spikewright.export.snntorch.record.run import Run, run_module
from spikewright.export.snntorch.record.twin import Twin
from spikewright.graph import Graph
from spikewright.simulate.reference import run_reference
from spikewright.trace import SpikeTrace

MOST_STEPS, FEWEST_STEPS = 16, 4
"""steps of a proof, unless the forward has its own"""
MOST_WORK = 2e9
"""weights that meet a signal in a proof of more than the fewest steps"""
MOST_SAMPLES = 4
"""of a batch; the reference executor runs them one by one"""
TOLERANCE = 1e-9
"""of an Output's real numbers, relative to the largest: sums are in another order"""

_TWICE = (
    "its v was above the threshold even after this was subtracted without delay; there "
    "snnTorch subtracts it once more, and no graph does; use reset_delay=True, or a "
    "sample that does not drive it that high"
)

Array = npt.NDArray[Any]
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Proof:
    """What was compared; nothing of it differed."""

    trials: tuple[str, ...]
    samples: int
    """of all trials"""
    steps: int
    entries: int
    """one for each spiking neuron, sample and step"""
    spikes: int
    """entries that are 1"""
    values: int
    """numbers at the Outputs"""
    largest_difference: float
    """of values: sums are in another order"""


def verify(
    twin: Twin, body: Body, export: Export, arguments: Arguments, *, dt_s: float
) -> Proof:
    """Run the module and the graph on the sample, on spikes and on numbers.

    Spikes must be equal; real numbers in the Outputs too, but for rounding.

    Returns:
        What was compared.

    Raises:
        ExportMismatchError: they are not; names the first step and population.
    """
    forwards = 1 if body.is_reset else _steps(export.graph)
    trials = dict(_trials(body, arguments, forwards))
    runs = {label: run_module(twin, body, each) for label, each in trials.items()}
    return _Check(export, discretize(export.graph, dt_s=dt_s), runs).made()


def _steps(graph: Graph) -> int:
    """Return how many steps to run: fewer for large networks, always as many."""
    work = 0
    for name, node in graph.nodes.items():
        if isinstance(node, n.Affine | n.Linear | n.Conv1d | n.Conv2d):
            work += node.weight.size * prod(ends(name, node)[1]) // len(node.weight)
    return max(FEWEST_STEPS, min(MOST_STEPS, int(MOST_WORK // max(work, 1))))


def _trials(
    body: Body, arguments: Arguments, forwards: int
) -> Iterator[tuple[str, list[Arguments]]]:
    """Yield the arguments of every forward: the sample, then random ones like it."""
    yield "the sample", [arguments] * forwards
    rng = torch.Generator().manual_seed(0)
    for label in ("random spikes", "random numbers"):
        yield (
            label,
            [
                {
                    name: _random(label, value, rng)
                    if name in body.arguments
                    else value
                    for name, value in arguments.items()
                }
                for _ in range(forwards)
            ],
        )


def _random(label: str, like: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return spikes, or numbers from the range of those given."""
    drawn = torch.rand(like.shape, generator=rng, dtype=torch.float64)
    if label == "random spikes" or not like.is_floating_point():
        return (drawn < 0.4).to(like.dtype)
    low, high = float(like.min()), float(like.max())
    low, high = (low, high) if low < high else (low - 1.0, high + 1.0)
    return low + (high - low) * drawn


@dataclass(frozen=True)
class _Difference:
    """Where the module and the graph differ."""

    step: int
    node: str
    sample: int
    """of all trials"""
    neuron: tuple[int, ...]
    wanted: float
    got: float


@dataclass(frozen=True)
class _Compared:
    """The values of one population or Output."""

    size: int
    spikes: int
    """of a population"""
    largest: float
    """difference"""
    first: _Difference | None
    """that is not allowed"""


@dataclass(frozen=True)
class _Check:
    """What the module did, to be compared with what the graph does."""

    export: Export
    graph: Graph
    runs: Mapping[str, Run]

    def made(self) -> Proof:
        """Compare population by population; report the earliest step."""
        inputs = self._inputs()
        trace = run_reference(self.graph, inputs)
        spikes, values = list(self._spikes(trace)), list(self._values(trace))
        found = [each.first for each in (*spikes, *values) if each.first is not None]
        if found:
            raise self._mismatch(min(found, key=lambda each: each.step))
        self._check_high()
        samples, steps = next(iter(inputs.values())).shape[:2]
        return Proof(
            tuple(self.runs),
            samples,
            steps,
            sum(each.size for each in spikes),
            sum(each.spikes for each in spikes),
            sum(each.size for each in values),
            max((each.largest for each in values), default=0.0),
        )

    def _spikes(self, trace: SpikeTrace) -> Iterator[_Compared]:
        nodes = {s.sources[0].node: (p, s) for p, s in self.export.spikes.items()}
        for name in (name for name in self.export.graph.nodes if name in nodes):
            path, signal = nodes[name]
            wanted = self._joined(signal, [r.spikes[path] for r in self.runs.values()])
            yield _compared(name, wanted, trace.spikes[name], 0.0)

    def _values(self, trace: SpikeTrace) -> Iterator[_Compared]:
        for index, (name, signal) in enumerate(self.export.outputs.items()):
            sent = [list(run.outputs.values())[index] for run in self.runs.values()]
            wanted = self._joined(signal, sent)
            allowed = TOLERANCE * max(1.0, float(np.abs(wanted).max()))
            got = trace.outputs[name]
            late = got.shape[1] - wanted.shape[1]
            yield _compared(name, wanted, got[:, late:], allowed, late)

    def _check_high(self) -> None:
        """Refuse neurons that subtract at once where snnTorch subtracts twice."""
        for label, run in self.runs.items():
            for path in self.export.needs_proof:
                if path in run.stays_high:
                    raise ExportMismatchError(
                        f"neuron '{path}': on {label}, step {run.stays_high[path]}, "
                        f"{_TWICE}"
                    )

    def _inputs(self) -> dict[str, Array]:
        return {
            signal.sources[0].node: self._joined(
                signal, [run.inputs[name] for run in self.runs.values()]
            )
            for name, signal in self.export.inputs.items()
        }

    def _joined(self, like: Signal, values: Sequence[Array]) -> Array:
        """Return torch's (steps, samples, …) of all trials as (samples, steps, …)."""
        return np.concatenate([_into_graph(like, each) for each in values])

    def _mismatch(self, worst: _Difference) -> ExportMismatchError:
        labels = list(self.runs)
        per_trial = len(next(iter(self._inputs().values()))) // len(labels)
        trial, sample = divmod(worst.sample, per_trial)
        cure = "look at what the module does there that its layers do not say"
        if self.export.needs_proof:
            listed = ", ".join(f"'{path}'" for path in self.export.needs_proof)
            cure = f"neuron {listed}: perhaps {_TWICE}"
        return ExportMismatchError(
            f"node '{worst.node}', neuron {list(worst.neuron)}: on {labels[trial]}, "
            f"sample {sample}, step {worst.step}, the module gives {worst.wanted:.9g} "
            f"and the graph {worst.got:.9g}{self._potential(worst)}; {cure}"
        )

    def _potential(self, worst: _Difference) -> str:
        """Say how near a neuron of the graph is to its threshold."""
        node = self.graph.nodes[worst.node]
        if not isinstance(node, n.SpikingNeurons):
            return ""
        reached: list[float] = []

        def probe(name: str, step: int, a: Array, state: Any) -> None:
            if (name, step) == (worst.node, worst.step):
                reached.append(float(state.reached[worst.neuron]))

        one = slice(worst.sample, worst.sample + 1)
        inputs = {name: each[one] for name, each in self._inputs().items()}
        run_reference(self.graph, inputs, probe=probe)
        threshold = float(node.threshold[worst.neuron])
        return f" (v {reached[0]:.17g}, threshold {threshold:.17g})"


def _into_graph(like: Signal, values: Array) -> Array:
    """Return torch's (steps, samples, …) as the graph's (samples, steps, …)."""
    steps, samples = values.shape[0], min(values.shape[1], MOST_SAMPLES)
    flat = np.empty((samples, steps, like.places.size), values.dtype)
    by_sample = np.moveaxis(values[:, :samples], 0, 1)
    flat[:, :, like.places.reshape(-1)] = by_sample.reshape(samples, steps, -1)
    return flat.reshape(samples, steps, *like.shape)


def _compared(
    name: str, wanted: Array, got: Array, allowed: float, late: int = 0
) -> _Compared:
    """Compare values, and find the earliest difference if there is any."""
    apart = np.abs(wanted - got) if allowed else wanted != got
    places, largest = np.argwhere(~(apart <= allowed)), float(apart.max(initial=0))
    spikes = 0 if allowed else int(np.count_nonzero(wanted))
    if not len(places):
        return _Compared(wanted.size, spikes, largest, None)
    sample, step, *neuron = map(int, places[np.argmin(places[:, 1])])
    where = (sample, step, *neuron)
    values = float(wanted[where]), float(got[where])
    first = _Difference(step + late, name, sample, tuple(neuron), *values)
    return _Compared(wanted.size, spikes, largest, first)
