"""A graph drawn: its stage, its populations, when data arrive, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from spikewright.graph import Graph
from spikewright.plots.graph_dot import place_outline
from spikewright.plots.graph_layout import BOX_IN, Layout, Point
from spikewright.plots.graph_outline import Box, Outline, Wire, outline
from spikewright.plots.picture import Table
from spikewright.plots.style import (
    FAINT,
    INK,
    PAPER,
    STUDENT,
    TEACHER,
    THIRD,
    WIDTH_IN,
    head,
    shorten,
)
from spikewright.plots.units import TIMES, TO

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS: Mapping[str, str] = {"Input": THIRD, "Output": THIRD}
_GRADED = ("Integrators", "QuantizedIntegrators", "LI", "I", "CubaLI")
_SHORT = 19
"""letters of a name that fit a box"""


@dataclass(frozen=True)
class GraphDrawing:
    """Boxes and wires, and where they lie."""

    kind: ClassVar[str] = "graph"
    outline: Outline
    layout: Layout

    @property
    def title(self) -> str:
        """What it shows."""
        step = (
            "" if self.outline.dt_s is None else f", a step is {self.outline.dt_s:g} s"
        )
        return f"Network, {self.outline.stage}{step}"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        boxes, wires = self.outline.boxes, self.outline.wires
        delayed = [
            f"{w.source} to {w.target} by {_steps(w)}" for w in wires if any(w.delays)
        ]
        last = [
            f"{box.name} in step {box.arrival}"
            for box in boxes
            if box.what == "Output" and box.arrival is not None
        ]
        return (
            f"{len(boxes)} populations and {len(wires)} connections of a "
            f"{self.outline.stage} graph, from {_names(boxes, 'Input')} to "
            f"{_names(boxes, 'Output')}."
            + (f" The first data reach {', '.join(last)}." if last else "")
            + (f" Delayed: {'; '.join(delayed)} steps." if delayed else " No delays.")
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """As much as the layout needs."""
        wide, high = self.layout.size_in
        return max(WIDTH_IN, wide + 0.3), high + 1.1

    def paint(self, figure: Figure) -> None:
        """Draw wires, then boxes, then delays over both."""
        head(figure, self.title)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_aspect("equal")
        wide, high = self.layout.size_in
        axes.set_xlim(-0.1, wide + 0.1)
        axes.set_ylim(-0.35, high + 0.1)
        for wire, path in zip(self.outline.wires, self.layout.paths, strict=True):
            _paint_wire(axes, wire, path)
        for box in self.outline.boxes:
            _paint_box(axes, box, self.layout.centers[box.name])
        axes.text(
            wide / 2,
            -0.3,
            "t: step in which the first data arrive   +d: steps of axonal delay   "
            "b: has a bias",
            ha="center",
            fontsize=8,
            color=FAINT,
        )

    def data(self) -> Mapping[str, object]:
        """Return boxes, wires and their places."""
        return {
            "stage": self.outline.stage,
            "dt_s": self.outline.dt_s,
            "populations": [
                {**asdict(box), "center_in": list(self.layout.centers[box.name])}
                for box in self.outline.boxes
            ],
            "connections": [asdict(wire) for wire in self.outline.wires],
        }

    def table(self) -> Table:
        """Return a row a connection."""
        rows = [
            (wire.source, wire.target, " ".join(wire.through), _steps(wire))
            for wire in self.outline.wires
        ]
        return [("from", "to", "through", "delay, steps"), *rows]


def graph_drawing(graph: Graph, layout: str = "auto") -> GraphDrawing:
    """Return a drawing of a graph of any stage.

    Raises:
        InputError: no such layout, or Graphviz is asked for and does not run.
    """
    drawn = outline(graph)
    return GraphDrawing(drawn, place_outline(drawn, layout))


def _steps(wire: Wire) -> str:
    """Write the delays of a wire, as 0, 1, 2 or 0-5."""
    first, last = wire.delays[0], wire.delays[-1]
    if len(wire.delays) > 2 and last - first == len(wire.delays) - 1:
        return f"{first}{TO}{last}"
    return ", ".join(map(str, wire.delays))


def _names(boxes: tuple[Box, ...], what: str) -> str:
    return ", ".join(box.name for box in boxes if box.what == what)


def _paint_wire(axes: Axes, wire: Wire, path: tuple[Point, ...]) -> None:
    shape = import_module("matplotlib.path").Path
    arrow = import_module("matplotlib.patches").FancyArrowPatch
    codes = [shape.MOVETO, *[shape.CURVE4] * (len(path) - 1)]
    waits = any(wire.delays)
    color = TEACHER if waits else FAINT
    axes.add_patch(
        arrow(
            path=shape(path, codes),
            arrowstyle="-|>,head_length=4,head_width=2",
            color=color,
            linewidth=1.6 if waits else 1.0,
            shrinkA=0,
            shrinkB=0,
        )
    )
    if waits:
        x, y = _middle(path)
        axes.text(
            x,
            y,
            f"+{_steps(wire)}",
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold",
            color=TEACHER,
            bbox={"boxstyle": "round,pad=0.15", "fc": PAPER, "ec": "none"},
        )


def _middle(path: tuple[Point, ...]) -> Point:
    """Return the point in the middle of the middle curve."""
    start = 3 * ((len(path) - 1) // 3 // 2)
    a, b, c, d = path[start : start + 4]
    return (
        (a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8,
        (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8,
    )


def _paint_box(axes: Axes, box: Box, center: Point) -> None:
    patch = import_module("matplotlib.patches").FancyBboxPatch
    (x, y), (width, height) = center, BOX_IN
    axes.add_patch(
        patch(
            (x - width / 2 + 0.05, y - height / 2 + 0.05),
            width - 0.1,
            height - 0.1,
            boxstyle="round,pad=0.05",
            facecolor=PAPER,
            edgecolor=_LOOKS.get(box.what, STUDENT),
            linestyle="--" if box.what in _GRADED else "-",
            linewidth=1.6,
        )
    )
    axes.text(
        x,
        y + 0.09,
        shorten(box.name, _SHORT),
        ha="center",
        va="center",
        fontsize=8.5,
        color=INK,
    )
    axes.text(
        x, y - 0.11, _small(box), ha="center", va="center", fontsize=7.5, color=FAINT
    )


def _small(box: Box) -> str:
    parts = [TIMES.join(map(str, box.shape))] if box.shape else []
    if box.arrival is not None:
        parts.append(f"t = {box.arrival}")
    if box.has_bias:
        parts.append("b")
    return "   ".join(parts)
