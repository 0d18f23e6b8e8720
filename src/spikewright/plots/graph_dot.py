"""Where boxes and wires of a graph lie on paper, by Graphviz' `dot` if it is there."""

from __future__ import annotations

import shutil
import subprocess

from spikewright.errors import InputError
from spikewright.plots.graph_layout import BOX_IN, Layout, Point, lay_out
from spikewright.plots.graph_outline import Outline

DOT = "dot"
ENGINES = ("auto", "graphviz", "built-in")
_SECONDS = 60


def place_outline(outline: Outline, engine: str = "auto") -> Layout:
    """Lay out a graph by Graphviz if it is installed, else by our own layers.

    Args:
        outline: what is drawn.
        engine: `auto`, or `graphviz` or `built-in` to insist.

    Raises:
        InputError: no such engine, or Graphviz is asked for and absent, or fails.
    """
    if engine not in ENGINES:
        raise InputError(f"layout '{engine}': must be one of {', '.join(ENGINES)}")
    found = None if engine == "built-in" else shutil.which(DOT)
    if found is not None:
        return read_plain(_run(found, dot_text(outline)), outline)
    if engine == "graphviz":
        raise InputError(
            "layout graphviz: there is no `dot`; install graphviz, or leave it out"
        )
    return lay_out(outline)


def dot_text(outline: Outline) -> str:
    """Return the graph in Graphviz' language; boxes and wires are numbered."""
    number = {box.name: place for place, box in enumerate(outline.boxes)}
    width, height = BOX_IN
    lines = [
        "digraph {",
        "rankdir=TB; ranksep=0.4; nodesep=0.3;",
        f"node [shape=box, fixedsize=true, width={width}, height={height}, label=x];",
        "edge [arrowhead=none];",
        *(f"{place};" for place in number.values()),
        *(f"{number[w.source]} -> {number[w.target]};" for w in outline.wires),
        "}",
    ]
    return "\n".join(lines)


def _run(dot: str, text: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the path is what the system found
            [dot, "-Tplain"],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(
            f"layout graphviz: {dot} failed ({error}); take --layout built-in"
        ) from error
    return done.stdout


def read_plain(text: str, outline: Outline) -> Layout:
    """Read what `dot -Tplain` writes: sizes and places in inches, y upward."""
    size: Point = (1.0, 1.0)
    centers: dict[str, Point] = {}
    found: dict[tuple[int, int], tuple[Point, ...]] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["graph"]:
            size = (float(words[2]), float(words[3]))
        elif words[:1] == ["node"]:
            box = outline.boxes[int(words[1])]
            centers[box.name] = (float(words[2]), float(words[3]))
        elif words[:1] == ["edge"]:
            count = int(words[3])
            numbers = [float(each) for each in words[4 : 4 + 2 * count]]
            path = tuple(zip(numbers[::2], numbers[1::2], strict=True))
            found[int(words[1]), int(words[2])] = path
    number = {box.name: place for place, box in enumerate(outline.boxes)}
    paths = tuple(found[number[w.source], number[w.target]] for w in outline.wires)
    return Layout(size, centers, paths)
