"""Column A: a student and its teacher on every arithmetic, compute only."""

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError, ProfileError
from spikewright.hardware_profiles.prices.comparison import column_a, compare
from spikewright.hardware_profiles.prices.energy import estimate_energy
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.teachers.operations import (
    SHAPES,
    count_teacher_sentences,
)

COUNTS = {
    "in": OperationCount(spikes=100),
    "stem_synapses": OperationCount(synops=4000),
    "stem_bias": OperationCount(synops=1000),
    "stem": OperationCount(spikes=30, updates_active=200, updates_inactive=400),
    "head_synapses": OperationCount(synops=300),
    "head": OperationCount(spikes=0, updates_active=50, updates_inactive=50),
}
TEACHER = count_teacher_sentences(SHAPES["minilm-l6"], [21])


@pytest.fixture(scope="module")
def column():
    profiles = [load_profile("cmos45"), load_profile("loihi1")]
    return column_a(COUNTS, TEACHER, profiles, samples=10)


def comparison(column, student, teacher):
    return next(
        each
        for each in column.comparisons
        if (each.student.label, each.teacher.label) == (student, teacher)
    )


def test_a_node_costs_its_counts_times_the_constants(column):
    by_label = {each.label: each for each in column.student}
    fp32, fixed = by_label["cmos45 fp32"], by_label["loihi1 fixed"]
    # 4000 synops in 10 samples x 0.9 pJ = 360 pJ
    assert fp32.energy_j["stem_synapses"] == pytest.approx(360e-12)
    # 20 x 81 + 40 x 52 + 3 x 1.7 = 3705.1 pJ
    assert fixed.energy_j["stem"] == pytest.approx(3705.1e-12)
    # 10 input spikes x 1.7 pJ
    assert fixed.energy_j["in"] == pytest.approx(17e-12)


def test_totals_are_sums_of_nodes(column):
    for price in column.student:
        assert price.total_j == pytest.approx(sum(price.energy_j.values()))


def test_student_and_teacher_share_the_arithmetic(column):
    ratio = comparison(column, "cmos45 fp32", "cmos45 fp32").ratio
    # (5300 / 10) x 0.9 pJ = 477 pJ over 225 133 824 x 4.6 pJ = 1.0356 mJ
    assert ratio == pytest.approx(477e-12 / (225_133_824 * 4.6e-12))
    ratio = comparison(column, "cmos45 int8", "cmos45 int8").ratio
    # The same with 0.1 and 0.3 pJ.
    assert ratio == pytest.approx(530 * 0.1 / (225_133_824 * 0.3))


def test_without_a_price_for_macs_the_teacher_is_priced_on_cmos45(column):
    for arithmetic in ("fp32", "int8"):
        found = comparison(column, "loihi1 fixed", f"cmos45 {arithmetic}")
        assert found.is_elsewhere
    assert len(column.comparisons) == 7 + 2  # 7 arithmetics of cmos45


def test_ratio_has_the_evidence_of_its_weakest_constant(column):
    assert comparison(column, "cmos45 fp32", "cmos45 fp32").evidence == "reviewed"
    # Davies is quoted, the int8 MAC is secondary: the weaker one counts.
    assert comparison(column, "loihi1 fixed", "cmos45 int8").evidence == "secondary"
    updates = comparison(column, "cmos45 fp32_updates", "cmos45 fp32_updates")
    assert updates.evidence == "assumed"


def test_an_unknown_price_disables_the_ratio():
    graded = {**COUNTS, "head_synapses": OperationCount(graded_synops=300)}
    column = column_a(graded, TEACHER, [load_profile("loihi1")], samples=10)
    assert [each.ratio for each in column.comparisons] == [None, None]
    assert column.comparisons[0].unknown == ("graded_synops",)


def test_refuses_to_compare_without_a_profile():
    with pytest.raises(InputError, match="without any profile"):
        column_a(COUNTS, TEACHER, [], samples=1)


def test_refuses_to_compare_nothing():
    with pytest.raises(InputError, match="without any counted operations"):
        column_a({}, TEACHER, [load_profile("loihi1")], samples=1)


# --- one against one -----------------------------------------------------------------


def one_against_one(counts=COUNTS, on="cmos45", arithmetic="fp32"):
    cmos45 = load_profile("cmos45")
    student = estimate_energy(
        counts, load_profile(on), arithmetic=arithmetic, samples=10
    )
    teacher = estimate_energy(TEACHER.counts, cmos45, arithmetic="fp32", samples=1)
    return compare(student, teacher)


def test_one_price_against_one_is_a_table_with_its_evidence():
    text = one_against_one().to_markdown()
    # 530 synops of one sample x 0.9 pJ = 477 pJ; 225 M MACs x 4.6 pJ = 1.0356 mJ
    assert "| synops | 530 | 477 pJ |  |  |" in text
    assert "| macs |  |  | 225 M | 1.04 mJ |" in text
    assert "| total |  | 477 pJ |  | 1.04 mJ |" in text
    # 477e-12 / 1.0356e-3
    assert "student / teacher = 4.606e-07, evidence: reviewed" in text
    assert "- student, no price: updates_active, updates_inactive" in text


def test_a_ratio_that_cannot_be_says_why():
    graded = {"head": OperationCount(graded_synops=300)}
    found = one_against_one(graded, "loihi1", "fixed")
    assert found.verdict == "no ratio: no price for graded_synops"
    assert "\n| total |  | 0 |" in found.to_markdown()


def test_refuses_a_side_without_operations():
    with pytest.raises(InputError, match="no operation of the student was counted"):
        one_against_one({"head": OperationCount()})


def test_the_only_arithmetic_of_a_profile_need_not_be_said():
    found = estimate_energy(COUNTS, load_profile("loihi1"), samples=10)
    assert found.label == "loihi1 fixed"


def test_of_several_arithmetics_one_must_be_said():
    with pytest.raises(ProfileError, match=r"cmos45: prices fp32, .*say which"):
        estimate_energy(COUNTS, load_profile("cmos45"), samples=10)
