"""Break-even: the table of an illustrative spiking BERT, and the rules behind it."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.break_even import (
    break_even,
    compute_only_spikes_per_synapse,
    rate_line,
    silenced,
)
from spikewright.hardware_profiles.prices.full_energy import full_energy
from spikewright.hardware_profiles.prices.run_work import steady_nodes, teacher_work
from spikewright.hardware_profiles.prices.work import Work
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.teachers.operations import (
    INT8,
    SHAPES,
    count_teacher_sentences,
    sparse_work,
    twin_format,
)
from spikewright.nodes import BiasLine, DenseSynapses, Input, Output

RATE = Fraction(1, 5)
STANDARD = load_accounting("cmos45-sram32k").accounting
BERT = SHAPES["bert-base-uncased"]
DENSE = count_teacher_sentences(BERT, [128], INT8)
BASELINES = {"dense": DENSE, "sparse": sparse_work(DENSE, 0.5)}


def accounting(memory="sram32k", student=1, teacher=64, **changes):
    return replace(
        STANDARD,
        weights_in=memory,
        weight_reuse=Fraction(student),
        teacher_weight_reuse=Fraction(teacher),
        **changes,
    )


def price_teacher(work, profile, chosen, arithmetic="int8"):
    return full_energy(teacher_work(work), profile, arithmetic, chosen)


def solve(student, profile, chosen, teacher=DENSE):
    figure = full_energy(student, profile, "int8", chosen)
    line = rate_line(figure, profile, steady=())
    return break_even(line, price_teacher(teacher, profile, chosen))


# --- compute only --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("teacher", "student", "printed"),
    [
        ("fp32", "fp32", "5.11"),  # 4.6 / 0.9
        ("int8_acc8", "int8_acc8", "7.67"),  # 0.23 / 0.03
        ("int8", "int8", "3.00"),  # 0.3 / 0.1
        ("int8", "fp32", "0.33"),  # 0.3 / 0.9
    ],
)
def test_compute_only(teacher, student, printed):
    cmos = load_profile("cmos45")
    found = compute_only_spikes_per_synapse(
        cmos.costs(teacher)["macs"], cmos.costs(student)["synops"], gamma=0
    )
    assert f"{found:.2f}" == printed


def test_compute_only_rate_of_an_fp32_student_against_an_int8_teacher():
    cmos = load_profile("cmos45")
    mac, accumulate = cmos.costs("int8")["macs"], cmos.costs("fp32")["synops"]
    found = compute_only_spikes_per_synapse(mac, accumulate, gamma=0)
    # 0.3333 spikes per synapse in 4 steps: 8.3 %
    assert f"{found / 4:.1%}" == "8.3%"
    halved = compute_only_spikes_per_synapse(mac, accumulate, gamma=0.5)
    assert halved == pytest.approx(found / 2)


# --- full accounting -----------------------------------------------------------------

# L = 128, T = 4, int8 weights, 32-bit states in 32 KB banks, packets of 32 bits through
# 8 KB buffers (5 pJ) and one hop (3 pJ), sums in registers, no static energy. The
# teacher's activations in 32 KB banks, each read by every product that uses it.
TABLE = [
    ("sram8k", 1, 1, "26.5", "12.2"),
    ("sram8k", 1, 64, "3.9", "0.9"),
    ("sram32k", 1, 1, "25.8", "12.3"),
    ("sram32k", 1, 64, "2.2", "0.6"),
    ("sram32k", 4, 64, "7.9", "2.0"),
    ("sram1m", 1, 1, "25.2", "12.5"),
    ("sram1m", 1, 64, "0.8", "0.3"),
    ("dram", 1, 1, "25.0", "12.5"),
    ("dram", 1, 64, "0.4", "0.2"),
]


@pytest.mark.parametrize(("memory", "student", "teacher", "dense", "half"), TABLE)
def test_published_table(spiking_bert, horowitz, memory, student, teacher, dense, half):
    chosen = accounting(memory, student, teacher)
    for baseline, printed in zip(BASELINES.values(), (dense, half), strict=True):
        found = solve(spiking_bert(RATE), horowitz, chosen, baseline)
        assert f"{found.rate * 100:.1f}" == printed


def test_energies_behind_the_table(spiking_bert, horowitz):
    figure = full_energy(spiking_bert(RATE), horowitz, "int8", accounting())
    # 24.1 mJ; additions 8.939 G x 0.1 pJ = 0.894 mJ, 3.7 %; weights
    # 8.697 G x 8 bit x 0.3125 pJ = 21.743 mJ, 90 %
    assert f"{figure.total_j * 1e3:.1f}" == "24.1"
    assert f"{figure.terms['arithmetic'].energy_j / figure.total_j:.1%}" == "3.7%"
    assert f"{figure.terms['weight memory'].energy_j / figure.total_j:.0%}" == "90%"
    teacher = price_teacher(DENSE, horowitz, accounting())
    assert f"{teacher.total_j * 1e3:.1f}" == "3.9"


def test_break_even_does_not_depend_on_the_rate_that_was_measured(
    spiking_bert, horowitz
):
    found = [
        solve(spiking_bert(Fraction(rate, 1000)), horowitz, accounting()).rate
        for rate in (10, 200, 900)
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)


def test_at_break_even_both_cost_the_same(spiking_bert, horowitz):
    for temporal in (False, True):
        chosen = accounting(student=4, temporal_reuse=temporal)
        found = solve(spiking_bert(RATE), horowitz, chosen)
        at_rate = spiking_bert(Fraction(found.rate))
        there = full_energy(at_rate, horowitz, "int8", chosen)
        assert there.total_j == pytest.approx(found.baseline.total_j, rel=1e-6)
        assert found.line.energy_j(found.rate) == pytest.approx(there.total_j, rel=1e-6)


def test_temporal_reuse_raises_break_even(spiking_bert, horowitz):
    without = solve(spiking_bert(RATE), horowitz, accounting("sram32k", 1, 1))
    chosen = accounting("sram32k", 1, 1, temporal_reuse=True)
    shared = solve(spiking_bert(RATE), horowitz, chosen)
    assert shared.rate > without.rate


def test_no_rate_wins_if_the_silent_student_costs_as_much(spiking_bert, horowitz):
    # State, updates and norms of a silent student are 1.4 mJ; a teacher of a tenth of
    # the layers costs 0.39 mJ.
    tenth = {name: DENSE.counts[name] for name in ("layer0",)}
    found = solve(
        spiking_bert(RATE), horowitz, accounting(), replace(DENSE, counts=tenth)
    )
    assert found.rate is None
    assert found.spikes_per_synapse is None
    assert not found.wins
    assert "no rate wins" in str(found)


def test_reuse_and_the_measured_rate_stand_beside_the_verdict(spiking_bert, horowitz):
    found = solve(spiking_bert(RATE), horowitz, accounting())
    assert not found.wins
    text = str(found)
    assert "wins below a rate of 2.2" in text
    assert "weight reuse 1 of the student, 64 of the baseline" in text
    assert text.endswith("measured 20.00%: loses")
    low = solve(spiking_bert(Fraction(1, 100)), horowitz, accounting())
    assert low.wins
    assert str(low).endswith("measured 1.00%: wins")


def test_spikes_per_synapse_is_rate_times_steps(spiking_bert, horowitz):
    found = solve(spiking_bert(RATE), horowitz, accounting("sram32k", 1, 1))
    # 25.8 % x 4 = 1.03 spikes per synapse
    assert f"{found.spikes_per_synapse:.2f}" == "1.03"


def test_the_quantized_twin_moves_fewer_bits_than_int8(spiking_bert, horowitz):
    # 5 things to say in 4 steps: 3 bits an activation; weights and MACs as in int8
    twin = count_teacher_sentences(BERT, [128], twin_format(4))
    found, int8 = (
        price_teacher(each, horowitz, accounting()) for each in (twin, DENSE)
    )
    assert found.terms["activations"].energy_j == pytest.approx(
        int8.terms["activations"].energy_j * 3 / 8
    )
    assert found.terms["arithmetic"].energy_j == int8.terms["arithmetic"].energy_j
    against = (
        solve(spiking_bert(RATE), horowitz, accounting(), each)
        for each in (twin, DENSE)
    )
    assert next(against).rate < next(against).rate


def test_every_rate_may_win(spiking_bert, horowitz):
    # Reuse of 64 for the student and none for the teacher: 30.7 mJ against 6.4 mJ at
    # the rate of 1.
    found = solve(spiking_bert(RATE), horowitz, accounting("sram32k", 64, 1))
    assert found.rate > 1
    assert "every rate wins" in str(found)
    shared = accounting("sram32k", 64, 1, temporal_reuse=True)
    assert solve(spiking_bert(RATE), horowitz, shared).rate > 1


# --- what follows the rate -----------------------------------------------------------


def test_without_spikes_updates_remain_and_are_inactive():
    counts = {
        "n": OperationCount(
            synops=5,
            synops_zero=1,
            weight_bits_read=40,
            updates_active=3,
            updates_inactive=4,
            spikes=2,
            packets=2,
            hops_ew=3,
            hops_ns=1,
            state_bits_read=7,
        ),
        "first": OperationCount(macs=6, weight_bits_read=48),
        "bias": OperationCount(synops=9, weight_bits_read=72),
    }
    assert silenced(counts, ["bias"]) == {
        "n": OperationCount(updates_inactive=7, state_bits_read=7),
        "first": counts["first"],
        "bias": counts["bias"],
    }


def test_a_bias_line_is_steady(build, lif, ones):
    graph = build(
        {
            "input": Input((2,)),
            "line": BiasLine(),
            "w": DenseSynapses(ones(3, 2)),
            "b": DenseSynapses(ones(3, 1)),
            "n": lif(3),
            "output": Output((3,)),
        },
        "input w",
        "w n",
        "line b",
        "b n",
        "n output",
    )
    assert steady_nodes(graph) == ("line", "b")


def test_steady_work_is_in_what_is_left_without_spikes(joules, horowitz):
    counts = {
        "n": OperationCount(synops=1000),
        "bias": OperationCount(synops=200),
    }
    student = Work(
        name="s",
        counts=counts,
        samples=1,
        steps=2,
        is_teacher=False,
        rate=Fraction(1, 10),
    )
    figure = full_energy(student, horowitz, "int8", accounting())
    line = rate_line(figure, horowitz, steady=("bias",))
    # B = 200 x 0.1 pJ; A = 1000 x 0.1 pJ / 0.1
    assert line.fixed_j == pytest.approx(20e-12)
    assert line.slope_j == pytest.approx(1000e-12)


def test_energy_is_a_line_through_the_measured_point(spiking_bert, horowitz):
    figure = full_energy(spiking_bert(RATE), horowitz, "int8", accounting())
    line = rate_line(figure, horowitz, steady=())
    assert line.energy_j(0.2) == pytest.approx(figure.total_j)
    rates = np.array([0.0, 0.1, 0.2])
    energies = [line.energy_j(rate) for rate in rates]
    assert energies[2] - energies[1] == pytest.approx(energies[1] - energies[0])
    assert energies[0] == pytest.approx(line.fixed_j)


# --- refusals ------------------------------------------------------------------------


def test_refuses_a_student_without_a_rate(spiking_bert, horowitz):
    unknown = replace(spiking_bert(RATE), rate=None)
    figure = full_energy(unknown, horowitz, "int8", accounting())
    with pytest.raises(InputError, match="needs a measured spike rate above 0"):
        rate_line(figure, horowitz, steady=())


def test_refuses_a_teacher_without_a_price_of_macs(spiking_bert, horowitz):
    figure = full_energy(spiking_bert(RATE), horowitz, "int8", accounting())
    line = rate_line(figure, horowitz, steady=())
    events = load_accounting("loihi1").accounting
    teacher = price_teacher(DENSE, load_profile("loihi1"), events, "fixed")
    with pytest.raises(InputError, match="macs is not priced"):
        break_even(line, teacher)


def test_refuses_a_student_whose_messages_have_no_price():
    student = Work(
        name="s",
        counts={"n": OperationCount(synops=5, graded_synops=3)},
        samples=1,
        steps=1,
        is_teacher=False,
        rate=Fraction(1, 2),
    )
    events = load_accounting("loihi1").accounting
    profile = load_profile("loihi1")
    figure = full_energy(student, profile, "fixed", events)
    with pytest.raises(InputError, match="graded_synops is not priced"):
        rate_line(figure, profile, steady=())


def test_refuses_an_unknown_steady_node(spiking_bert, horowitz):
    figure = full_energy(spiking_bert(RATE), horowitz, "int8", accounting())
    with pytest.raises(InputError, match="no node 'bias' was counted"):
        rate_line(figure, horowitz, steady=("bias",))


def test_refuses_a_share_of_zeros_of_one():
    cost = load_profile("cmos45").costs("int8")
    with pytest.raises(InputError, match=r"gamma = 1"):
        compute_only_spikes_per_synapse(cost["macs"], cost["synops"], gamma=1)
