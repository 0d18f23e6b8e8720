"""Answers and energy after each step are those of a run of as many steps."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import spikewright as sw
from spikewright.errors import InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.reports.figures import find_figure
from spikewright.hardware_profiles.reports.matching import check_run_report
from spikewright.hardware_profiles.reports.pictures import early_exit_curve
from spikewright.nodes import (
    BiasLine,
    DenseSynapses,
    Input,
    Output,
    QuantizedNeurons,
)
from spikewright.simulate.integer import run_integer

SAMPLES, STEPS = 5, 6
PROFILES = ("cmos45", "loihi1")
TOTALS = {"cmos45/cmos45-sram32k", "loihi1/loihi1"}


def _graph(classes: int = 2) -> Graph:
    """4 inputs to 3 neurons with a bias to the classes."""
    rng = np.random.default_rng(1)
    nodes = {
        "bias": BiasLine(),
        "input": Input((4,)),
        "in_a": DenseSynapses(rng.integers(-60, 100, (3, 4))),
        "bias_a": DenseSynapses(np.full((3, 1), 5)),
        "a": QuantizedNeurons((3,), 2048, 64, 1.0),
        "a_out": DenseSynapses(rng.integers(-9, 9, (classes, 3))),
        "output": Output((classes,)),
    }
    edges = [("bias", "bias_a"), ("bias_a", "a"), ("input", "in_a"), ("in_a", "a")]
    edges += [("a", "a_out"), ("a_out", "output")]
    arrival = {"bias": 0, "input": 0, "a": 1, "output": 2}
    ends = tuple(Edge(*each) for each in edges)
    return Graph(nodes, ends, Stage.QUANTIZED, 1e-3, arrival)


def _inputs() -> np.ndarray:
    # Few spikes at first and many later, so that the fullest step is not the first.
    rng = np.random.default_rng(1)
    chance = np.linspace(0.2, 0.9, STEPS)[:, np.newaxis]
    return (rng.random((SAMPLES, STEPS, 4)) < chance).astype(np.uint8)


def _report(inputs, judge, *, graph=None, batches=1, **wanted) -> sw.Report:
    graph = graph or _graph()
    parts = [(run_integer(graph, x), None) for x in np.array_split(inputs, batches)]
    profiles = [sw.load_profile(each) for each in PROFILES]
    teacher = sw.teacher_baselines("minilm-l6", [21], steps=inputs.shape[1])
    asked = sw.Wanted(profiles, draw=sw.Draw(draws=1000), **wanted)
    return sw.report_traces(graph, parts, teacher, asked, judge=judge)


@pytest.fixture(scope="module")
def report() -> sw.Report:
    return _report(_inputs(), sw.Judge([0, 1, 0, 1, 1]))


def _totals(report: sw.Report) -> dict[str, float]:
    names = [f"{each['profile']}/{each['accounting']}" for each in _compared(report)]
    return {
        name: find_figure(report.figures, f"full/{name}/student/total").value
        for name in names
    }


def _compared(report: sw.Report) -> list[dict]:
    return report.facts["comparisons"]


@pytest.mark.parametrize("steps", [1, 3, STEPS])
def test_the_energy_up_to_a_step_is_that_of_a_run_of_as_many(report, steps) -> None:
    shorter = _totals(_report(_inputs()[:, :steps], None))
    energies = report.facts["early_exit"]["energy_j"]
    assert set(energies) == set(shorter) == TOTALS
    for name, values in energies.items():
        assert len(values) == STEPS
        assert values[steps - 1] == shorter[name] > 0, name


def test_the_last_point_is_the_report_s_own_total(report) -> None:
    totals = _totals(report)
    for name, values in report.facts["early_exit"]["energy_j"].items():
        assert values[-1] == totals[name]
        assert values == sorted(values)
        for step, value in enumerate(values, start=1):
            figure = find_figure(report.figures, f"early_exit/{name}/{step}")
            assert figure.value == value == sum_of(figure)
    static = find_figure(report.figures, "full/loihi1/loihi1/student/static")
    assert static.value > 0


def sum_of(figure) -> float:
    return math.fsum(line.energy_j for line in figure.lines)


def test_batches_and_parts_change_nothing(report) -> None:
    # By sample, counts are not added up.
    for by in ("layer", "sample"):
        other = _report(_inputs(), sw.Judge([0, 1, 0, 1, 1]), batches=3, by=by)
        assert other.facts["early_exit"] == report.facts["early_exit"]


def test_answers_are_what_the_readout_has_summed_up(report) -> None:
    output = run_integer(_graph(), _inputs()).output
    for step in range(1, STEPS + 1):
        answers = output[:, :step].sum(axis=1).argmax(axis=1)
        right = int((answers == [0, 1, 0, 1, 1]).sum())
        assert report.facts["early_exit"]["right"][step - 1] == right
        figure = find_figure(report.figures, f"early_exit/accuracy/{step}")
        assert figure.value == right / SAMPLES
    assert report.facts["early_exit"]["right"] == [1, 2, 4, 4, 3, 3]


def test_without_labels_answers_are_held_against_the_last(report) -> None:
    found = _report(_inputs(), sw.Judge())
    early = found.facts["early_exit"]
    assert (early["against"], early["right"][-1]) == ("last step", SAMPLES)
    assert early["energy_j"] == report.facts["early_exit"]["energy_j"]
    assert "no labels: how many of 5 samples" in found.to_markdown()
    assert find_figure(found.figures, f"early_exit/agreement/{STEPS}").value == 1


def test_people_data_and_the_picture_say_the_same(report) -> None:
    check_run_report(json.loads(report.to_text("json")))
    early = report.facts["early_exit"]
    table = report.to_markdown().partition("**Early exit**")[2].partition("**")[0]
    heading, _, *rows = [row for row in table.splitlines() if row.startswith("|")]
    assert heading.startswith("| T | accuracy | range (95 %) | cmos45")
    assert [row.split(" | ")[1] for row in rows] == [
        f"{20 * right:.2f} %" for right in early["right"]
    ]
    assert "2 steps further" in table  # the output hears the input 2 steps late
    picture = early_exit_curve(report.facts)
    assert picture.correct == tuple(early["right"])
    assert [*picture.energy_j.values()] == [
        tuple(x) for x in early["energy_j"].values()
    ]


def test_of_many_steps_some_have_a_row() -> None:
    inputs = np.tile(_inputs(), (1, 6, 1))
    text = _report(inputs, sw.Judge()).to_table()
    rows = text.partition("Early exit:")[2].partition("\n\n")[0].splitlines()
    # 36 steps, every third of them and the first.
    steps = [row.split()[0] for row in rows if row[:1].isdigit()]
    assert steps == ["1", *(str(each) for each in range(3, 37, 3))]
    assert "13 of 36 steps; the JSON form has all" in text


# --- where there is none -------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "judge", "why"),
    [
        (2, None, "nothing says that the readout adds up over steps"),
        (1, sw.Judge(), r"an output of shape \(1,\) is not one of classes"),
    ],
)
def test_where_an_earlier_sum_is_no_answer_it_says_why(classes, judge, why) -> None:
    report = _report(_inputs(), judge, graph=_graph(classes))
    assert report.facts["early_exit"] is None
    check_run_report(json.loads(report.to_text("json")))
    assert "Early exit" not in report.to_table()
    assert not any(each.name.startswith("early_exit") for each in report.figures)
    (line,) = [x for x in report.facts["left_out"] if "answers after" in x]
    with pytest.raises(InputError, match=why):
        early_exit_curve(report.facts)
    assert line in report.to_markdown()


def test_reads_that_all_steps_share_have_no_price_of_fewer_steps() -> None:
    # Their number follows (1 - (1 - r)^T), r the rate of the whole run.
    standard = load_accounting("loihi1")
    shared = replace(standard.accounting, temporal_reuse=True)
    wanted = [replace(standard, accounting=shared)]
    report = _report(_inputs(), sw.Judge(), accountings=wanted)
    assert list(report.facts["early_exit"]["energy_j"]) == ["cmos45/cmos45-sram32k"]
    line = "loihi1/loihi1, energy of fewer steps: accounting loihi1 shares reads of"
    assert line in report.to_markdown().replace("\\", "")


@pytest.mark.parametrize(
    ("labels", "says"),
    [([0] * 4, "4 labels for 5 samples"), ([0, 1, 2, 0, 0], "label 2: .* 0 to 1")],
)
def test_labels_that_do_not_fit(labels, says) -> None:
    with pytest.raises(InputError, match=says):
        _report(_inputs(), sw.Judge(labels))
