"""Names of nodes and of profiles are words in every format of a report."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import spikewright as sw
from spikewright.errors import GraphError
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.style import POLICY, SCRIPT, STYLE
from spikewright.hardware_profiles.text.document import Document, Section, to_markdown
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons
from spikewright.simulate.integer import run_integer

NAMES = {
    "marks": "<script>alert('1')</script>]]></style><b onx=\"1\">&amp;",
    "steers": "\x1b[31m\x00\u202e\nx",
    "markdown": "|`*_[x](y)",
    "formula": "=1+1",
}
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


def _graph() -> Graph:
    """input -> a neuron for each name -> output."""
    usual = {"dv": 2048, "vth": 64, "scale": 1.0}
    nodes: dict[str, sw.Node] = {"input": Input((4,)), "output": Output((2,), 1.0)}
    edges: list[Edge] = []
    for name in NAMES.values():
        into, out = f"{name} in", f"{name} out"
        nodes[into] = DenseSynapses(np.full((3, 4), 9), exponent=2)
        nodes[name] = QuantizedNeurons((3,), **usual)
        nodes[out] = DenseSynapses(np.ones((2, 3), np.int64), exponent=0)
        edges += (Edge("input", into), Edge(into, name), Edge(name, out))
        edges.append(Edge(out, "output"))
    arrival = {"input": 0, **dict.fromkeys(NAMES.values(), 1), "output": 2}
    return Graph(nodes, tuple(edges), Stage.QUANTIZED, 1e-3, arrival)


@pytest.fixture(scope="module")
def report() -> Report:
    graph = _graph()
    trace = run_integer(graph, np.ones((1, 2, 4), np.uint8))
    profile = replace(sw.load_profile("cmos45"), title=f"{NAMES['marks']}\x1b[2J")
    wanted = sw.Wanted([profile])
    teacher = sw.teacher_baselines("minilm-l6", 16, steps=2)
    return sw.report_traces(graph, [(trace, None)], teacher, wanted)


class _Page(HTMLParser):
    """The elements and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_page_has_no_element_of_a_name(report: Report) -> None:
    text = report.to_html()
    page = _Page(text)
    counted = [tag for tag, _ in page.tags]
    assert (counted.count("script"), counted.count("style")) == (1, 1)
    assert "b" not in counted
    assert not [key for _, each in page.tags for key in each if key.startswith("on")]
    assert SCRIPT in page.words
    assert STYLE in page.words
    assert POLICY in {each.get("content") for _, each in page.tags}
    assert not STEERING.search(text)
    words = "".join(page.words)
    assert NAMES["marks"] in words
    assert r"\x1b[31m\x00\u202e\nx" in words
    assert (
        r"<b onx=\"1\">&amp;\x1b[2J".replace('\\"', '"') in words
    )  # a profile's title


def test_names_stay_in_their_line_of_plain_text(report: Report) -> None:
    for text in (report.to_table(), report.explain("list")):
        assert not STEERING.search(text)
        assert r"\x1b[31m\x00\u202e\nx" in text


def test_names_stay_in_their_cell_of_markdown(report: Report) -> None:
    text = report.to_markdown()
    assert not STEERING.search(text)
    assert "<" not in text.replace("\\<", "")
    assert r"\|\`\*\_\[x\](y)" in text
    for block in text.split("\n\n"):
        if block.startswith("| "):
            bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(bars) == 1


def test_headings_of_markdown_are_words(report: Report) -> None:
    text = to_markdown(Document("a *b*\n# c", (Section("[x](y)", ("- d",)),)))
    assert text.splitlines() == [r"a \*b\*\\n# c", "", r"**\[x\](y)**", "", "- - d"]


def test_a_spreadsheet_sees_no_formula(report: Report) -> None:
    text = report.to_csv()
    assert not STEERING.search(text)
    nodes = {row["node"] for row in csv.DictReader(io.StringIO(text))}
    assert {"'=1+1", NAMES["marks"]} <= nodes
    assert not [each for each in nodes if each.startswith(("=", "+", "-", "@"))]


def test_half_a_character_is_no_name() -> None:
    graph = _graph()
    nodes = {"\ud800": graph.nodes["input"], **graph.nodes}
    with pytest.raises(GraphError, match=r"node '\\ud800': a name must be Unicode"):
        Graph(nodes, graph.edges, graph.stage, graph.dt_s, graph.arrival)
