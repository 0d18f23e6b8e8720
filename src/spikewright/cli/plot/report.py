"""Pictures of what `report --json` and `train` have written."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from spikewright.errors import InputError
from spikewright.hardware_profiles.reports.matching import check_run_report
from spikewright.hardware_profiles.reports.pictures import (
    break_even_curve,
    comparison_of,
    layer_energy,
    profile_prices,
    term_energy,
    values_of,
)
from spikewright.plots.break_even import BreakEvenCurve
from spikewright.plots.curve import TrainingCurve, training_curve
from spikewright.plots.energy import LayerEnergy, TermEnergy
from spikewright.plots.prices import ProfilePrices

CARD = "card.json"


def plot_energy(args: Namespace) -> LayerEnergy | TermEnergy:
    """Return a report's energy by layer or by component."""
    report = _read_report(args.file)
    values, comparison = values_of(report), comparison_of(report, args.profile)
    if args.by == "component":
        return term_energy(values, comparison)
    return layer_energy(report, values, comparison)


def plot_profiles(args: Namespace) -> ProfilePrices:
    """Return a report's energies on all its profiles."""
    report = _read_report(args.file)
    return profile_prices(report, values_of(report))


def plot_break_even(args: Namespace) -> BreakEvenCurve:
    """Return a report's energy against the firing rate."""
    report = _read_report(args.file)
    values = values_of(report)
    return break_even_curve(values, comparison_of(report, args.profile))


def plot_curve(args: Namespace) -> TrainingCurve:
    """Return the curves of a run card, or of the card in a run's folder."""
    path = args.file / CARD if args.file.is_dir() else args.file
    try:
        return training_curve(_read(path))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def _read_report(path: Path) -> dict[str, Any]:
    report = _read(path)
    try:
        values_of(report)  # which knows what else it may be
        check_run_report(report)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return report


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as JSON: {reason}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no JSON object")
    return found
