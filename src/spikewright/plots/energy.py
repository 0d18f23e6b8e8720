"""What a sample costs, by layer and by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spikewright.plots.picture import Table
from spikewright.plots.style import (
    INK,
    STUDENT,
    TEACHER,
    WIDTH_IN,
    head,
    light_grid,
    shorten,
)
from spikewright.plots.units import joule_unit, joules, share, three_digits
from spikewright.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
MOST_NAMED = 80
"""parts that get a bar with a name each"""


@dataclass(frozen=True)
class LayerEnergy:
    """Joules of one sample by layer, or by another kind of part."""

    kind: ClassVar[str] = "energy"
    where: str
    """profile and accounting"""
    by: str
    parts: Mapping[str, float]

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Energy by {self.by}, {self.where}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        total = sum(self.parts.values())
        if not total:
            return f"No {self.by} costs anything on {self.where}."
        most = max(self.parts, key=lambda name: self.parts[name])
        return (
            f"A sample's {joules(total)} by {self.by}, without static energy. {most} "
            f"takes most, {joules(self.parts[most])} or "
            f"{share(self.parts[most] / total)}."
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """A line for each part, unless there are too many."""
        return WIDTH_IN, 3.4 if self._is_long else 1.1 + 0.25 * len(self.parts)

    @property
    def _is_long(self) -> bool:
        return len(self.parts) > MOST_NAMED

    def paint(self, figure: Figure) -> None:
        """Draw a bar for each part, labeled with its joules; of many an outline."""
        head(figure, self.title)
        axes = figure.subplots()
        values = list(self.parts.values())
        if self._is_long:
            _outline(axes, values, self.by)
            return
        _bars(axes, [shorten(name) for name in self.parts], values, STUDENT)

    def data(self) -> Mapping[str, object]:
        """Return the joules of each part."""
        return {"where": self.where, "by": self.by, "energy_j": dict(self.parts)}

    def table(self) -> Table:
        """Return the same for people."""
        if self._is_long:
            return []
        rows = [(name, joules(each)) for name, each in self.parts.items()]
        return [(self.by, "energy of a sample"), *rows]


@dataclass(frozen=True)
class TermEnergy:
    """Joules of one sample by term of the accounting, student beside teacher."""

    kind: ClassVar[str] = "energy"
    where: str
    student: Mapping[str, float | None]
    """None: it happened and has no price"""
    teacher: Mapping[str, float | None]
    teacher_name: str

    @property
    def title(self) -> str:
        """What it shows."""
        return f"Energy by component, {self.where}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        sides = (("student", self.student), (self.teacher_name, self.teacher))
        said = [_largest(name, side) for name, side in sides if side]
        return "A sample's joules by component. " + " ".join(said)

    @property
    def terms(self) -> list[str]:
        """Components of either side, in order."""
        return list(dict.fromkeys((*self.student, *self.teacher)))

    @property
    def size_in(self) -> tuple[float, float]:
        """Two lines for each term."""
        return WIDTH_IN, 1.5 + 0.48 * len(self.terms)

    def paint(self, figure: Figure) -> None:
        """Draw two bars for each term, each labeled."""
        head(figure, self.title)
        axes = figure.subplots()
        every = [
            each for side in (self.student, self.teacher) for each in side.values()
        ]
        unit, size = joule_unit(max((each or 0.0 for each in every), default=0.0))
        for shift, color, label, side in (
            (-0.2, STUDENT, "student", self.student),
            (0.2, TEACHER, self.teacher_name, self.teacher),
        ):
            _term_bars(axes, self.terms, side, shift=shift, color=color, size=size)
            axes.barh([0], [0], color=color, label=label)
        names = [one_line(each.replace("_", " ")) for each in self.terms]
        axes.set_yticks(np.arange(len(names)), names)
        axes.set_ylim(len(self.terms) - 0.45, -0.55)
        axes.margins(x=0.16)
        axes.set_xlabel(f"energy of a sample, {unit}")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
        light_grid(axes, "x")

    def data(self) -> Mapping[str, object]:
        """Return both sides in joules."""
        return {
            "where": self.where,
            "student_j": dict(self.student),
            "teacher_j": dict(self.teacher),
            "teacher": self.teacher_name,
        }

    def table(self) -> Table:
        """Return the same for people."""
        return [
            ("component", "student", self.teacher_name),
            *((t, _cell(self.student, t), _cell(self.teacher, t)) for t in self.terms),
        ]


# --- marks ---------------------------------------------------------------------------


def _outline(axes: Axes, values: Sequence[float], by: str) -> None:
    """Draw parts that are too many to be named, such as samples."""
    unit, size = joule_unit(max(values, default=0.0))
    axes.stairs([each / size for each in values], fill=True, color=STUDENT)
    axes.set_xlim(0, len(values))
    axes.set_xlabel(f"{by}, in the order of the run")
    axes.set_ylabel(f"energy, {unit}")
    light_grid(axes, "y")


def _bars(
    axes: Axes, names: Sequence[str], values: Sequence[float], color: str
) -> None:
    unit, size = joule_unit(max(values, default=0.0))
    drawn = axes.barh(range(len(names)), [each / size for each in values], color=color)
    shown = [three_digits(each / size) if each else "0" for each in values]
    axes.bar_label(drawn, shown, padding=3, fontsize=8.5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel(f"energy of a sample, {unit}")
    light_grid(axes, "x")


def _term_bars(
    axes: Axes,
    terms: Sequence[str],
    side: Mapping[str, float | None],
    *,
    shift: float,
    color: str,
    size: float,
) -> None:
    """Draw the bars of one side; what did not happen there has no bar and no label."""
    places = [place + shift for place, term in enumerate(terms) if term in side]
    values = [side[term] for term in terms if term in side]
    drawn = axes.barh(
        places, [(each or 0.0) / size for each in values], height=0.38, color=color
    )
    shown = [_label(each, size) for each in values]
    axes.bar_label(drawn, shown, padding=3, fontsize=8.5, color=INK)


def _label(energy_j: float | None, size: float) -> str:
    if energy_j is None:
        return "unpriced"
    return three_digits(energy_j / size) if energy_j else "0"


# --- words ---------------------------------------------------------------------------


def _largest(name: str, side: Mapping[str, float | None]) -> str:
    priced = {term: each for term, each in side.items() if each}
    missing = [term for term, each in side.items() if each is None]
    gone = f", without a price for {' and '.join(missing)}" if missing else ""
    if not priced:
        return f"{name}: nothing has a price{gone}."
    total, most = sum(priced.values()), max(priced, key=lambda term: priced[term])
    return (
        f"{name}: {joules(total)}, most of it {most} "
        f"({share(priced[most] / total)}){gone}."
    )


def _cell(side: Mapping[str, float | None], term: str) -> str:
    if term not in side:
        return "-"
    energy_j = side[term]
    return "unpriced" if energy_j is None else joules(energy_j)
