"""docs/profiles.md: every shipped constant with its source, and how to write one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spikewright.hardware_profiles.profiles.absent import ABSENT
from spikewright.hardware_profiles.profiles.constant import Constants
from spikewright.hardware_profiles.profiles.describe import quantity, span, tables
from spikewright.hardware_profiles.profiles.profile import HardwareProfile
from spikewright.hardware_profiles.profiles.schema import FIELDS, TOP

EXAMPLE = """\
#:schema ./profile.schema.json
title = "My chip, 22 nm"
node = "22 nm, 0.8 V"
notes = ["Measured on board 7 at 25 degrees."]
unknown = ["neuron updates: the meter is too slow for them"]

[arithmetics.fixed.synops]
value = 3.1e-12
unit = "J"
low = 2.8e-12
high = 3.6e-12
kind = "measured"
statistic = "marginal"
evidence = "primary"
source = "our notebook 12, page 31: slope of power over rate"
includes = ["arithmetic", "weight access"]
supply_v = 0.8

[power.leakage_per_chip]
value = 1.2e-3
unit = "W"
kind = "measured"
statistic = "operating-point"
evidence = "primary"
source = "our notebook 12, page 30: clock stopped"
includes = ["leakage"]
"""
"""a profile that can be loaded"""
_HEAD = """\
# Hardware profiles

Written by `spikewright profile --markdown > docs/profiles.md`; do not edit.

A profile is a TOML file of constants. Each constant has a value, a range if one is
published, what it includes, how it was found, and how good the evidence is. What
nobody publishes is absent: it disables the figures that need it, by name, and is never
0. Source code of a third party that prints a number is secondary evidence of hardware,
even if the code was read: its author did not measure it.
"""
_OWN = """\
## A profile of your own

Write a file like the one below, look at it with `spikewright profile my.toml`, and
price with it by `--profile my.toml`. A mistake is reported with file, key and line.
For completion and checks while you type, write the output of
`spikewright profile --schema` to `profile.schema.json` beside it: the first line tells
editors that know taplo where it is.
"""
_RULES = """\
- An operation is a field of `OperationCount`; memories, not arithmetics, price bits.
- Two constants of a total must not include the same term. A headline that is power over
  events includes leakage: keep it in an arithmetic of its own, then adding static power
  to it is refused.
- A published minimum has no `low` below it, a published maximum no `high` above it.
"""


def profiles_markdown(profiles: Sequence[HardwareProfile]) -> str:
    """Return the page of profiles: an index, each one, what has none, and a guide."""
    index = [f"- [{each.name}](#{each.name}): {each.title}" for each in profiles]
    parts = [_HEAD, "\n".join(index) + "\n"]
    parts += ["\n".join(_profile(each)) for each in profiles]
    return "\n".join([*parts, "\n".join(_absent()), "\n".join(_guide())])


def _profile(profile: HardwareProfile) -> Iterator[str]:
    yield from (f"## {profile.name}", "", f"{profile.title}; {profile.node}.", "")
    for title, constants in tables(profile):
        yield from (f"**{title}**", "", *_table(constants), "")
    for title, texts in (("unknown", profile.unknown), ("notes", profile.notes)):
        if texts:
            yield from (f"**{title}**", "", *(f"- {each}" for each in texts), "")


def _table(constants: Constants) -> Iterator[str]:
    heading = ("constant", "value", "range", "statistic, kind, evidence", "includes")
    yield _row(*heading, "source")
    yield _row(*("---" for _ in (*heading, "source")))
    for name, each in constants.items():
        supply = "" if each.supply_v is None else f"{each.supply_v:g} V"
        yield _row(
            name,
            quantity(each.value, each.unit),
            span(each),
            f"{each.statistic}, {each.kind}, {each.evidence}",
            ", ".join(each.includes),
            "; ".join(part for part in (each.source, each.table, supply) if part),
        )


def _row(*cells: str) -> str:
    return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"


def _absent() -> Iterator[str]:
    yield from (
        "## No profile",
        "",
        *(f"- {k}: {why}" for k, why in ABSENT.items()),
        "",
    )


def _guide() -> Iterator[str]:
    yield from (_OWN, "```toml", EXAMPLE + "```", "")
    yield from ("| key at the top | what it says |", "| --- | --- |")
    yield from (f"| {key} | {meaning} |" for key, meaning in TOP.items())
    yield from ("", "| key of a constant | what it says |", "| --- | --- |")
    yield from (f"| {key} | {meaning} |" for key, meaning in FIELDS.items())
    yield from ("", _RULES.rstrip(), "")
