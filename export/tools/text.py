"""Which tools load a file, in words, and as JSON can hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from spikewright.export.tools.verdict import ToolVerdict
from spikewright.hardware_profiles.text.layout import wrap

WIDTH = 100
"""columns of a terminal"""
SHOWN = 3
"""so many reasons are written out for a tool"""


def describe_verdicts(verdicts: Sequence[ToolVerdict]) -> str:
    """Return who loads a file exactly, and what stops the others."""
    return "\n".join(_lines(verdicts))


def verdict_dict(verdict: ToolVerdict) -> dict[str, object]:
    """Return a verdict as JSON can hold it, with every obstacle."""
    return {
        "tool": verdict.tool,
        "version": verdict.version,
        "loads": verdict.loads,
        "obstacles": [asdict(each) for each in verdict.obstacles],
    }


def _lines(verdicts: Sequence[ToolVerdict]) -> Iterator[str]:
    able = [f"{each.tool} {each.version}" for each in verdicts if each.loads]
    yield f"Loads exactly in: {', '.join(able) or 'none of the tools below'}"
    for verdict in verdicts:
        if not verdict.loads:
            yield from _why_not(verdict)


def _why_not(verdict: ToolVerdict) -> Iterator[str]:
    yield ""
    yield f"Does not load exactly in {verdict.tool} {verdict.version}:"
    alike: dict[tuple[str, str], list[str]] = {}
    for each in verdict.obstacles:
        alike.setdefault((each.reason, each.effect), []).append(each.node)
    for (reason, effect), (first, *others) in [*alike.items()][:SHOWN]:
        more = f" (and {len(others)} more)" if others else ""
        yield wrap(f"- node '{first}'{more} {reason}: {effect}", WIDTH)
    left = len(alike) - SHOWN
    if left > 0:
        yield f"- and {left} other reason{'s' if left > 1 else ''} (all with --json)"
