"""Answers and energy after each step of one run, so that a reader picks T."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spikewright.errors import InputError
from spikewright.graph import Graph
from spikewright.hardware_profiles.prices.early_exit import energy_until
from spikewright.hardware_profiles.prices.full_comparison import (
    CountedRun,
    FullComparison,
)
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.reports.figures import Figure, energy_figure
from spikewright.hardware_profiles.text.document import Section
from spikewright.hardware_profiles.text.layout import joules
from spikewright.nodes import Output
from spikewright.plots.sweep import check_classes, right_by_step, wilson

TITLE = "Early exit"
NO_ANSWERS = "answers after earlier steps"
"""begins the line that says why there are none"""
_ROWS = 16
"""of the table for people, about; all steps are in the JSON form"""


@dataclass(frozen=True)
class Judge:
    """Says that a readout's sum after any step is an answer, and which are right."""

    labels: Sequence[int] | None = None
    """the right class of each sample; None: the class after the last step"""


@dataclass(frozen=True, eq=False)
class EarlyExit:
    """What a run of fewer steps would have said and cost."""

    has_labels: bool
    """else an answer is right that is the one after the last step"""
    right: tuple[int, ...]
    """answers after step 1, 2, …"""
    samples: int
    depth: int
    """steps that the first layers are ahead of the answer"""
    energy: Mapping[str, tuple[FullEnergy, ...]]
    """by profile and accounting: of a run of 1 step, of 2, …"""
    no_energy: Mapping[str, str]
    """by profile and accounting: why there is none"""

    @property
    def steps(self) -> int:
        """How many were run."""
        return len(self.right)

    @property
    def measure(self) -> str:
        """What the share of right answers is called."""
        return "accuracy" if self.has_labels else "agreement"


def why_no_answers(graph: Graph, judge: Judge | None) -> str:
    """Say why a sum of the readout before the last step is no answer; empty if it is.

    Raises:
        InputError: a label is no class of the network.
    """
    if judge is None:
        return (
            "nothing says that the readout adds up over steps, as that of a deployed "
            "student does, so that its sum after an earlier step is an answer; labels "
            "say it"
        )
    if len(graph.outputs) != 1:
        return f"there are {len(graph.outputs)} outputs, not one of classes"
    node = graph.nodes[graph.output_name]
    assert isinstance(node, Output)  # noqa: S101 - the name says so
    if len(node.shape) != 1 or node.shape[0] < 2:
        return f"an output of shape {node.shape} is not one of classes"
    check_classes(judge.labels or (), node.shape[0])
    return ""


def early_exit(
    counted: CountedRun, fulls: Sequence[FullComparison], judge: Judge
) -> EarlyExit:
    """Judge and price what each number of steps would have given.

    Args:
        counted: the whole run, with its answers.
        fulls: what it costs, by profile and accounting.
        judge: which answers are right.

    Raises:
        InputError: there are not as many labels as samples.
    """
    answers = counted.answers
    assert answers is not None  # noqa: S101 - they were asked for
    energy: dict[str, tuple[FullEnergy, ...]] = {}
    without: dict[str, str] = {}
    for full in fulls:
        if full.student.lines:
            try:
                energy[full.name] = energy_until(counted, full)
            except InputError as error:
                without[full.name] = str(error)
    return EarlyExit(
        judge.labels is not None,
        right_by_step(answers, judge.labels),
        len(answers),
        max(counted.graph.arrival.values(), default=0),
        energy,
        without,
    )


# --- in a report ---------------------------------------------------------------------


def early_exit_section(found: EarlyExit) -> Section:
    """Return the section for people: a row for each T, or for some of many."""
    every = range(1, found.steps + 1)
    stride = -(-found.steps // _ROWS)
    shown = [t for t in every if t in (1, found.steps) or t % stride == 0]
    rows = [(t, found.right[t - 1]) for t in shown]
    ranges = [wilson(right, found.samples) for _, right in rows]
    columns = [
        ["T", *map(str, shown)],
        [found.measure, *(f"{100 * n / found.samples:.2f} %" for _, n in rows)],
        ["range (95 %)", *(f"{100 * a:.1f} to {100 * b:.1f}" for a, b in ranges)],
        *(
            [f"{name} energy", *(joules(each[t - 1].total_j) for t in shown)]
            for name, each in found.energy.items()
        ),
    ]
    return Section(TITLE, _notes(found, len(shown)), columns)


def _notes(found: EarlyExit, shown: int) -> list[str]:
    of = (
        f"labels of {found.samples} samples"
        if found.has_labels
        else f"no labels: how many of {found.samples} samples have the answer that "
        f"they have after all {found.steps} steps"
    )
    notes = [
        f"what a run of T steps would have said and cost. {found.measure}: {of}",
        "T is chosen before the run: when an answer is out, the first layers are "
        f"{found.depth} steps further",
    ]
    if shown < found.steps:
        notes.append(f"{shown} of {found.steps} steps; the JSON form has all")
    return notes


def early_exit_figures(found: EarlyExit) -> Iterator[Figure]:
    """Yield the share of right answers and the energies, by number of steps."""
    for step, right in enumerate(found.right, start=1):
        yield Figure(
            f"early_exit/{found.measure}/{step}",
            f"{found.measure} of a run of {step} steps",
            "1",
            right / found.samples,
            samples=found.samples,
            because=(f"{right} of {found.samples} answers",),
        )
    for name, energies in found.energy.items():
        for step, each in enumerate(energies, start=1):
            title = f"{each.label}, a run of {step} steps"
            samples = each.work.samples
            figure = f"early_exit/{name}/{step}"
            yield energy_figure(figure, title, each.lines, samples)


def early_exit_facts(found: EarlyExit) -> dict[str, object]:
    """Return what the JSON form holds; a report's page draws it."""
    return {
        "against": "labels" if found.has_labels else "last step",
        "samples": found.samples,
        "right": list(found.right),
        "depth": found.depth,
        "energy_j": {
            name: [each.total_j for each in energies]
            for name, energies in found.energy.items()
        },
    }
