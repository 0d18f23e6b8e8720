"""The comparison with the teacher: numbers, and what the texts must say."""

import json
from dataclasses import replace

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.comparison import StudentWork
from spikewright.hardware_profiles.layout import amount, joules, text_table
from spikewright.hardware_profiles.profile import load_profile
from spikewright.hardware_profiles.report import compare
from spikewright.hardware_profiles.teacher import SHAPES, count_teacher_sentences

COUNTS = {
    "in": OperationCount(spikes=100),
    "stem_synapses": OperationCount(synops=4000),
    "stem_bias": OperationCount(synops=1000),
    "stem": OperationCount(spikes=30, updates_active=200, updates_inactive=400),
    "head_synapses": OperationCount(synops=300),
    "head": OperationCount(spikes=0, updates_active=50, updates_inactive=50),
}
ROWS = {
    "in": "in",
    "stem_synapses": "stem",
    "stem_bias": "stem",
    "stem": "stem",
    "head_synapses": "head",
    "head": "head",
}
STUDENT = StudentWork(COUNTS, ROWS, samples=10)
TEACHER = count_teacher_sentences(SHAPES["minilm-l6"], [21])


@pytest.fixture(scope="module")
def report():
    profiles = [load_profile("cmos45"), load_profile("loihi1")]
    return compare(STUDENT, TEACHER, profiles)


def by_label(report):
    return {each.label: each for each in report.student}


def comparison(report, student, teacher):
    return next(
        each
        for each in report.comparisons
        if (each.student.label, each.teacher.label) == (student, teacher)
    )


# --- numbers -------------------------------------------------------------------------


def test_synapses_stand_in_the_row_of_the_population_they_feed(report):
    assert [row.name for row in report.rows] == ["in", "stem", "head"]
    assert report.rows[1].count.synops == 5000
    # 30 spikes in 600 neuron-steps
    assert report.rows[1].spike_rate == pytest.approx(0.05)
    assert report.rows[0].spike_rate is None


def test_a_row_costs_what_its_nodes_cost(report):
    fp32, fixed = by_label(report)["cmos45 fp32"], by_label(report)["loihi1 fixed"]
    # 5000 synops in 10 samples x 0.9 pJ = 450 pJ
    assert fp32.energy_j["stem"] == pytest.approx(450e-12)
    # 500 x 23.6 + 20 x 81 + 40 x 52 + 3 x 1.7 = 15 505.1 pJ
    assert fixed.energy_j["stem"] == pytest.approx(15505.1e-12)
    # 10 input spikes x 1.7 pJ
    assert fixed.energy_j["in"] == pytest.approx(17e-12)


def test_totals_are_sums_of_rows(report):
    for price in report.student:
        assert price.total_j == pytest.approx(sum(price.energy_j.values()))


def test_student_and_teacher_share_the_arithmetic(report):
    ratio = comparison(report, "cmos45 fp32", "cmos45 fp32").ratio
    # (5300 / 10) x 0.9 pJ = 477 pJ over 225 133 824 x 4.6 pJ = 1.0356 mJ
    assert ratio == pytest.approx(477e-12 / (225_133_824 * 4.6e-12))
    ratio = comparison(report, "cmos45 int8", "cmos45 int8").ratio
    # The same with 0.1 and 0.3 pJ.
    assert ratio == pytest.approx(530 * 0.1 / (225_133_824 * 0.3))


def test_without_a_price_for_macs_the_teacher_is_priced_on_cmos45(report):
    for arithmetic in ("fp32", "int8"):
        found = comparison(report, "loihi1 fixed", f"cmos45 {arithmetic}")
        assert found.is_elsewhere
    assert len(report.comparisons) == 7 + 2  # 7 arithmetics of cmos45


def test_ratio_has_the_evidence_of_its_weakest_constant(report):
    assert comparison(report, "cmos45 fp32", "cmos45 fp32").evidence == "reviewed"
    # Davies is quoted, the int8 MAC is secondary: the weaker one counts.
    assert comparison(report, "loihi1 fixed", "cmos45 int8").evidence == "secondary"
    updates = comparison(report, "cmos45 fp32_updates", "cmos45 fp32_updates")
    assert updates.evidence == "assumed"


def test_an_unknown_price_disables_the_ratio():
    graded = {**COUNTS, "head_synapses": OperationCount(graded_synops=300)}
    student = replace(STUDENT, counts=graded)
    report = compare(student, TEACHER, [load_profile("loihi1")])
    assert all(each.ratio is None for each in report.comparisons)
    assert "no ratio, since graded synops has no price" in report.to_table()


# --- texts ---------------------------------------------------------------------------


def test_table_fits_a_terminal(report):
    assert max(map(len, report.to_table().splitlines())) <= 100


def test_table_of_many_long_names_fits_a_terminal():
    names = {f"encoder.layer.{i}.attention.output.dense.norm.neurons" for i in range(3)}
    counts = dict.fromkeys(sorted(names), OperationCount(synops=1))
    student = StudentWork(counts, {}, samples=1)
    profiles = [load_profile("cmos45"), load_profile("loihi1")]
    table = compare(student, TEACHER, profiles).to_table()
    assert max(map(len, table.splitlines())) <= 100


def test_table_names_teacher_ratio_evidence_and_what_is_left_out(report):
    words = " ".join(report.to_table().split())
    assert "minilm-l6, 21 tokens: 225 M MACs, 1.04 mJ cmos45 fp32" in words
    assert "cmos45 fp32: 477 pJ / 1.04 mJ = 4.61e-07; evidence: reviewed" in words
    assert "loihi1 fixed: at least" in words
    assert "1.04 mJ on cmos45 fp32 = at least" in words
    assert "not like for like, loihi1 prices no MAC" in words
    assert "synops 23.6 pJ (minimum, simulated, quoted)" in words
    # 250 active and 450 inactive updates, 130 spikes in 10 samples
    assert "25 updates active, 45 updates inactive, 13 spikes" in words
    assert "105 k norm elements" in words  # 13 x 21 x 384 = 104 832
    assert "loihi1 fixed: no part of any price is routing between tiles" in words
    assert "tokenizer" in words


def test_graded_synops_and_macs_have_columns_only_if_they_occur(report):
    assert "MACs" not in report.to_table().split("Teacher")[0]
    real_valued = {**COUNTS, "head_synapses": OperationCount(macs=300)}
    student = replace(STUDENT, counts=real_valued)
    table = compare(student, TEACHER, [load_profile("cmos45")]).to_table()
    assert "MACs" in table.split("Teacher")[0]


def test_markdown_table_has_as_many_cells_in_each_line(report):
    lines = [line for line in report.to_markdown().splitlines() if "|" in line]
    assert len(lines) == 2 + 3 + 1  # heading and rule, rows, total
    assert len({line.count("|") for line in lines}) == 1


def test_dict_survives_json(report):
    loaded = json.loads(json.dumps(report.to_dict()))
    assert loaded["rows"][1]["counts"]["synops"] == 5000
    assert loaded["rows"][1]["energy_j"]["cmos45 fp32"] == pytest.approx(450e-12)
    assert loaded["student"][0]["costs"]["synops"]["evidence"] == "reviewed"
    first = loaded["comparisons"][0]
    assert first["student_over_teacher"] == pytest.approx(
        first["student_j"] / first["teacher_j"]
    )
    assert loaded["comparisons"][-1]["teacher_priced_elsewhere"]


# --- layout --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy_j", "text"),
    [
        (0, "0"),
        (3e-15, "0.003 pJ"),
        (23.6e-12, "23.6 pJ"),
        (1.0356e-3, "1.04 mJ"),
        (51.4e-3, "51.4 mJ"),
        (12.0, "12.0 J"),
    ],
)
def test_joules_are_written_with_a_unit_that_fits(energy_j, text):
    assert joules(energy_j) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (12.5, "12.5"),
        (999, "999"),
        (22_498_560, "22.5 M"),
        (1.2e10, "12.0 G"),
    ],
)
def test_amounts_are_written_with_a_prefix(number, text):
    assert amount(number) == text


def test_columns_beyond_the_width_go_below():
    columns = [["layer", "a"], ["one two", "1.0"], ["three", "2.0"]]
    assert (
        text_table(columns, 100) == "layer  one  three\n       two\na      1.0    2.0"
    )
    assert text_table(columns, 10) == (
        "layer  one\n       two\na      1.0\n\nlayer  three\na        2.0"
    )


# --- refusals ------------------------------------------------------------------------


def test_refuses_to_compare_without_a_profile():
    with pytest.raises(InputError, match="without any profile"):
        compare(STUDENT, TEACHER, [])


def test_refuses_to_compare_nothing():
    empty = StudentWork({}, {}, samples=1)
    with pytest.raises(InputError, match="without any counted operations"):
        compare(empty, TEACHER, [load_profile("loihi1")])
