"""Column B: every term by hand, nothing twice, nothing absent as zero."""

from dataclasses import asdict, replace
from fractions import Fraction

import numpy as np
import pytest

from spikewright.counts import OperationCount
from spikewright.errors import (
    InputError,
    LimitsExceededError,
    OverlapError,
    ProfileError,
)
from spikewright.hardware_profiles.placement.place import place
from spikewright.hardware_profiles.prices.accounting import (
    list_accountings,
    load_accounting,
)
from spikewright.hardware_profiles.prices.full_energy import (
    energy_by_node,
    explain,
    full_energy,
)
from spikewright.hardware_profiles.prices.work import Work, on_placement
from spikewright.hardware_profiles.profiles.profile import (
    HardwareProfile,
    list_profiles,
    load_profile,
)
from spikewright.nodes import DiagonalSynapses, Input, Output

CMOS = load_profile("cmos45")
SRAM = load_accounting("cmos45-sram32k").accounting
LOIHI = load_profile("loihi1")
EVENTS = load_accounting("loihi1").accounting
PJ = 1e-12


def work(samples=1, **changes):
    known = {"cores", "chips", "latency_s", "rate", "parameter_bits", "steps"}
    known |= {"is_teacher"}
    others = {key: changes.pop(key) for key in known & changes.keys()}
    usual = {"name": "net", "samples": samples, "steps": 1, "is_teacher": False}
    counts = {"n": OperationCount(**changes)}
    return Work(**{**usual, **others}, counts=counts)


def cmos(counted, accounting=SRAM, arithmetic="int8_updates"):
    return full_energy(counted, CMOS, arithmetic, accounting)


def loihi(counted, accounting=EVENTS):
    return full_energy(counted, LOIHI, "fixed", accounting)


def term_j(figure, name):
    return figure.terms[name].energy_j


def _reuse_of(uses):
    return replace(SRAM, weight_reuse=Fraction(uses))


# --- term by term --------------------------------------------------------------------


def test_arithmetic_adds_synops_macs_messages_and_additions():
    figure = cmos(
        work(synops=10, graded_synops=2, macs=3, residual_additions=4, bias_additions=5)
    )
    # 10 x 0.1 + 2 x 3.2 + 3 x 0.3 + 4 x 0.1 + 5 x 0.1 = 9.2 pJ
    assert term_j(figure, "arithmetic") == pytest.approx(9.2 * PJ)


def test_a_message_of_level_k_may_cost_k_accumulates():
    counted = work(graded_synops=2, graded_levels=7)
    levels = replace(SRAM, graded="levels")
    assert term_j(cmos(counted, levels), "arithmetic") == pytest.approx(0.7 * PJ)
    unknown = cmos(work(graded_synops=2), levels)
    assert unknown.disabled == ("arithmetic", "static")
    assert "levels of the messages are not known" in unknown.missing[0][1].why


def test_stored_zeros_cost_an_accumulate_if_so_chosen():
    counted = work(synops=10, synops_zero=5)
    assert term_j(cmos(counted), "arithmetic") == pytest.approx(1.0 * PJ)
    dense = cmos(counted, replace(SRAM, zero_synapses="charged"))
    assert term_j(dense, "arithmetic") == pytest.approx(1.5 * PJ)


def test_macs_of_zeros_are_skipped_if_so_chosen():
    counted = work(macs=10, macs_zero=4)
    assert term_j(cmos(counted), "arithmetic") == pytest.approx(6 * 0.3 * PJ)
    dense = cmos(counted, replace(SRAM, zero_macs="charged"))
    assert term_j(dense, "arithmetic") == pytest.approx(10 * 0.3 * PJ)


def test_weights_are_read_once_for_each_reuse():
    counted = work(weight_bits_read=64)
    # 64 bit x 0.3125 pJ = 20 pJ
    assert term_j(cmos(counted), "weight memory") == pytest.approx(20 * PJ)
    reused = replace(SRAM, weight_reuse=Fraction(4))
    assert term_j(cmos(counted, reused), "weight memory") == pytest.approx(5 * PJ)
    teacher = replace(counted, is_teacher=True)
    # The teacher has a reuse of its own, 64 here.
    assert term_j(cmos(teacher, reused), "weight memory") == pytest.approx(0.3125 * PJ)


def test_temporal_reuse_reads_the_weights_of_a_source_once():
    counted = work(weight_bits_read=64, steps=4, rate=Fraction(1, 2))
    chosen = replace(SRAM, temporal_reuse=True)
    # (1 - 0.5^4) / (0.5 x 4) = 0.46875; x 20 pJ = 9.375 pJ
    assert term_j(cmos(counted, chosen), "weight memory") == pytest.approx(9.375 * PJ)


def test_embeddings_and_parameters_beyond_the_chip_are_read():
    counted = work(samples=2, embedding_bits_read=64, lookups=64, parameter_bits=1000)
    chosen = replace(SRAM, parameters_from="dram", on_chip_bits=900)
    # 32 bit x 0.3125 = 10 pJ and (1000 - 900) bit x 20.3125 = 2031.25 pJ a sample
    figure = cmos(counted, chosen)
    assert term_j(figure, "weight memory") == pytest.approx(2041.25 * PJ)
    fits = cmos(replace(counted, parameter_bits=900), chosen)
    assert term_j(fits, "weight memory") == pytest.approx(10 * PJ)
    unknown = cmos(replace(counted, parameter_bits=None), chosen)
    assert "parameter_bits" in {each.operation for _, each in unknown.missing}


def test_state_is_read_and_written_and_neurons_are_updated():
    counted = work(
        state_bits_read=32, state_bits_written=64, updates_active=2, updates_inactive=3
    )
    # 96 bit x 0.3125 + 5 x 3.4 = 30 + 17 = 47 pJ
    assert term_j(cmos(counted), "state") == pytest.approx(47 * PJ)
    # 2 x 81 + 3 x 52 = 318 pJ: the access is in it
    figure = loihi(counted)
    assert term_j(figure, "state") == pytest.approx(318 * PJ)
    assert figure.terms["state"].missing == ()


def test_reads_and_writes_have_prices_of_their_own(joules):
    bank = {"read": joules(1e-12, unit="J/bit"), "write": joules(5e-12, unit="J/bit")}
    counted = work(state_bits_read=2, state_bits_written=3)
    profile = replace(CMOS, memories={**CMOS.memories, "sram32k": bank})
    figure = full_energy(counted, profile, "int8", SRAM)
    # 2 x 1 + 3 x 5 = 17 pJ
    assert term_j(figure, "state") == pytest.approx(17 * PJ)
    read_only = {**CMOS.memories, "sram32k": {"read": bank["read"]}}
    unwritten = replace(CMOS, memories=read_only)
    figure = full_energy(counted, unwritten, "int8", SRAM)
    assert term_j(figure, "state") == pytest.approx(2 * PJ)
    missing = {each.operation: each.why for _, each in figure.missing}
    assert missing["state_bits_written"] == "cmos45.memories.sram32k.write is unknown"


def test_signals_are_packets_or_stored_bits_and_never_both():
    counted = work(
        activation_bits_read=32,
        activation_bits_written=32,
        spikes=3,
        packets=3,
        cores=1,
    )
    packets = cmos(counted)
    # 3 packets x 32 bit x 0.15625 pJ = 15 pJ
    assert term_j(packets, "events") == pytest.approx(15 * PJ)
    assert term_j(packets, "activations") == 0
    stored = cmos(counted, replace(SRAM, student_signals="stored"))
    # 64 bit x 0.3125 pJ = 20 pJ
    assert term_j(stored, "activations") == pytest.approx(20 * PJ)
    assert term_j(stored, "events") == 0
    teacher = cmos(replace(counted, is_teacher=True))
    assert term_j(teacher, "activations") == pytest.approx(20 * PJ)


def test_hops_have_a_direction():
    counted = work(spikes=5, packets=5, hops_ew=2, hops_ns=3, cores=2)
    figure = loihi(counted)
    # 2 x 3.0 + 3 x 4.0 = 18 pJ; 5 spikes x 1.7 = 8.5 pJ
    assert term_j(figure, "network") == pytest.approx(18 * PJ)
    assert term_j(figure, "events") == pytest.approx(8.5 * PJ)


def test_packets_of_a_chip_that_prices_them():
    silicon = load_profile("loihi1_silicon")
    chosen = load_accounting("loihi1_silicon").accounting
    counted = work(spikes=2, packets=3, hops_ns=1, cores=1)
    figure = full_energy(counted, silicon, "dense", chosen)
    # 2 x 69.3 pJ; 3 x 111 + 1 x 4.2 pJ
    assert term_j(figure, "events") == pytest.approx(138.6 * PJ)
    assert term_j(figure, "network") == pytest.approx(337.2 * PJ)


def test_norms(horowitz):
    figure = full_energy(work(norm_elements=3), horowitz, "int8", SRAM)
    assert term_j(figure, "norms") == pytest.approx(21 * PJ)


def test_a_barrier_with_a_price_is_charged(horowitz, joules):
    costs = {**horowitz.costs("int8"), "barriers": joules(2e-12)}
    profile = replace(horowitz, arithmetics={"int8": costs})
    figure = full_energy(work(barriers=8, samples=2), profile, "int8", SRAM)
    assert term_j(figure, "sync") == pytest.approx(8 * PJ)


# --- static --------------------------------------------------------------------------


def test_static_power_of_chips_over_the_modeled_time():
    counted = work(synops=1, steps=4, cores=130, chips=2, latency_s=50e-6)
    figure = loihi(counted)
    # 2 x 3.34 W / 32 x 50 us = 10.4375 uJ
    assert term_j(figure, "static") == pytest.approx(10.4375e-6)
    # and at 1 ms a step: 2 x 3.34 W / 32 x 4 ms = 835 uJ, beside the total
    assert figure.real_time.energy_j == pytest.approx(835e-6)
    assert figure.total_j == pytest.approx(10.4375e-6 + 23.6 * PJ)
    assert figure.real_time_j == pytest.approx(835e-6 + 23.6 * PJ)


def test_leakage_of_cores(joules):
    leak = joules(1e-3, unit="W", includes=("leakage",))
    profile = replace(LOIHI, power={"leakage_per_core": leak})
    chosen = replace(EVENTS, power=("leakage_per_core",))
    counted = work(synops=1, cores=7, chips=1, latency_s=2.0)
    figure = full_energy(counted, profile, "fixed", chosen)
    assert term_j(figure, "static") == pytest.approx(14e-3)


def test_odins_law():
    # P = 27.3 uW + 1.78 uW/MHz x 75 MHz + 8.43 pJ x r; in 1 s and 37.5 M operations:
    # 27.3 + 133.5 + 316.125 = 476.925 uJ, 12.72 pJ an operation, 12.7 as published
    odin, chosen = load_profile("odin"), load_accounting("odin").accounting
    counted = work(synops=37_500_000, cores=1, chips=1, latency_s=1.0)
    figure = full_energy(counted, odin, "marginal", chosen)
    assert figure.total_j == pytest.approx(476.925e-6)
    assert f"{figure.total_j / 37_500_000 / PJ:.1f}" == "12.7"


def test_static_energy_needs_a_placement_and_a_time():
    without = loihi(work(synops=1, latency_s=1.0))
    assert "static" in without.disabled
    assert any("placement" in each.why for _, each in without.missing)
    timeless = loihi(work(synops=1, chips=1))
    assert "static" in timeless.disabled
    assert any("latency of a sample" in each.why for _, each in timeless.missing)
    # At 1 ms a step it is known all the same.
    assert timeless.real_time_j == pytest.approx(23.6 * PJ + 0.104375e-3)


def test_no_real_time_without_a_step():
    figure = cmos(work(synops=1))
    assert figure.real_time is None
    assert figure.real_time_j is None


# --- the gate of capacity ------------------------------------------------------------


def _relays(build, lif, ones, neurons):
    nodes = {
        "input": Input((neurons,)),
        "w": DiagonalSynapses(100 * ones(neurons)),
        "n": lif(neurons),
        "output": Output((neurons,)),
    }
    return build(nodes, "input w", "w n", "n output")


def test_a_placement_gives_cores_and_chips(build, lif, ones, chip):
    placed = on_placement(work(synops=1), place(_relays(build, lif, ones, 6), chip()))
    # 6 neurons, 4 a core: 2 cores, which are 1 chip
    assert (placed.cores, placed.chips) == (2, 1)


def test_what_does_not_fit_is_not_priced(build, lif, ones, chip):
    too_small = place(_relays(build, lif, ones, 2), chip(weight_bits=4))
    assert too_small.violations
    with pytest.raises(LimitsExceededError, match="does not fit its chip"):
        on_placement(work(synops=1), too_small)


# --- nothing absent as zero ----------------------------------------------------------


def test_what_has_no_constant_disables_its_term_by_name():
    figure = cmos(work(synops=1, exp_elements=3, divisions=2, barriers=4))
    assert figure.disabled == ("norms", "sync", "static")
    assert term_j(figure, "norms") is None
    assert term_j(figure, "sync") is None
    missing = {each.operation: each for _, each in figure.missing}
    assert missing["exp_elements"].amount == 3
    assert missing["barriers"].why == "cmos45 int8_updates has no price of barriers"
    assert figure.is_lower_bound


def test_what_did_not_happen_costs_nothing_and_is_not_named():
    figure = cmos(work(synops=1))
    assert term_j(figure, "norms") == 0
    assert [name for name, _ in figure.missing] == ["static"]


def test_packets_and_hops_are_unknown_without_a_placement():
    figure = cmos(work(spikes=3))
    assert {"events", "network"} <= set(figure.disabled)
    figure = loihi(work(spikes=3))
    # On Loihi a spike within a tile has a price, the hops have not.
    assert term_j(figure, "events") == pytest.approx(5.1 * PJ)
    assert "network" in figure.disabled


def test_memories_that_are_not_chosen_are_missing_unless_events_include_them():
    none = replace(SRAM, weights_in=None)
    figure = cmos(work(synops=1, weight_bits_read=8), none)
    assert "weight memory" in figure.disabled
    assert "names no memory" in figure.missing[0][1].why
    assert (
        loihi(work(synops=1, weight_bits_read=8)).terms["weight memory"].missing == ()
    )


def test_nothing_of_the_headline_of_truenorth_is_missing():
    counted = work(
        synops=10,
        weight_bits_read=80,
        spikes=2,
        packets=2,
        hops_ew=1,
        barriers=1,
        state_bits_read=8,
        cores=1,
        chips=1,
    )
    chosen = load_accounting("events").accounting
    figure = full_energy(counted, load_profile("truenorth"), "headline", chosen)
    assert figure.total_j == pytest.approx(260 * PJ)
    assert figure.missing == ()


# --- nothing twice -------------------------------------------------------------------


def test_refuses_static_power_on_top_of_a_headline_value():
    chosen = load_accounting("truenorth").accounting
    counted = work(synops=10, chips=1, latency_s=1.0)
    with pytest.raises(OverlapError, match=r"synops .*headline.* and idle .*power"):
        full_energy(counted, load_profile("truenorth"), "headline", chosen)
    # On top of the marginal value it belongs.
    figure = full_energy(counted, load_profile("truenorth"), "marginal", chosen)
    assert figure.total_j == pytest.approx(0.06443 + 22.97 * PJ)


def test_refuses_static_power_of_real_time_on_top_of_a_headline_value():
    # Its modeled time is unknown, 1 ms a step is not.
    chosen = load_accounting("truenorth").accounting
    with pytest.raises(OverlapError, match=r"both charge .*, idle,"):
        counted = work(synops=10, chips=1)
        full_energy(counted, load_profile("truenorth"), "headline", chosen)


@pytest.mark.parametrize(
    ("choice", "counted", "shared"),
    [
        ({"weights_in": "sram8k"}, {"weight_bits_read": 8}, "weight access"),
        ({"state_in": "sram8k"}, {"state_bits_read": 8}, "state access"),
        (
            {"events_in": "sram8k", "packet_bits": 32},
            {"packets": 1, "spikes": 1},
            "routing within a tile",
        ),
    ],
)
def test_refuses_a_memory_that_the_price_of_an_event_includes(choice, counted, shared):
    with_memory = replace(LOIHI, memories=CMOS.memories)
    events = work(synops=1, updates_active=1, cores=1, **counted)
    full_energy(events, with_memory, "fixed", EVENTS)
    with pytest.raises(OverlapError, match=f"both charge {shared}"):
        full_energy(events, with_memory, "fixed", replace(EVENTS, **choice))


def test_refuses_a_headline_within_a_group_of_other_prices(joules):
    # The second of two prices of one group counts as well as the first.
    costs = {
        "synops": joules(1e-12, includes=("arithmetic", "leakage")),
        "macs": joules(1e-12, includes=("arithmetic",)),
    }
    leak = joules(1.0, unit="W", includes=("leakage",))
    profile = HardwareProfile(
        "mine", "t", "n", arithmetics={"a": costs}, power={"idle": leak}
    )
    chosen = replace(EVENTS, power=("idle",))
    counted = work(synops=1, macs=1, chips=1, latency_s=1.0)
    with pytest.raises(OverlapError, match="both charge leakage"):
        full_energy(counted, profile, "a", chosen)


# --- published figures ---------------------------------------------------------------


def test_a_spiking_bert_as_events_of_loihi(spiking_bert):
    # 8.939 G x 23.6 + 47.19 M x (0.2 x 81 + 0.8 x 52) + 9.44 M x 3.0 pJ
    # = 210.958 + 2.727 + 0.028 = 213.71 mJ; 1.7 pJ within a tile add 0.016
    figure = loihi(spiking_bert(Fraction(1, 5)))
    assert f"{figure.total_j * 1e3:.1f}" == "213.7"
    assert "norms" in figure.disabled


def test_a_spiking_bert_as_events_fitted_to_silicon(spiking_bert):
    # Without hops: 8.939 G x 35.5 + 47.19 M x (51.2 + 21.6) + 9.44 M x (69.3 + 111) pJ
    # = 317.33 + 3.44 + 0.65 + 1.05 = 322.47 mJ, if every neuron is updated each step
    counted = spiking_bert(Fraction(1, 5))
    count = counted.counts["all"]
    updated = replace(
        count,
        updates_active=count.updates_active + count.updates_inactive,
        updates_inactive=0,
        hops_ew=0,
    )
    figure = full_energy(
        replace(counted, counts={"all": updated}),
        load_profile("loihi1_silicon"),
        "dense",
        load_accounting("loihi1_silicon").accounting,
    )
    assert f"{figure.total_j * 1e3:.1f}" == "322.5"


# --- properties ----------------------------------------------------------------------


def _random(seed):
    rng = np.random.default_rng(seed)
    names = asdict(OperationCount())
    drawn = {name: int(rng.integers(0, 10**9)) for name in names}
    drawn["macs_zero"] = drawn["macs"] // 3
    return OperationCount(**drawn)


def _of(count, samples=1):
    return Work(
        name="net",
        counts={"n": count},
        samples=samples,
        steps=2,
        is_teacher=False,
        cores=3,
        chips=1,
    )


@pytest.mark.parametrize("seed", range(5))
def test_terms_are_linear_in_the_counts(seed):
    count = _random(seed)
    once, thrice = cmos(_of(count)), cmos(_of(count * 3))
    for name in set(once.terms) - set(once.disabled):
        assert term_j(thrice, name) == pytest.approx(3 * term_j(once, name))


@pytest.mark.parametrize("seed", range(5))
def test_energies_of_counts_add(seed):
    one, other = _random(seed), _random(seed + 100)
    apart = cmos(_of(one)).total_j + cmos(_of(other)).total_j
    assert cmos(_of(one + other)).total_j == pytest.approx(apart)


def test_the_same_sample_twice_costs_the_same():
    count = _random(7)
    assert cmos(_of(count * 2, samples=2)).total_j == pytest.approx(
        cmos(_of(count)).total_j
    )


def test_nodes_add_up_to_all_but_static():
    counted = replace(
        _of(OperationCount()), counts={"a": _random(1), "b": _random(2)}, latency_s=1.0
    )
    figure = loihi(counted)
    by_node = energy_by_node(counted, LOIHI, "fixed", EVENTS)
    rest = figure.total_j - term_j(figure, "static")
    assert sum(by_node.values()) == pytest.approx(rest)
    assert set(by_node) == {"a", "b"}


def test_parameters_of_the_net_belong_to_no_node():
    counted = work(synops=10, parameter_bits=1000)
    chosen = replace(SRAM, parameters_from="dram", on_chip_bits=900)
    by_node = energy_by_node(counted, CMOS, "int8", chosen)
    assert by_node == {"n": pytest.approx(1.0 * PJ)}


# --- explained -----------------------------------------------------------------------


def test_every_line_of_a_figure_shows_count_factor_constant_and_source():
    figure = cmos(work(samples=2, weight_bits_read=3), _reuse_of(4))
    (line,) = figure.terms["weight memory"].lines
    # 3 bits in 2 samples, exactly
    assert line.amount == Fraction(3, 2)
    assert line.times == Fraction(3, 8)
    assert line.constant is CMOS.memories["sram32k"]["read"]
    text = "\n".join(explain(figure))
    assert "1.5 weight_bits_read x 0.25 (1/weight_reuse, 4 uses a read)" in text
    assert "cmos45.memories.sram32k.read" in text
    assert line.constant.source in text
    assert "accounting: weights_in = sram32k" in text
    assert "accounting: power = none" in text
    assert "accounting: assumed: sums are kept in registers, for free" in text
    assert "static: disabled" in text


def test_a_figure_has_the_evidence_of_its_weakest_constant():
    # int32 additions are reviewed, neuron updates assumed
    assert cmos(work(synops=1)).evidence == "reviewed"
    assert cmos(work(synops=1, updates_active=1)).evidence == "assumed"
    assert cmos(work()).evidence is None


# --- accountings and refusals --------------------------------------------------------


@pytest.mark.parametrize("name", list_accountings())
def test_every_shipped_accounting_fits_its_profile(name):
    standard = load_accounting(name)
    assert standard.accounting.name == name
    assert standard.title
    if standard.profile != "any":
        profile = load_profile(standard.profile)
        counted = replace(_of(_random(3)), latency_s=1.0)
        figure = full_energy(counted, profile, standard.arithmetic, standard.accounting)
        assert figure.total_j > 0
        assert set(standard.accounting.power) <= set(profile.power)


@pytest.mark.parametrize("name", list_profiles())
def test_events_of_every_profile_can_be_priced_without_a_choice(name):
    profile, chosen = load_profile(name), load_accounting("events").accounting
    assert "events" in list_accountings(name)
    for arithmetic in profile.arithmetics:
        figure = full_energy(_of(_random(4)), profile, arithmetic, chosen)
        assert figure.total_j > 0


def test_accountings_of_a_profile_come_before_those_for_any():
    assert list_accountings("cmos45") == (
        "cmos45-sram32k",
        "cmos45-sram32k-reuse64",
        "events",
    )


def test_refuses_a_memory_that_the_profile_lacks():
    with pytest.raises(ProfileError, match="memory 'sram32k' is unknown"):
        full_energy(work(weight_bits_read=1), LOIHI, "fixed", SRAM)


def test_refuses_temporal_reuse_without_a_rate():
    chosen = replace(SRAM, temporal_reuse=True)
    with pytest.raises(InputError, match="temporal reuse needs the measured"):
        cmos(work(weight_bits_read=1), chosen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_reuse": Fraction(1, 2)}, "used at least once"),
        ({"packet_bits": None}, "events_in and packet_bits: give both"),
        ({"parameters_from": "dram"}, "parameters_from and on_chip_bits: give both"),
        ({"clock_hz": 0.0}, "clock_hz = 0.0; must be a positive"),
        ({"step_s": float("inf")}, "step_s = inf; must be a positive"),
        ({"graded": "level"}, "graded 'level' is unknown"),
        ({"power": ("leak",)}, "power 'leak' is unknown"),
        ({"student_signals": "both"}, "student_signals 'both' is unknown"),
    ],
)
def test_refuses_a_contradictory_accounting(changes, message):
    with pytest.raises(ProfileError, match=message):
        replace(SRAM, **changes)


def test_an_accounting_has_no_defaults(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('title = "t"\nprofile = "cmos45"\narithmetic = "int8"\n')
    with pytest.raises(ProfileError, match="'weights_in' is missing"):
        load_accounting(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"cores": 0}, "cores is 0"),
        ({"rate": Fraction(3, 2)}, "rate 3/2 is not in 0 to 1"),
    ],
)
def test_refuses_impossible_work(changes, message):
    with pytest.raises(InputError, match=message):
        work(**changes)
