"""Where boxes and wires of a graph lie on paper, without Graphviz.

Rows by the longest path from the inputs; a few sweeps order each row by the mean place
of its neighbors. A wire to the next row goes straight there; any other goes around the
boxes, in a lane at the right that it shares with none beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spikewright.plots.graph_outline import Outline, Wire

Point = tuple[float, float]
BOX_IN = (1.5, 0.5)
"""width and height of a box, inches"""
_GAP_IN = (0.35, 0.42)
_LANE_IN = 0.32
_SWEEPS = 8
_LOOP_IN = 0.35
"""how far a wire from a box to itself reaches"""
Rows = list[list[str]]


@dataclass(frozen=True)
class Layout:
    """Places in inches; y grows upward."""

    size_in: Point
    centers: Mapping[str, Point]
    """of boxes"""
    paths: tuple[tuple[Point, ...], ...]
    """by wire: control points of cubic Bezier curves, 1 + 3 n"""


def lay_out(outline: Outline) -> Layout:
    """Lay out boxes and wires, from the inputs at the top to the outputs below."""
    row = _row_of_boxes(outline)
    rows: Rows = [[] for _ in range(max(row.values()) + 1)]
    for box in outline.boxes:
        rows[row[box.name]].append(box.name)
    for sweep in range(_SWEEPS):
        _order(rows, outline.wires, row, downward=sweep % 2 == 0)
    centers, (wide, high) = _centers(rows)
    lanes = _lanes(outline.wires, row)
    if any(wire.source == wire.target for wire in outline.wires):
        wide += _LOOP_IN
    paths = []
    for number, wire in enumerate(outline.wires):
        start, end = centers[wire.source], centers[wire.target]
        if wire.source == wire.target:
            paths.append(_loop(start))
        elif number in lanes:
            paths.append(_around(start, end, wide + (lanes[number] + 0.5) * _LANE_IN))
        else:
            paths.append(_curve(_below(start), _above(end)))
    count = max(lanes.values(), default=-1) + 1
    return Layout((wide + count * _LANE_IN, high), centers, tuple(paths))


# --- rows ----------------------------------------------------------------------------


def _row_of_boxes(outline: Outline) -> dict[str, int]:
    """Return the longest path to each box, along wires that close no loop."""
    back = _back_wires(outline)
    row = {box.name: 0 for box in outline.boxes}
    forward = [wire for wire in outline.wires if wire not in back]
    for _ in outline.boxes:
        for wire in forward:
            row[wire.target] = max(row[wire.target], row[wire.source] + 1)
    return row


def _back_wires(outline: Outline) -> set[Wire]:
    """Return the wires that lead to a box on the way to their own source."""
    found, done, on_way = set[Wire](), set[str](), set[str]()
    by_source: dict[str, list[Wire]] = {box.name: [] for box in outline.boxes}
    for wire in outline.wires:
        by_source[wire.source].append(wire)
    for box in outline.boxes:
        stack = [] if box.name in done else [(box.name, iter(by_source[box.name]))]
        on_way.update(name for name, _ in stack)
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                on_way.discard(name)
                done.add(name)
            elif (target := following.target) in on_way:
                found.add(following)
            elif target not in done:
                on_way.add(target)
                stack.append((target, iter(by_source[target])))
    return found


def _order(
    rows: Rows, wires: Sequence[Wire], row: Mapping[str, int], *, downward: bool
) -> None:
    """Sort each row by the mean place of its neighbors on the side it comes from."""
    near: dict[str, list[str]] = {}
    for wire in wires:
        if row[wire.source] < row[wire.target]:
            ends = (wire.target, wire.source)
            here, there = ends if downward else ends[::-1]
            near.setdefault(here, []).append(there)
    at: dict[str, float] = {}
    for names in rows if downward else reversed(rows):
        for column, name in enumerate(names):
            at[name] = (column + 0.5) / len(names)
        means = {
            name: sum(at[each] for each in near[name]) / len(near[name])
            if name in near
            else at[name]
            for name in names
        }
        names.sort(key=lambda name: means[name])
        at.update({name: (i + 0.5) / len(names) for i, name in enumerate(names)})


# --- places --------------------------------------------------------------------------


def _centers(rows: Rows) -> tuple[dict[str, Point], Point]:
    """Put each row in the middle of the paper."""
    across, down = BOX_IN[0] + _GAP_IN[0], BOX_IN[1] + _GAP_IN[1]
    wide, high = max(map(len, rows)) * across, len(rows) * down
    centers = {
        name: (
            wide / 2 + (column - (len(names) - 1) / 2) * across,
            high - (number + 0.5) * down,
        )
        for number, names in enumerate(rows)
        for column, name in enumerate(names)
    }
    return centers, (wide, high)


def _lanes(wires: Sequence[Wire], row: Mapping[str, int]) -> dict[int, int]:
    """Give each wire that passes a row a lane, the shortest ones the nearest."""
    spans = {
        number: sorted((row[wire.source], row[wire.target]))
        for number, wire in enumerate(wires)
        if row[wire.target] - row[wire.source] != 1 and wire.source != wire.target
    }
    taken: list[list[list[int]]] = []
    found = {}
    for number in sorted(
        spans, key=lambda each: (spans[each][1] - spans[each][0], each)
    ):
        first, last = spans[number]
        free = [
            lane
            for lane, used in enumerate(taken)
            if all(last <= start or end <= first for start, end in used)
        ]
        lane = free[0] if free else len(taken)
        if not free:
            taken.append([])
        taken[lane].append(spans[number])
        found[number] = lane
    return found


# --- wires ---------------------------------------------------------------------------


def _below(center: Point) -> Point:
    return center[0], center[1] - BOX_IN[1] / 2


def _above(center: Point) -> Point:
    return center[0], center[1] + BOX_IN[1] / 2


def _curve(start: Point, end: Point) -> tuple[Point, ...]:
    """Return a smooth way down, upright at both ends."""
    middle = (start[1] + end[1]) / 2
    return start, (start[0], middle), (end[0], middle), end


def _around(start: Point, end: Point, lane: float) -> tuple[Point, ...]:
    """Return a way through the gap below a box, a lane, and the gap above another."""
    out, into = _below(start), _above(end)
    turn, back = (lane, out[1] - _GAP_IN[1]), (lane, into[1] + _GAP_IN[1])
    return (*_curve(out, turn), turn, back, *_curve(back, into))


def _loop(center: Point) -> tuple[Point, ...]:
    """Return a way out of the right side of a box and back."""
    x, y = center[0] + BOX_IN[0] / 2, center[1]
    far = x + _LOOP_IN
    return (x, y - 0.1), (far, y - 0.2), (far, y + 0.2), (x, y + 0.1)
