"""What a teacher costs alone, by every convention, profile and accounting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spikewright.hardware_profiles.prices.baselines import (
    Baseline,
    arithmetic_of,
    price_baseline,
    usable,
)
from spikewright.hardware_profiles.prices.comparison import price_teacher
from spikewright.hardware_profiles.prices.energy import EnergyReport
from spikewright.hardware_profiles.prices.full_comparison import choose_accountings
from spikewright.hardware_profiles.prices.full_energy import FullEnergy
from spikewright.hardware_profiles.prices.preset_files import Preset, load_preset
from spikewright.hardware_profiles.prices.presets import (
    ColumnFigure,
    price_column,
    price_published,
)
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.hardware_profiles.reports.run import Wanted
from spikewright.hardware_profiles.teachers.flops import CONVENTIONS
from spikewright.hardware_profiles.teachers.shape import TransformerShape

BASES = {"MAC": "bert-mac", "FLOP": "spikebert-flop2"}
"""what a count is -> the preset that charges 4.6 pJ for each"""


@dataclass(frozen=True, eq=False)
class TeacherPrices:
    """A teacher and all its prices."""

    baselines: Sequence[Baseline]
    conventions: dict[str, tuple[int, ColumnFigure]]
    """count of one text, and what 4.6 pJ each make of it"""
    column_a: dict[str, EnergyReport]
    """by profile and arithmetic"""
    presets: dict[str, tuple[Preset, ColumnFigure]]
    full: dict[str, FullEnergy]
    """by profile, accounting and format"""
    without: tuple[str, ...]
    """profiles that price no MAC"""


def price_alone(
    baselines: Sequence[Baseline],
    shape: TransformerShape | None,
    tokens: int,
    wanted: Wanted,
) -> TeacherPrices:
    """Price a teacher on its own; see `report_teacher`."""
    first = baselines[0].work
    column_a: dict[str, EnergyReport] = {}
    full: dict[str, FullEnergy] = {}
    for profile in wanted.profiles:
        for arithmetic, costs in profile.arithmetics.items():
            if "macs" in costs:
                (priced,) = price_teacher(first, profile, arithmetic)
                column_a[f"{profile.name}/{arithmetic}"] = priced
        full |= _full(baselines, profile, wanted)
    return TeacherPrices(
        baselines,
        {} if shape is None else dict(_conventions(shape, tokens)),
        column_a,
        {
            each.name: (
                each,
                price_column(each, each.teacher, first.counts, samples=first.sentences),
            )
            for each in wanted.presets
            if each.teacher is not None
        },
        full,
        tuple(_without_macs(wanted.profiles)),
    )


def _full(
    baselines: Sequence[Baseline], profile: HardwareProfile, wanted: Wanted
) -> Iterator[tuple[str, FullEnergy]]:
    for standard in choose_accountings(profile, wanted.accountings):
        for each in usable(baselines, profile, standard.accounting):
            if arithmetic_of(profile, each.form) is not None:
                name = f"{profile.name}/{standard.accounting.name}/{each.name}"
                chosen = standard.accounting
                yield name, price_baseline(each, profile, chosen, wanted.reuse)


def _without_macs(profiles: Sequence[HardwareProfile]) -> Iterator[str]:
    for profile in profiles:
        if not any("macs" in costs for costs in profile.arithmetics.values()):
            why = [each for each in profile.unknown if "MAC" in each] or profile.unknown
            yield f"{profile.name} prices no MAC: {'; '.join(why) or 'no reason given'}"


def _conventions(
    shape: TransformerShape, tokens: int
) -> Iterator[tuple[str, tuple[int, ColumnFigure]]]:
    for name, convention in CONVENTIONS.items():
        count = convention.count(shape, tokens)
        preset = load_preset(BASES[convention.unit])
        if preset.teacher is not None:
            yield (
                name,
                (count, price_published(preset, preset.teacher, {"macs": count})),
            )


def bytes_of(baseline: Baseline) -> Iterator[tuple[str, str, float]]:
    """Yield name, title and bits of what a teacher stores and moves for a text."""
    work = baseline.work
    yield (
        "parameter_bytes",
        f"all that is stored, in {baseline.title}",
        work.parameter_bits,
    )
    for key in (
        *("weight_bits_read", "embedding_bits_read"),
        *("activation_bits_read", "activation_bits_written"),
    ):
        bits = sum(getattr(each, key) for each in work.counts.values())
        title = f"{key.replace('_bits_', 's ')} a text, in {baseline.title}"
        yield key.replace("_bits_", "_bytes_"), title, bits / work.sentences
