"""A placement in words, and as JSON can hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from spikewright.hardware_profiles.placement.load import RESOURCES
from spikewright.hardware_profiles.placement.place import (
    Placement,
    PlacementCheck,
    ResourceUse,
)
from spikewright.hardware_profiles.placement.streaming import Streaming
from spikewright.hardware_profiles.text.layout import text_table, wrap

WIDTH = 100
"""columns of a terminal"""


def describe_check(check: PlacementCheck) -> str:
    """Return a check as tables and lists, in plain text."""
    return "\n".join(_lines(check))


def check_dict(check: PlacementCheck) -> dict[str, object]:
    """Return a check as JSON can hold it."""
    return {
        "profile": check.limits.name,
        "title": check.limits.title,
        "fits": check.fits,
        "replicated": _placement_dict(check.replicated),
        "streamed": None
        if check.streamed is None or check.streaming is None
        else {**_placement_dict(check.streamed), **_streaming_dict(check.streaming)},
        "limits": {key: asdict(each) for key, each in check.limits.values.items()},
    }


def _placement_dict(placement: Placement) -> dict[str, object]:
    demand, tightest = placement.demand, placement.tightest
    return {
        "cores": len(placement.cores),
        "chips": placement.chips,
        "neurons": demand.neurons,
        "synapses": demand.synapses,
        "relays": demand.count("relay"),
        "bias_lines": demand.count("bias line"),
        "delay_lines": [asdict(each) for each in demand.delay_lines],
        "delay_cells": demand.delay_cells,
        "tightest": None if tightest is None else tightest.resource,
        "resources": {
            each.resource: {**asdict(each), "share": each.share}
            for each in placement.uses
        },
        "synapse_bits_are_least": placement.is_memory_least,
        "populations": [asdict(each) for each in demand.populations],
        "projections": [asdict(each) for each in demand.projections],
        "placed": [dict(core.holds) for core in placement.cores],
        "violations": [asdict(each) for each in placement.violations],
        "unchecked": list(placement.unchecked),
    }


def _streaming_dict(streaming: Streaming) -> dict[str, object]:
    return {
        "streamed": list(streaming.streamed),
        "places": streaming.places,
        "passes": streaming.passes,
        "held_bits": streaming.held_bits,
        "window_bits": streaming.window_bits,
        "state_bits": streaming.state_bits,
    }


# --- text ----------------------------------------------------------------------------


def _lines(check: PlacementCheck) -> Iterator[str]:
    placements = [("replicated", check.replicated)]
    if check.streamed is not None:
        placements.append(("streamed", check.streamed))
    yield f"{check.limits.title}: {_verdict(check)}"
    yield ""
    yield text_table([_totals_names(), *map(_totals, placements)], WIDTH)
    yield ""
    yield text_table(_resource_columns(check, placements), WIDTH)
    yield ""
    yield from (wrap(f"- {line}", WIDTH) for line in _notes(check))
    yield from _list_of("violations", _violations(check))
    yield from _list_of("not checked", check.replicated.unchecked)


def _verdict(check: PlacementCheck) -> str:
    cores, chips = len(check.replicated.cores), check.replicated.chips
    number = len(check.replicated.violations)
    if number:
        return f"does not fit, {number} violation{'s' if number > 1 else ''}"
    return (
        f"fits on {cores} core{'s' if cores != 1 else ''} of {chips} "
        f"chip{'s' if chips != 1 else ''}"
    )


def _totals_names() -> list[str]:
    return [
        "total",
        "cores",
        "chips",
        "neurons",
        "synapses",
        "relay populations",
        "delay lines",
        "spikes in delay lines",
        "tightest resource",
        "  share of it in use",
    ]


def _totals(named: tuple[str, Placement]) -> list[str]:
    name, placement = named
    demand, tightest = placement.demand, placement.tightest
    return [
        name,
        f"{len(placement.cores):,}",
        f"{placement.chips:,}",
        f"{demand.neurons:,}",
        f"{demand.synapses:,}",
        f"{demand.count('relay'):,}",
        f"{len(demand.delay_lines):,}",
        f"{demand.delay_cells:,}",
        "none" if tightest is None else _NAMES[tightest.resource],
        "" if tightest is None else f"{tightest.share:.0%}",
    ]


_NAMES = {
    "neurons": "neurons",
    "synapse_bits": "synapse memory",
    "input_axons": "input axons",
    "output_axons": "output axons",
    "profiles": "decay profiles",
    "thresholds": "thresholds",
    "formats": "synapse formats",
}


def _resource_columns(
    check: PlacementCheck, placements: list[tuple[str, Placement]]
) -> list[list[str]]:
    limits = [check.limits.most(each) for each in RESOURCES]
    columns = [
        ["each core", *(f"{_NAMES[e]}{_unit(e)}" for e in RESOURCES)],
        ["limit", *("unknown" if each is None else f"{each:,}" for each in limits)],
    ]
    for name, placement in placements:
        columns.append([f"{name} most", *(f"{each.most:,}" for each in placement.uses)])
        columns.append([f"{name} mean", *map(_mean, placement.uses)])
    return columns


def _unit(resource: str) -> str:
    return ", bits" if resource == "synapse_bits" else ""


def _mean(use: ResourceUse) -> str:
    share = "" if use.limit is None else f" ({use.share:.0%})"
    return f"{use.mean:,.1f}{share}"


def _notes(check: PlacementCheck) -> Iterator[str]:
    if check.replicated.is_memory_least:
        yield "synapse memory is at least what stands here: the weights alone"
    streaming = check.streaming
    if streaming is None:
        yield (
            "nothing can be streamed: no population treats its tokens alike, or a "
            "loop runs through all of them"
        )
        return
    yield (
        f"streamed: {len(streaming.streamed)} populations have one copy for all tokens "
        f"and pixels, sent in turn: {streaming.places} times as many steps in each of "
        f"{streaming.passes} pass{'es' if streaming.passes > 1 else ''}"
    )
    yield (
        f"streamed: for each step of a sample, {streaming.held_bits:,} spikes are held "
        f"off the cores between passes and {streaming.window_bits:,} for windows; with "
        f"steps outermost instead, {streaming.state_bits:,} bits of state are swapped "
        "at each step"
    )


def _violations(check: PlacementCheck) -> list[str]:
    """List the violations of the plain mapping, then those of the copy alone."""
    plain = check.replicated.violations
    copied = () if check.streamed is None else check.streamed.violations
    return [
        *map(str, plain),
        *(f"streamed: {each}" for each in copied if each not in plain),
    ]


def _list_of(title: str, lines: list[str] | tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}:"
        yield from (wrap(f"- {line}", WIDTH) for line in lines)
