"""Names are words in every picture: no mark, no color and no control character."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import DenseSynapses, Input, Output, SpikingNeurons
from spikewright.plots.attention import Attention
from spikewright.plots.attention_scores import attention_scores
from spikewright.plots.break_even import BreakEvenCurve, Line
from spikewright.plots.convergence import Convergence, Settling
from spikewright.plots.curve import Curve, TrainingCurve
from spikewright.plots.energy import LayerEnergy, TermEnergy
from spikewright.plots.graph_dot import dot_text
from spikewright.plots.graph_outline import outline
from spikewright.plots.graph_picture import graph_drawing
from spikewright.plots.picture import Picture
from spikewright.plots.placement import CorePlacement, CoreUse
from spikewright.plots.prices import Price, ProfilePrices
from spikewright.plots.quantization import QuantizationLoss, Room, Rounded
from spikewright.plots.raster import raster
from spikewright.plots.rates import Firing, Rates
from spikewright.plots.style import DARK
from spikewright.plots.sweep import Sweep
from spikewright.plots.variants import variants
from spikewright.plots.write import svg_inline, svg_text, write_picture
from spikewright.trace import SpikeTrace

SVG = "{http://www.w3.org/2000/svg}"
MARKUP = "<script>]]></style>\"'&"
STEERING = "\x1b[31m\x00\u202e\ufffe\n"
NAME = f"{MARKUP}{STEERING}"
HALF = "\ud800"
"""half a character: no graph has it in a name, but JSON of others may"""
LINE = Line(fixed_j=1e-6, slope_j=1e-5, shared_j=0.0, measured=0.3, steps=4)


def _graph(name: str) -> Graph:
    one = np.ones(1)
    nodes = {
        "input": Input((1,)),
        "w": DenseSynapses(np.eye(1)),
        name: SpikingNeurons(decay=one / 2, threshold=one, bias=one * 0),
        "r": DenseSynapses(np.eye(1)),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", name), Edge(name, "r"), Edge("r", "output"))
    return Graph(nodes, edges, Stage.DISCRETE, 1e-3)


def _cores(name: str) -> CorePlacement:
    return CorePlacement(name, True, name, (CoreUse(((name, 4),), 0.5, "neurons"),), 2)


PICTURES: dict[str, Callable[[str], Picture]] = {
    "attention": lambda x: Attention((x,), (x,), (x,), np.ones((1, 1)), {x: 0.5}),
    "attention_scores": lambda x: attention_scores((x,), [np.ones((1, 1, 1, 1))]),
    "break_even": lambda x: BreakEvenCurve(x, LINE, {x: 2e-6}, {x: 0.1}),
    "convergence": lambda x: Convergence((Settling(x, (0.2, 0.1), 0.3, 2),), 0.1, 1),
    "curve": lambda x: TrainingCurve((Curve(x, {x: ((1, 0.5), (2, 0.7))}),)),
    "layers": lambda x: LayerEnergy(x, x, {x: 1e-6}),
    "terms": lambda x: TermEnergy(x, {x: 1e-6}, {x: 2e-6}, x),
    "placement": _cores,
    "prices": lambda x: ProfilePrices((Price(x, 1e-6, None, None, 2e-6, x),)),
    "quantization": lambda x: QuantizationLoss((Rounded(x, 1, 2),), (Room(x, 1.0),)),
    "raster": lambda x: raster(
        SpikeTrace({x: np.ones((1, 2, 1), np.uint8)}, {"o": np.ones((1, 2, 1))})
    ),
    "rates": lambda x: Rates((Firing(x, 3, 2, 2, 1, 0),), 1),
    "sweep": lambda x: Sweep((1, 1), 2, {x: (1e-6, 2e-6)}),
    "variants": lambda x: variants(x, [1, 2], {x: [[0.5], [0.7]]}),
    "graph": lambda x: graph_drawing(_graph(x), "built-in"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_names_are_words_in_every_picture(kind: str) -> None:
    name = NAME if kind == "graph" else NAME + HALF
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph")  # which would be said in itself
        text = svg_text(PICTURES[kind](name))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800\ufffe]", text)
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    assert not {each.tag for each in root.iter()} & {f"{SVG}script", f"{SVG}b"}
    assert len(list(root.iter(f"{SVG}style"))) == 1


def test_what_looks_like_a_mark_a_color_or_a_font_stays_as_it_is() -> None:
    name = f"<b>{next(iter(DARK))} url(#q #000000"
    picture = PICTURES["rates"](name)
    for text in (svg_text(picture), svg_inline(picture, "one")):
        root = ElementTree.fromstring(text)  # noqa: S314 - our own
        words = ["".join(each.itertext()).strip() for each in root.iter()]
        assert name in words


def test_control_characters_are_seen() -> None:
    root = ElementTree.fromstring(svg_text(PICTURES["rates"](STEERING)))  # noqa: S314
    words = ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]
    assert r"\x1b[31m\x00\u202e\ufffe\n" in words


def test_a_png_is_drawn_of_any_name(tmp_path: Path) -> None:
    write_picture(PICTURES["rates"](NAME + HALF), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert rb"\x1b[31m\x00" in data  # in its description
    assert b"\x1b[31m" not in data


def test_graphviz_is_told_numbers_and_no_names() -> None:
    name = '"]; evil [label="<b>\n\\'
    text = dot_text(outline(_graph(name)))
    assert "evil" not in text
    assert "label=x" in text
    assert "0 -> 1;" in text
