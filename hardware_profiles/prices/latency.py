"""How long a sample takes, where a profile has constants of time.

A step lasts as long as its slowest part, and then all cores wait for each other:

    t_step = max(compute, memory, traffic, shortest step) + barrier
    compute = max over loads of sum of n_op / cores x t_op
    traffic = max over loads of sum of n_op / cores x t_op, of packets and hops

n is the most that happened in one step. The cores of a load share its work evenly and
each does its own one after the other; loads work side by side. Contention on the mesh
is left out. A constant that is absent disables its part by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.profiles.profile import HardwareProfile

PartName: TypeAlias = Literal["compute", "memory", "traffic", "barrier", "shortest"]
PART_NAMES: tuple[PartName, ...] = get_args(PartName)
EVENTS = ("synops", "graded_synops", "macs", "updates_active", "updates_inactive")
"""without the time of each of these that happens, computing has no time"""
ELEMENTS = (
    "residual_additions",
    "bias_additions",
    "norm_elements",
    "exp_elements",
    "divisions",
)
TRAFFIC = ("spikes", "packets", "hops_ew", "hops_ns")


@dataclass(frozen=True)
class Load:
    """What some cores do in one step, the most of all steps.

    Raises:
        InputError: there is no core.
    """

    name: str
    peak: OperationCount
    cores: int

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise InputError(f"load '{self.name}': {self.cores} cores, must be > 0")


@dataclass(frozen=True)
class Part:
    """Time of one part of a step."""

    name: PartName
    seconds: float | None
    """None: disabled"""
    slowest: str
    """the load, or the constant, that sets it"""
    missing: tuple[str, ...] = ()
    """operations that happened and have no time, and what else is not in it"""


@dataclass(frozen=True)
class Latency:
    """Time of a step and of a sample."""

    profile: str
    steps: int
    depth: int
    """steps until the last layer has seen the first one"""
    parts: tuple[Part, ...]

    @property
    def step_s(self) -> float | None:
        """Seconds of one step; None if computing has no time."""
        found = {part.name: part.seconds for part in self.parts}
        if found["compute"] is None:
            return None
        busy = (found[name] or 0.0 for name in PART_NAMES if name != "barrier")
        return max(busy) + (found["barrier"] or 0.0)

    @property
    def sample_s(self) -> float | None:
        """Seconds from the first input to the last output of a lone sample."""
        step_s = self.step_s
        return None if step_s is None else (self.steps + self.depth) * step_s

    @property
    def throughput_hz(self) -> float | None:
        """Samples a second, one right behind the other."""
        step_s = self.step_s
        return None if not step_s else 1 / (self.steps * step_s)

    @property
    def disabled(self) -> tuple[PartName, ...]:
        """Parts without a constant."""
        return tuple(part.name for part in self.parts if part.seconds is None)

    @property
    def bound(self) -> PartName | None:
        """The part that sets the time of a step, before the barrier."""
        timed = [p for p in self.parts if p.seconds is not None and p.name != "barrier"]
        slowest = max(timed, key=lambda part: part.seconds or 0.0, default=None)
        return None if slowest is None or self.step_s is None else slowest.name


def estimate_latency(
    loads: Sequence[Load],
    profile: HardwareProfile,
    *,
    steps: int,
    depth: int = 0,
    chips: int | None,
) -> Latency:
    """Estimate the time of a sample from the peaks of its steps.

    Args:
        loads: populations with the synapses that lead to them, or a whole teacher.
        profile: its constants of time.
        steps: of one sample, 1 for a teacher.
        depth: steps until the last layer has seen the first one.
        chips: allocated; None: unknown, which leaves the barrier out.

    Raises:
        InputError: there is no load or no step, or a negative depth.
    """
    if not loads or steps < 1 or depth < 0:
        raise InputError(
            f"latency of {len(loads)} loads, {steps} steps, depth {depth}; needs "
            "loads, steps above 0 and no negative depth"
        )
    parts = (
        _slowest("compute", (*EVENTS, *ELEMENTS), loads, profile),
        Part("memory", None, "", (f"profile {profile.name} has no bandwidths",)),
        _slowest("traffic", TRAFFIC, loads, profile),
        _barrier(profile, chips),
        _shortest(profile),
    )
    return Latency(profile.name, steps, depth, parts)


def energy_delay_js(energy_j: float, latency: Latency) -> float | None:
    """Return energy x delay of a sample in joule seconds; None without a latency."""
    sample_s = latency.sample_s
    return None if sample_s is None else energy_j * sample_s


def _slowest(
    name: PartName,
    operations: Sequence[str],
    loads: Sequence[Load],
    profile: HardwareProfile,
) -> Part:
    time = profile.time
    happened = [op for op in operations if any(getattr(x.peak, op) for x in loads)]
    missing = tuple(each for each in happened if each not in time)
    timed = [each for each in happened if each in time]
    if (happened and not timed) or any(each in EVENTS for each in missing):
        return Part(name, None, "", missing)
    seconds = {
        load.name: sum(
            -(-getattr(load.peak, each) // load.cores) * time[each].value
            for each in timed
        )
        for load in loads
    }
    slowest = max(seconds, key=lambda each: seconds[each])
    return Part(name, seconds[slowest], slowest, missing)


def _barrier(profile: HardwareProfile, chips: int | None) -> Part:
    if chips is None:
        return Part("barrier", None, "", ("without a placement nobody knows chips",))
    key = "barrier" if chips == 1 else "barrier_between_chips"
    if key not in profile.time:
        return Part("barrier", None, "", (f"{profile.name}.time.{key} is unknown",))
    return Part("barrier", profile.time[key].value, f"{profile.name}.time.{key}")


def _shortest(profile: HardwareProfile) -> Part:
    """Return the shortest step that was published, as a floor."""
    if "step" not in profile.time:
        return Part("shortest", None, "", (f"{profile.name}.time.step is unknown",))
    return Part("shortest", profile.time["step"].value, f"{profile.name}.time.step")
