"""The table of a grid of SpikeBERT trainings: mean and spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OF_THE_PAPER = ("mr", "sst2", "subj", "sst5")
"""whose mean ratio of student to teacher the paper has as 0.933"""


@dataclass(frozen=True)
class Row:
    """What came of one variant, over its seeds."""

    label: str
    seeds: tuple[int, ...]
    student: tuple[float, ...]
    """accuracy on validation, of each seed"""
    teacher: tuple[float, ...]
    rate: tuple[float, ...]
    """mean spikes per neuron, token and step"""

    @property
    def ratio(self) -> tuple[float, ...]:
        """Student / teacher, of each seed."""
        return tuple(s / t for s, t in zip(self.student, self.teacher, strict=True))


def spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None of a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def told(values: Sequence[float], digits: int = 4) -> str:
    """Return mean ± spread."""
    mean, deviation = statistics.mean(values), spread(values)
    beside = "" if deviation is None else f" ± {deviation:.{digits}f}"
    return f"{mean:.{digits}f}{beside}"


def table(found: Sequence[Row]) -> str:
    """Return it in Markdown; the tasks of the paper get a mean of their ratios."""
    lines = [
        "| | seeds | student | teacher | student / teacher | mean rate |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.label} | {len(row.seeds)} | {told(row.student)} | "
            f"{told(row.teacher)} | {told(row.ratio)} | {told(row.rate)} |"
            for row in found
        ),
    ]
    paper = [row for row in found if row.label in OF_THE_PAPER]
    if len(paper) == len(OF_THE_PAPER):
        mean = statistics.mean(statistics.mean(row.ratio) for row in paper)
        lines.append(
            f"\nMean of {', '.join(OF_THE_PAPER)}: {mean:.4f} of the teacher; the "
            "paper's own is 0.933."
        )
    return "\n".join(lines)


def document(grid: str, found: Sequence[Row], *, planned: int) -> dict[str, Any]:
    """Return what is written as JSON."""
    return {
        "grid": grid,
        "runs_planned": planned,
        "runs_finished": sum(len(row.seeds) for row in found),
        "rows": [
            {
                "label": row.label,
                "seeds": list(row.seeds),
                **{
                    name: {
                        "values": list(values),
                        "mean": statistics.mean(values),
                        "spread": spread(values),
                    }
                    for name, values in (
                        ("student", row.student),
                        ("teacher", row.teacher),
                        ("ratio", row.ratio),
                        ("rate", row.rate),
                    )
                },
            }
            for row in found
        ],
    }
