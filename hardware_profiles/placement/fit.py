"""Refuse a network that its chip cannot hold."""

from __future__ import annotations

from spikewright.errors import LimitsExceededError, ProfileError
from spikewright.graph import Graph
from spikewright.hardware_profiles.placement.capacity import CHIPS
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import Placement, place
from spikewright.hardware_profiles.profiles.profile import HardwareProfile


def place_or_refuse(graph: Graph, profile: HardwareProfile) -> Placement:
    """Place a QUANTIZED graph on the chip of a profile.

    Raises:
        ProfileError: the limits of that chip are not known.
        GraphError: as `place`.
        LimitsExceededError: it breaks limits; says all of them, a line each.
    """
    if profile.name not in CHIPS:
        raise ProfileError(
            f"{profile.name}: the limits of its chip are not known; known: "
            f"{', '.join(CHIPS)}. Lower without a profile, and `place` it under limits "
            "of your own (`load_limits`)"
        )
    placement = place(graph, load_limits(CHIPS[profile.name]))
    if placement.violations:
        broken = "\n  ".join(map(str, placement.violations))
        raise LimitsExceededError(f"does not fit {CHIPS[profile.name]}:\n  {broken}")
    return placement
