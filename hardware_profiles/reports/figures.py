"""Figures with stable names, and how each comes from counts, constants and sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.terms import Line, total_j
from spikewright.hardware_profiles.profiles.constant import OPERATIONS, Constant
from spikewright.hardware_profiles.text.layout import amount, joules

LIST = "list"
"""asks for the names instead of a figure"""
_COUNTED = (*OPERATIONS, "parameter_bits")
"""operations that are counted over samples; others are cores, chips and seconds"""
_SHOWN = 12
"""names that an error lists at most"""


@dataclass(frozen=True)
class Figure:
    """A number of a report, and what it is made of."""

    name: str
    """parts by `/`, from the general to the special"""
    title: str
    unit: str
    """J, 1, s, 1/s, J s, MAC, FLOP or byte"""
    value: float | None
    """None: unknown, and `because` says why"""
    lines: tuple[Line, ...] = ()
    """whose energies add up to the value, if there are any"""
    samples: int = 1
    """over which the counts of the lines were taken"""
    because: tuple[str, ...] = ()
    """how it is computed, and what is not in it"""
    of: tuple[str, ...] = ()
    """names of the figures that it is computed from"""


def energy_figure(
    name: str,
    title: str,
    lines: Iterable[Line],
    samples: int,
    because: Iterable[str] = (),
) -> Figure:
    """Return the energy of some lines; unknown if there is none but a reason."""
    own, why = tuple(lines), tuple(because)
    value = None if why and not own else total_j(own)
    return Figure(name, title, "J", value, own, samples, why)


def slug(words: str) -> str:
    """Return words as a part of a name: without blanks and slashes."""
    return re.sub(r"[\s/]+", "_", words.strip())


# --- looking up ----------------------------------------------------------------------


def find_figure(figures: Sequence[Figure], wanted: str) -> Figure:
    """Return a figure by its name, or by parts of it if they fit one figure only.

    `break_even/int8` is enough if one accounting is in the report.

    Raises:
        InputError: there is no such figure, or there are several.
    """
    by_name = {each.name: each for each in figures}
    if wanted in by_name:
        return by_name[wanted]
    fitting = [name for name in by_name if _fits(wanted.split("/"), name.split("/"))]
    if len(fitting) == 1:
        return by_name[fitting[0]]
    if fitting:
        raise InputError(
            f"--explain {wanted}: fits {len(fitting)} figures, {_some(fitting)}; "
            "give more of the name"
        )
    near = get_close_matches(wanted, by_name, n=3, cutoff=0.4)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(
        f"--explain {wanted}: no such figure in this report; {meant}"
        f"`--explain {LIST}` names all {len(by_name)}"
    )


def _fits(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    """Say whether `wanted` is `parts` with some left out, but neither end."""
    if (wanted[0], wanted[-1]) != (parts[0], parts[-1]):
        return False
    rest = iter(parts)
    return all(each in rest for each in wanted)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def list_figures(figures: Sequence[Figure]) -> list[str]:
    """Return a line for each figure: its name, value and title."""
    width = max((len(each.name) for each in figures), default=0)
    values = [shown_value(each) for each in figures]
    wide = max(map(len, values), default=0)
    return [
        f"{each.name:<{width}}  {value:>{wide}}  {each.title}"
        for each, value in zip(figures, values, strict=True)
    ]


def shown_value(figure: Figure) -> str:
    """Write the value of a figure with its unit, as a reader wants it."""
    value = figure.value
    if value is None:
        return "unknown"
    if figure.unit == "J":
        return joules(value)
    if figure.unit == "1":
        return f"{value:.3g}"
    if figure.unit in ("MAC", "FLOP", "byte"):
        return f"{amount(value)} {figure.unit}"
    return f"{value:.3g} {figure.unit}"


# --- explaining ----------------------------------------------------------------------


def explain_figure(figures: Sequence[Figure], wanted: str) -> list[str]:
    """Trace a figure to integer counts, factors, constants and sources.

    Raises:
        InputError: as `find_figure`.
    """
    return list(_explained(figures, find_figure(figures, wanted), ""))


def _explained(figures: Sequence[Figure], figure: Figure, indent: str) -> Iterator[str]:
    value = "unknown" if figure.value is None else f"{figure.value!r} {figure.unit}"
    shown = f" ({shown_value(figure)})" if figure.unit == "J" and figure.value else ""
    yield f"{indent}{figure.name} = {value}{shown}"
    yield f"{indent}  {figure.title}"
    yield from (f"{indent}  {each}" for each in figure.because)
    for line in figure.lines:
        yield from (f"{indent}  {each}" for each in explain_line(line, figure.samples))
    by_name = {each.name: each for each in figures}
    for name in figure.of:
        yield from _explained(figures, by_name[name], indent + "  ")


def explain_line(line: Line, samples: int) -> Iterator[str]:
    """Yield count x factors x constant = joules, and where the constant is from."""
    factors = "".join(
        f" x {float(each.value)!r} ({each.meaning})" for each in line.factors
    )
    constant = line.constant
    yield (
        f"{_counted(line, samples)}{factors} x {constant.value!r} {constant.unit} = "
        f"{line.energy_j!r} J"
    )
    yield f"  {line.place}: {describe_constant(constant)}"


def _counted(line: Line, samples: int) -> str:
    """Write the integer that was counted, and over how many samples."""
    if line.operation not in _COUNTED:
        return f"{float(line.amount):g} {line.operation}"
    whole = line.amount * samples
    number = f"{whole.numerator}" if whole.denominator == 1 else f"{float(whole)!r}"
    over = f" / {samples} samples" if samples > 1 else ""
    return f"{number} {line.operation}{over}"


def describe_constant(constant: Constant) -> str:
    """Say how a constant was found, its range, what it includes, and its source."""
    parts = [constant.kind, constant.statistic, f"evidence {constant.evidence}"]
    if constant.lowest < constant.highest:
        low, high = f"{constant.lowest!r}", f"{constant.highest!r}"
        parts.append(f"range {low} to {high} {constant.unit}")
    elif constant.statistic == "minimum":
        parts.append("no upper end published")
    elif constant.statistic == "maximum":
        parts.append("no lower end published")
    else:
        parts.append("no range published")
    if constant.includes:
        parts.append(f"includes {', '.join(constant.includes)}")
    source = constant.source + (f"; {constant.table}" if constant.table else "")
    quote = f'; "{constant.quote}"' if constant.quote else ""
    return f"{', '.join(parts)}; {source}{quote}"
