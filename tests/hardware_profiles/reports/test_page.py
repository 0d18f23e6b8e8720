"""A report's page: what it says first, that it is whole, and that it loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import spikewright as sw
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.reports.pictures import (
    break_even_curve,
    comparison_of,
    energy_pictures,
    layer_energy,
    values_of,
)
from spikewright.hardware_profiles.reports.report import Report
from spikewright.hardware_profiles.reports.style import SCRIPT, STYLE
from spikewright.hardware_profiles.reports.teacher import report_teacher
from spikewright.hardware_profiles.teachers.operations import find_teacher
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons
from spikewright.plots.units import joules
from spikewright.simulate.integer import run_integer

HOSTILE = "<script>alert('1')</script>"
VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """Elements of a page, checked for nesting as they come."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.open[-5:])

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def report() -> Report:
    rng = np.random.default_rng(1)
    usual = {"dv": 2048, "vth": 64, "scale": 1.0}
    graph = Graph(
        {
            "input": Input((4,)),
            "w": DenseSynapses(rng.integers(-40, 60, (6, 4)), exponent=0),
            HOSTILE: QuantizedNeurons((6,), **usual),
            "r": DenseSynapses(rng.integers(-40, 60, (2, 6)), exponent=0),
            "output": Output((2,), scale=1.0),
        },
        (
            *(Edge("input", "w"), Edge("w", HOSTILE)),
            *(Edge(HOSTILE, "r"), Edge("r", "output")),
        ),
        Stage.QUANTIZED,
        1e-3,
        {"input": 0, HOSTILE: 1, "output": 2},
    )
    spikes = (rng.random((3, 8, 4)) < 0.5).astype(np.uint8)
    names = ("cmos45", "loihi1", "spinnaker2", "xylo")
    wanted = sw.Wanted([sw.load_profile(each) for each in names])
    teacher = sw.teacher_baselines("minilm-l6", 16, steps=8)
    trace = run_integer(graph, spikes)
    return sw.report_traces(graph, [(trace, None)], teacher, wanted)


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return report.to_html()


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


# --- whole and harmless --------------------------------------------------------------


def test_every_element_is_closed_where_it_was_opened(page: Page) -> None:
    assert page.open == []
    assert len(page.found) > 500


def test_names_are_unique_and_what_is_named_exists(page: Page) -> None:
    names = [each["id"] for _, each in page.found if "id" in each]
    assert len(names) == len(set(names)) > 50
    used = {
        name
        for _, each in page.found
        for key in ("aria-labelledby", "data-rows-of")
        for name in each.get(key, "").split()
    }
    used |= {each["href"][1:] for each in page.of("use")}
    assert used
    assert used <= set(names)


def test_nothing_is_loaded(page: Page, text: str) -> None:
    for tag in ("link", "iframe", "img", "object", "embed", "form", "base", "a"):
        assert page.of(tag) == []
    for tag, attributes in page.found:
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(key, "#")
            assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
        assert not [key for key in attributes if key.startswith("on")]
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in STYLE


def test_the_policy_allows_nothing_but_this_script(page: Page, text: str) -> None:
    (policy,) = (
        each["content"]
        for each in page.of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script == SCRIPT
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_a_name_that_would_be_a_script_is_text(page: Page, text: str) -> None:
    assert len(page.of("script")) == 1
    assert HOSTILE in page.text
    rows = [each["data-row"] for _, each in page.found if "data-row" in each]
    assert HOSTILE in rows
    assert text.count("<script") == 1


def test_both_themes_and_paper() -> None:
    assert "color-scheme: light dark" in STYLE
    assert "@media (prefers-color-scheme: dark)" in STYLE
    assert "@media print" in STYLE


# --- what it says --------------------------------------------------------------------


def test_the_verdict_comes_first_with_a_card_for_each_profile(
    report: Report, page: Page
) -> None:
    heads = re.findall(r"<h2>(.*?)</h2>", report.to_html())
    assert heads[0] == "Verdict"
    assert heads[-1] == "All assumptions, with their sources"
    cards = [each["data-profile"] for each in page.of("article")]
    assert cards == ["cmos45", "loihi1", "spinnaker2", "xylo"]
    assert "No joules" in page.text


def test_a_card_says_what_where_against_whom_and_how_sure(
    report: Report, text: str
) -> None:
    known = {each.name: each.value for each in report.figures}
    (card,) = re.findall(
        r'<article class="card" data-profile="spinnaker2">.*?</article>', text
    )
    words = Page(card).text
    base = "full/spinnaker2/events"
    assert joules(known[f"{base}/student/total"]) in words
    assert joules(known[f"{base}/student/total_p5"]) in words
    assert joules(known[f"{base}/student/total_p95"]) in words
    assert joules(known[f"{base}/teacher/int8/total"]) in words
    assert f"{known[f'{base}/ratio']:.3g} \N{MULTIPLICATION SIGN} the teacher" in words
    assert "weakest evidence: student secondary, teacher secondary" in words
    assert "not like for like" in words
    (loihi,) = re.findall(
        r'<article class="card" data-profile="loihi1">.*?</article>', text
    )
    assert "loihi1: fits, 1 core, 1 chip" in Page(loihi).text


def test_a_card_warns_where_constants_stand_at_an_end(report: Report) -> None:
    # SpiNNaker 2 publishes a range of 45; its value is the upper end
    (comparison,) = (
        each for each in report.facts["comparisons"] if each["profile"] == "spinnaker2"
    )
    said = "its constants stand at the upper ends of their ranges"
    assert said in comparison["caveats"]
    assert said in Page(report.to_html()).text


def test_every_constant_stands_at_the_end_with_its_source(
    report: Report, page: Page
) -> None:
    constants = {line.constant for each in report.figures for line in each.lines}
    assert len(constants) > 10
    for each in constants:
        assert " ".join(each.source.split()) in page.text
        assert f"{each.value!r} {each.unit}" in page.text
    for assumption in report.facts["teacher"]["assumptions"]:
        assert " ".join(assumption.split()) in page.text


def test_every_picture_has_a_name_and_words(page: Page) -> None:
    pictures = [each for each in page.of("svg") if each.get("role") == "img"]
    assert len(pictures) == len(page.of("figure")) == len(page.of("figcaption")) > 8
    described = {each["id"] for each in page.of("desc")}
    for each in pictures:
        title, desc = each["aria-labelledby"].split()
        assert desc in described
        assert title.removesuffix("title") == desc.removesuffix("desc")


def test_what_scrolls_can_be_reached_by_keyboard(page: Page) -> None:
    scrolling = [each for each in page.of("div") if each.get("class") == "scroll"]
    assert scrolling
    for each in scrolling:
        assert (each["tabindex"], each["role"]) == ("0", "region")
        assert each["aria-label"]
    assert len(page.of("table")) == len(page.of("caption"))


def test_controls_are_hidden_until_the_script_shows_them(page: Page) -> None:
    (picker,) = (each for each in page.of("fieldset") if each.get("id") == "profiles")
    assert "hidden" in picker
    for each in page.of("details"):
        assert ("data-rows-of" in each) == ("hidden" in each)


def test_a_report_on_one_profile_has_no_picker(report: Report) -> None:
    facts = {**report.facts, "comparisons": report.facts["comparisons"][:1]}
    alone = Page(replace(report, facts=facts).to_html())
    assert not [each for each in alone.of("fieldset") if each.get("id") == "profiles"]


def test_a_teacher_alone_has_a_page_without_pictures() -> None:
    baselines = sw.teacher_baselines("minilm-l6", 16, steps=None)
    wanted = sw.Wanted([sw.load_profile("cmos45")])
    made = report_teacher(baselines, find_teacher("minilm-l6"), 16, wanted)
    page = Page(made.to_html())
    assert page.of("figure") == page.of("article") == []
    assert "All assumptions, with their sources" in page.text


# --- pictures from figures -----------------------------------------------------------


def test_pictures_of_the_json_are_those_of_the_page(report: Report) -> None:
    document = report.to_dict()
    live = {each.name: each.value for each in report.figures}
    again = energy_pictures(document, values_of(document))
    assert list(again) == list(energy_pictures(report.facts, live))


def test_layers_of_a_picture_add_up_to_the_counted_energy(report: Report) -> None:
    known = {each.name: each.value for each in report.figures}
    comparison = comparison_of(report.facts, "loihi1")
    parts = layer_energy(report.facts, known, comparison).parts
    assert list(parts) == ["input", HOSTILE, "output", "barriers"]
    total = known["full/loihi1/loihi1/student/total"]
    static = known.get("full/loihi1/loihi1/student/static") or 0.0
    assert sum(parts.values()) == pytest.approx(total - static)


def test_the_curve_meets_measured_and_break_even(report: Report) -> None:
    known = {each.name: each.value for each in report.figures}
    curve = break_even_curve(known, comparison_of(report.facts, "cmos45"))
    base = "cmos45/cmos45-sram32k"
    assert curve.line.measured == known["student/rate"]
    ratio = curve.ratio("int8")
    assert ratio == pytest.approx(known[f"full/{base}/ratio"])
    at = known[f"break_even/{base}/fp32"]
    energy = curve.line.energy_j(np.array([at]))[0]
    assert energy == pytest.approx(known[f"full/{base}/teacher/fp32/total"])
