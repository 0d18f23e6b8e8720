"""The picture of a placement: which cores hold what, and how full they are."""

from __future__ import annotations

from collections.abc import Iterable

from spikewright.hardware_profiles.placement.capacity import Capacity
from spikewright.hardware_profiles.placement.limits import Limits, load_limits
from spikewright.hardware_profiles.placement.place import Core, Placement
from spikewright.plots.placement import CorePlacement, CoreUse


def placement_pictures(capacities: Iterable[Capacity]) -> tuple[CorePlacement, ...]:
    """Return a picture for each chip that the network was placed on."""
    return tuple(
        placement_picture(each, each.placement, load_limits(each.chip))
        for each in capacities
        if each.placement is not None
    )


def placement_picture(
    capacity: Capacity, placement: Placement, limits: Limits
) -> CorePlacement:
    """Return each core with the share that it uses of its scarcest resource."""
    most = {each.resource: each.limit for each in placement.uses if each.limit}
    return CorePlacement(
        capacity.chip,
        capacity.fits,
        str(capacity),
        tuple(_use(core, most) for core in placement.cores),
        limits.most("cores"),
    )


def _use(core: Core, most: dict[str, int]) -> CoreUse:
    shares = {name: core.load.amount(name) / limit for name, limit in most.items()}
    scarcest = max(shares, key=lambda name: shares[name], default="")
    return CoreUse(core.holds, shares.get(scarcest, 0.0), scarcest)
