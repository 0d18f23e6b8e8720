"""What a report's page shows of a run itself: seen while its traces are counted."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from spikewright.cli.networks.lowering import LOWERED, read_network
from spikewright.cli.networks.texts import SENTENCES
from spikewright.cli.plot.network import quantization_loss
from spikewright.cli.plot.run import words_of
from spikewright.cli.report.glance import Glance, look
from spikewright.cli.report.runs import Runs
from spikewright.cli.report.texts import read_texts
from spikewright.errors import InputError
from spikewright.graph import Stage
from spikewright.hardware_profiles.reports.traces import Lengths
from spikewright.plots.attention import PARTS, attention
from spikewright.plots.graph_picture import graph_drawing
from spikewright.plots.picture import Picture
from spikewright.plots.raster import raster
from spikewright.plots.rates import Firing, join_firing
from spikewright.trace import SpikeTrace


@dataclass
class Onlooker:
    """Looks at the traces of a run on their way to being counted."""

    args: Namespace
    runs: Runs
    show: int
    """which sample is shown"""
    seen: int = 0
    """samples"""
    fired: list[tuple[dict[str, Firing], int]] = field(default_factory=list)
    shown: list[Picture] = field(default_factory=list)
    """of the one sample that is shown"""

    def __post_init__(self) -> None:
        if self.runs.lengths is not None:
            self._check(len(self.runs.lengths))

    def _check(self, samples: int) -> None:
        if not 0 <= self.show < samples:
            raise InputError(
                f"--show {self.show}: the run has samples 0 to {samples - 1}"
            )

    def parts(self) -> Iterator[tuple[SpikeTrace, Lengths]]:
        """Yield the traces; keep what the pictures need of each."""
        for trace, lengths in self.runs.parts:
            self.take(look(trace, self.show - self.seen))
            yield trace, lengths

    def take(self, glance: Glance) -> None:
        """Keep what the pictures need of the next samples."""
        self.fired.append((dict(glance.fired), glance.samples))
        if glance.shown is not None:
            self._show(glance.shown)
        self.seen += glance.samples

    def _show(self, trace: SpikeTrace) -> None:
        """Draw one sample: its spikes, and what a student looks at in its words."""
        if trace.spikes:
            drawn = raster(trace, sample=0)
            self.shown.append(replace(drawn, sample=self.show))
        texts, deployment = _texts(self.args, trace), self.runs.deployment
        has_gates = any(name.endswith(tuple(PARTS)) for name in trace.spikes)
        if texts and deployment is not None and has_gates:
            words = words_of(deployment, texts[self.show])
            self.shown.append(attention(trace, words, sample=0))

    def pictures(self) -> list[Picture]:
        """Return all pictures, once everything was counted.

        Raises:
            InputError: the sample to show is none of the run.
        """
        self._check(self.seen)
        found: list[Picture] = [graph_drawing(self.runs.graph), *self.shown]
        if any(part for part, _ in self.fired):
            found.append(join_firing(self.fired))
        return [*found, *self._integers()]

    def _integers(self) -> Iterator[Picture]:
        """Yield what integers cost, where there is a network from before."""
        graph = self.runs.graph
        if graph.stage is Stage.QUANTIZED and self.args.file.suffix != LOWERED:
            network = read_network(self.args.file, default_dt_s=graph.dt_s)
            yield quantization_loss(network.graph, network.dt_s)


def _texts(args: Namespace, trace: SpikeTrace) -> Sequence[str]:
    """Return the sentences of the whole run; none if it is not one of sentences."""
    if args.trace is not None:
        texts = trace.meta.get("texts")
        return texts if isinstance(texts, list) else ()
    if args.inputs is not None:
        return ()
    return SENTENCES if args.text is None else read_texts(args.text)
