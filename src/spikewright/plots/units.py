"""Numbers on axes and in sentences, with units that people read."""

from __future__ import annotations

TIMES, TO = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
"""192 x 32, and 0 to 5, as they are printed"""
_JOULES = (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12))


def joules(energy_j: float) -> str:
    """Write an energy with three digits, 0.00103 as 1.03 mJ."""
    if not energy_j:
        return "0 J"
    unit, size = joule_unit(energy_j)
    return f"{three_digits(energy_j / size)} {unit}"


def joule_unit(largest_j: float) -> tuple[str, float]:
    """Return the unit in which `largest_j` reads well, and its size in joules."""
    for unit, size in _JOULES:
        if abs(largest_j) >= size:
            return unit, size
    return _JOULES[-1]


def three_digits(number: float) -> str:
    """Write a number with three digits and no exponent where that is short."""
    if 0.01 <= abs(number) < 9999.5:
        shown = f"{number:.3g}"
        return f"{number:.0f}" if "e" in shown else shown
    return f"{number:.3g}"


def share(part: float) -> str:
    """Write a share in percent with two digits that count: 0.0421 as 4.2 %."""
    percent = 100 * part
    if percent >= 99.95 or percent == 0:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.95 else f"{percent:.2g} %"
