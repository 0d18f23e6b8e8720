"""What the options of `spikewright report` ask for."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

from spikewright.cli.report.pricing import PRESETS, PROFILES
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.accounting import (
    list_accountings,
    load_accounting,
)
from spikewright.hardware_profiles.prices.baselines import Reuse
from spikewright.hardware_profiles.prices.full_comparison import Draw
from spikewright.hardware_profiles.prices.preset_files import list_presets, load_preset
from spikewright.hardware_profiles.profiles.profile import list_profiles, load_profile
from spikewright.hardware_profiles.reports.run import Wanted

ALL = "all"
"""asks for everything that ships"""
_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{1,9}|/[1-9]\d{0,8})?")
_MOST = 10**9
T = TypeVar("T")


def read_wanted(args: Namespace) -> Wanted:
    """Load profiles, accountings and presets.

    Raises:
        InputError: a number is wrong, a file is given twice, or an accounting is for a
            profile that is not asked for.
        ProfileError: there is no such file, or it is wrong.
    """
    profiles = _load("profile", args.profile, PROFILES, list_profiles(), load_profile)
    fitting = [name for each in profiles for name in list_accountings(each.name)]
    accountings = _load(
        "accounting", args.accounting, (), dict.fromkeys(fitting), load_accounting
    )
    return Wanted(
        profiles,
        accountings,
        _load("preset", args.preset, PRESETS, list_presets(), load_preset),
        args.by,
        Reuse(
            _number("weight-reuse", args.weight_reuse),
            _number("teacher-weight-reuse", args.teacher_weight_reuse),
        ),
        Draw(args.seed, args.draws),
    )


def _load(
    what: str,
    given: Sequence[str] | None,
    usual: Sequence[str],
    every: Sequence[str] | dict[str, None],
    load: Callable[[str], T],
) -> list[T]:
    names = list(usual) if given is None else list(given)
    if ALL in names:
        others = [each for each in names if each != ALL]
        names = list(dict.fromkeys((*every, *others)))
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--{what} {name}: given twice; once is enough")
    return [load(each) for each in names]


def _number(name: str, text: str | None) -> Fraction | None:
    if text is None:
        return None
    # Fraction alone would compute 1e999999999, and floats could not hold it.
    if not _NUMBER.fullmatch(text) or (value := Fraction(text)) >= _MOST:
        raise InputError(
            f"--{name} {text}: must be a number, 1 or more and below {_MOST:,}"
        )
    if value < 1:
        raise InputError(f"--{name} {text}: must be 1 or more")
    return value
