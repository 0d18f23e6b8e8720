"""Price counts as a paper or a tool does: column A, compute only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.preset_files import Charge, Column, Preset
from spikewright.hardware_profiles.prices.terms import Factor, Line, total_j

Counts = Mapping[str, OperationCount]


@dataclass(frozen=True)
class RatedLayer:
    """A layer as papers count it: dense operations and the rate of its input."""

    operations: int
    """of one step, in the unit of the paper"""
    rate: Fraction | float
    """spikes per source neuron and step"""


@dataclass(frozen=True)
class ColumnFigure:
    """One column of a preset, priced; all amounts are of one sample."""

    unit: str
    """what one count is: MAC, FLOP or operation"""
    counted: Mapping[str, Fraction]
    """in `unit`, by operation"""
    lines: tuple[Line, ...]
    uncharged: Mapping[str, Fraction]
    """operations that happened and that the preset leaves out"""

    @property
    def energy_j(self) -> float | None:
        """Joules; None where the preset has none for what happened."""
        return total_j(self.lines) if self.lines else None

    @property
    def operations(self) -> Fraction:
        """All counts together."""
        return sum(self.counted.values(), Fraction())


@dataclass(frozen=True)
class PresetFigure:
    """A student, and perhaps its teacher, as one preset prices them."""

    preset: Preset
    student: ColumnFigure
    teacher: ColumnFigure | None

    @property
    def ratio(self) -> float | None:
        """Student over teacher, in joules; None if one of them has none."""
        if self.teacher is None or self.student.energy_j is None:
            return None
        return (
            self.student.energy_j / teacher
            if (teacher := self.teacher.energy_j)
            else None
        )

    @property
    def factor(self) -> str:
        """What one count is in both columns, and the sentence that explains it."""
        teacher = self.preset.teacher
        other = "not priced" if teacher is None else f"per {teacher.unit}"
        return (
            f"student per {self.preset.student.unit}, teacher {other}: "
            f"{self.preset.factor}"
        )


def price_preset(
    preset: Preset,
    student: Counts,
    teacher: Counts | None = None,
    *,
    samples: int,
    sentences: int = 1,
) -> PresetFigure:
    """Price what was counted, in `samples` samples and `sentences` sentences.

    Raises:
        InputError: there are no samples or no sentences.
    """
    ours = price_column(preset, preset.student, student, samples=samples)
    if teacher is None or preset.teacher is None:
        return PresetFigure(preset, ours, None)
    theirs = price_column(preset, preset.teacher, teacher, samples=sentences)
    return PresetFigure(preset, ours, theirs)


def price_column(
    preset: Preset, column: Column, counts: Counts, *, samples: int
) -> ColumnFigure:
    """Price the counts of `samples` samples in one column.

    Raises:
        InputError: there are no samples.
    """
    if samples < 1:
        raise InputError(f"preset '{preset.name}': {samples} samples, must be > 0")
    total = asdict(sum(counts.values(), OperationCount()))
    each = {name: Fraction(n, samples) for name, n in total.items() if n}
    charges = [charge for charge in column.charges if charge.operation in each]
    counted = {c.operation: c.times * each[c.operation] for c in charges}
    charged = {charge.operation for charge in column.charges}
    return ColumnFigure(
        column.unit,
        counted,
        _lines(preset, column, [(c, each[c.operation]) for c in charges]),
        {name: n for name, n in each.items() if name not in charged},
    )


def price_published(
    preset: Preset, column: Column, amounts: Mapping[str, int | Fraction]
) -> ColumnFigure:
    """Price amounts that are already in the unit of the column, as a paper prints them.

    22.46 GFLOPs are `{"macs": 22_460_000_000}` in a column that counts FLOPs.

    Raises:
        ProfileError: the column does not charge one of the operations.
    """
    pairs = [
        (charge := column.charge(name), Fraction(amount) / charge.times)
        for name, amount in amounts.items()
    ]
    counted = {name: Fraction(amount) for name, amount in amounts.items()}
    return ColumnFigure(column.unit, counted, _lines(preset, column, pairs), {})


def synops_from_rates(layers: Sequence[RatedLayer], *, steps: int) -> Fraction:
    """Estimate synaptic operations as papers do: sum of rate(l) x T x operations(l).

    Only a count knows borders, zero weights and which neurons fire; this does not.

    Raises:
        InputError: `steps` is not positive, or a rate is negative.
    """
    if steps < 1:
        raise InputError(f"{steps} steps; must be > 0")
    if any(each.rate < 0 for each in layers):
        raise InputError("a spike rate is negative")
    return sum(
        (Fraction(each.rate) * steps * each.operations for each in layers), Fraction()
    )


def _lines(
    preset: Preset, column: Column, pairs: Iterable[tuple[Charge, Fraction]]
) -> tuple[Line, ...]:
    return tuple(
        Line(
            charge.operation,
            amount,
            _factors(column, charge),
            charge.constant,
            f"preset {preset.name}, {charge.operation}",
        )
        for charge, amount in pairs
        if charge.constant is not None
    )


def _factors(column: Column, charge: Charge) -> tuple[Factor, ...]:
    if charge.times == 1:
        return ()
    meaning = f"{column.unit}s in one of {charge.operation}"
    return (Factor(Fraction(charge.times), meaning),)
