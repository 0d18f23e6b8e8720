"""What a student is compared with: its teacher in several formats, on some hardware."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.accounting import Accounting, load_accounting
from spikewright.hardware_profiles.prices.full_energy import FullEnergy, full_energy
from spikewright.hardware_profiles.prices.run_work import teacher_work
from spikewright.hardware_profiles.profiles.profile import HardwareProfile, load_profile
from spikewright.hardware_profiles.teachers.operations import (
    FORMATS,
    FP32,
    INT8,
    TeacherFormat,
    TeacherWork,
    sparse_work,
    twin_format,
)

ELSEWHERE = "cmos45-sram32k"
"""accounting of a baseline whose own profile has no price for a MAC"""
GAMMA = 0.5
"""share of zero activations of the sparse baseline, unless another is given"""
_OTHER_NAMES = {
    "fp32": ("fp32_updates", "fp32", "native"),
    "fp16": ("fp16", "bf16", "native"),
    "int8": ("int8_updates", "int8", "native"),
}
"""format -> arithmetics of profiles that have it, the fullest first"""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A teacher in one format."""

    name: str
    """fp32, fp16, int8, gamma or twin: a part of the names of figures"""
    title: str
    form: str
    """whose arithmetic it is priced in: fp32, fp16 or int8"""
    work: TeacherWork


@dataclass(frozen=True)
class Reuse:
    """How often a weight is used for each read of it, where it was asked for."""

    student: Fraction | None = None
    teacher: Fraction | None = None

    def apply(self, accounting: Accounting) -> Accounting:
        """Return the accounting with these instead of its own.

        Raises:
            ProfileError: a number is below 1.
        """
        student, teacher = self.student, self.teacher
        return replace(
            accounting,
            weight_reuse=accounting.weight_reuse if student is None else student,
            teacher_weight_reuse=accounting.teacher_weight_reuse
            if teacher is None
            else teacher,
        )


AS_IS = Reuse()
"""what the accounting says"""


def list_baselines(
    count: Callable[[TeacherFormat], TeacherWork],
    *,
    steps: int | None,
    form: str,
    gamma: float | None,
) -> tuple[Baseline, ...]:
    """Return the teacher in `form` first, then fp32, int8, sparse, and as a twin.

    Args:
        count: counts the teacher in a format.
        steps: of the student, whose twin is wanted; None: no twin.
        form: what comes first.
        gamma: share of zero activations; None: `GAMMA`.

    Raises:
        InputError: there is no such format, or gamma is not in 0 to 1.
    """
    if form not in FORMATS:
        raise InputError(f"teacher format '{form}'; allowed: {', '.join(FORMATS)}")
    forms = dict.fromkeys((form, FP32.name, INT8.name))
    found = [Baseline(each, each, each, count(FORMATS[each])) for each in forms]
    share = GAMMA if gamma is None else gamma
    sparse = sparse_work(count(INT8), share)
    found.append(Baseline("gamma", _sparse_title(INT8.name, share), INT8.name, sparse))
    if steps is not None:
        twin = twin_format(steps)
        title = f"twin of {twin.activation_bits}-bit activations, MACs charged as int8"
        found.append(Baseline("twin", title, INT8.name, count(twin)))
    return tuple(found)


def file_baselines(work: TeacherWork, *, gamma: float | None) -> tuple[Baseline, ...]:
    """Return the baselines of a teacher whose file says how wide its numbers are."""
    form = _form_of(work)
    share = GAMMA if gamma is None else gamma
    types = ", ".join(work.macs_by_type)
    return (
        Baseline(form, f"{form}, for its MACs of {types}", form, work),
        Baseline("gamma", _sparse_title(form, share), form, sparse_work(work, share)),
    )


def _form_of(work: TeacherWork) -> str:
    """Return the format whose arithmetic fits the types of most MACs, or is wider."""
    most = max(work.macs_by_type.items(), key=lambda each: each[1], default=("", 0))[0]
    if "float16" in most and "float32" not in most:
        return "fp16"
    return "fp32" if "float" in most or "fp32" in most else "int8"


def _sparse_title(form: str, gamma: float) -> str:
    return f"{form}, {gamma:.0%} of its activations zero"


# --- pricing -------------------------------------------------------------------------


def arithmetic_of(profile: HardwareProfile, form: str) -> str | None:
    """Return the arithmetic in which a profile prices the MACs of a format."""
    for name in _OTHER_NAMES[form]:
        if "macs" in profile.arithmetics.get(name, {}):
            return name
    return None


def price_baseline(
    baseline: Baseline,
    profile: HardwareProfile,
    accounting: Accounting,
    reuse: Reuse,
) -> FullEnergy:
    """Price a baseline on `profile`, or on `cmos45` if that has no MAC of its format.

    Raises:
        ProfileError: as `full_energy`.
    """
    arithmetic = arithmetic_of(profile, baseline.form)
    if arithmetic is None:
        standard = load_accounting(ELSEWHERE)
        profile, accounting = load_profile(standard.profile), standard.accounting
        arithmetic = arithmetic_of(profile, baseline.form)
    accounting = reuse.apply(accounting)
    assert arithmetic is not None  # noqa: S101 - cmos45 has every format
    return full_energy(teacher_work(baseline.work), profile, arithmetic, accounting)


def usable(
    baselines: Sequence[Baseline], profile: HardwareProfile, accounting: Accounting
) -> tuple[Baseline, ...]:
    """Leave out sparse baselines where MACs of zeros are charged all the same."""
    return tuple(
        each
        for each in baselines
        if each.name != "gamma"
        or accounting.zero_macs == "skipped"
        or arithmetic_of(profile, each.form) is None
    )
