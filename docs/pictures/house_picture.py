"""The pictures of docs/architecture.md."""

from __future__ import annotations

from collections.abc import Iterator

from svg import BLUE, FAINT, GREEN, ORANGE, PURPLE, arrow, box, picture, text

ROOMS = {
    "cli": (20, 20, 700, 50, "cli\nverbs, tables, progress: sees all rooms", PURPLE),
    "export": (20, 120, 210, 60, "export\nNIR, snnTorch, ONNX, passes", ORANGE),
    "train": (270, 120, 190, 60, "train\nteachers and students", ORANGE),
    "simulate": (500, 120, 220, 60, "simulate\njudge, integers, Lava", ORANGE),
    "hardware_profiles": (
        20,
        240,
        210,
        60,
        "hardware_profiles\nlimits and prices",
        GREEN,
    ),
    "plots": (270, 240, 190, 60, "plots\npictures of runs", GREEN),
    "core": (20, 360, 700, 60, "core\ngraphs, traces, counts, errors: numpy", BLUE),
}
"""x, y, width, height, label, color"""
IMPORTS = {
    ("export", "hardware_profiles"): ((125, 180), (125, 240)),
    ("export", "simulate"): ((200, 120), (200, 98), (560, 98), (560, 120)),
    ("export", "core"): ((215, 180), (215, 210), (250, 210), (250, 360)),
    ("train", "core"): ((440, 180), (440, 210), (480, 210), (480, 360)),
    ("simulate", "core"): ((610, 180), (610, 360)),
    ("hardware_profiles", "core"): ((125, 300), (125, 360)),
    ("hardware_profiles", "plots"): ((230, 270), (270, 270)),
    ("plots", "core"): ((365, 300), (365, 360)),
}
"""who imports whom, and the way of the arrow; cli imports all, without arrows"""


def house_pictures() -> Iterator[tuple[str, str]]:
    """Yield name and SVG of each."""
    yield "house", _house()
    yield "data-flow", _data_flow()


def _house() -> str:
    says = "; ".join(f"{one} imports {other}" for one, other in IMPORTS)
    return picture(
        f"The rooms and who imports whom: {says}; cli imports all.",
        740,
        440,
        *(box(*room) for room in ROOMS.values()),
        *(arrow(*way) for way in IMPORTS.values()),
        text(370, 92, "an arrow: imports", color=FAINT, size=12),
    )


def _data_flow() -> str:
    return picture(
        "A teacher is distilled into a student; the student, or any snnTorch module, or "
        "a NIR file, becomes a graph; passes lower it; it is simulated; the trace is "
        "counted and priced beside the teacher; the report comes out.",
        780,
        300,
        box(15, 20, 110, 50, "texts, BERT", FAINT),
        arrow((125, 45), (165, 45)),
        box(165, 20, 120, 50, "student\ntrain", ORANGE),
        arrow((285, 45), (325, 60)),
        box(15, 95, 110, 50, "snnTorch\nmodule", FAINT),
        arrow((125, 120), (325, 90)),
        box(15, 170, 110, 50, "NIR, netx\nfile", FAINT),
        arrow((125, 195), (355, 100)),
        box(325, 50, 110, 50, "Graph\nCONTINUOUS", BLUE),
        arrow((435, 75), (475, 75)),
        box(475, 50, 110, 50, "lower\nexport", ORANGE),
        arrow((585, 75), (625, 75)),
        box(625, 50, 135, 50, "Graph\nQUANTIZED", BLUE),
        arrow((692, 100), (692, 150)),
        box(625, 150, 135, 50, "run\nsimulate", ORANGE),
        arrow((625, 175), (585, 175)),
        box(475, 150, 110, 50, "SpikeTrace", BLUE),
        arrow((475, 175), (435, 175)),
        box(325, 150, 110, 50, "count_run\ncore", BLUE),
        arrow((380, 200), (380, 235)),
        box(295, 235, 170, 50, "report\nhardware_profiles", GREEN),
        arrow((465, 260), (525, 260)),
        box(525, 235, 235, 50, "table, JSON, CSV, HTML\nwith sources", PURPLE),
        box(15, 235, 200, 50, "teacher's own operations\nhardware_profiles", GREEN),
        arrow((215, 260), (295, 260)),
    )
