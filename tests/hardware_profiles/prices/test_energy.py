"""Joules from counts."""

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError, ProfileError
from spikewright.hardware_profiles.prices.energy import estimate_energy
from spikewright.hardware_profiles.profiles.profile import load_profile


def price(profile, arithmetic, samples=1, **counts):
    return estimate_energy(
        {"lif": OperationCount(**counts)},
        load_profile(profile),
        arithmetic=arithmetic,
        samples=samples,
    )


def test_loihi_adds_synops_updates_and_spikes():
    report = price(
        "loihi1", "fixed", synops=10, updates_active=2, updates_inactive=3, spikes=4
    )
    # 10 x 23.6 + 2 x 81 + 3 x 52 + 4 x 1.7 = 236 + 162 + 156 + 6.8 = 560.8 pJ
    assert report.total_j == pytest.approx(560.8e-12)
    assert not report.unpriced


def test_energy_is_that_of_one_sample():
    # 80 synops in 4 samples: 20 x 0.9 = 18 pJ.
    assert price("cmos45", "fp32", samples=4, synops=80).total_j == pytest.approx(
        18e-12
    )


def test_papers_spiking_transformer_energy():
    # Spikingformer as published: 0.520993768 GMAC and 12.513659577 GAC.
    # 0.520993768 x 4.6 + 12.513659577 x 0.9 = 2.39657 + 11.26229 = 13.6589 mJ
    report = price("cmos45", "fp32", macs=520_993_768, synops=12_513_659_577)
    assert report.total_j * 1e3 == pytest.approx(13.6589, abs=5e-5)


def test_published_bert_flops_as_macs():
    # SpikeBERT's baseline: 22.46 GFLOP x 4.6 pJ = 103.32 mJ.
    assert price("cmos45", "fp32", macs=22_460_000_000).total_j == pytest.approx(
        103.32e-3, abs=5e-6
    )


def test_energy_is_kept_by_node():
    counts = {"a": OperationCount(synops=1), "b": OperationCount(synops=3)}
    report = estimate_energy(
        counts, load_profile("cmos45"), arithmetic="int8", samples=1
    )
    assert report.energy_j == {
        "a": pytest.approx(0.1e-12),
        "b": pytest.approx(0.3e-12),
    }


def test_what_has_no_price_is_named_with_its_amount():
    report = price("cmos45", "fp32", synops=1, updates_active=7, spikes=2)
    assert report.unpriced == {"updates_active": 7, "spikes": 2}


def test_what_did_not_happen_is_not_named():
    assert price("loihi1", "fixed", synops=1).unpriced == {}


def test_evidence_is_that_of_the_weakest_cost_used():
    # In int8 the synop is peer-reviewed, the MAC only secondary.
    assert price("cmos45", "int8", synops=1).evidence == "reviewed"
    assert price("cmos45", "int8", synops=1, macs=1).evidence == "secondary"
    assert price("cmos45", "int8", spikes=1).evidence is None


def test_a_published_minimum_makes_the_total_a_lower_bound():
    assert price("loihi1", "fixed", synops=1).is_lower_bound
    assert not price("loihi1", "fixed", updates_active=1).is_lower_bound


def test_left_out_is_what_no_cost_includes():
    assert price("cmos45", "fp32", synops=1).left_out == (
        "weight access",
        "state access",
        "routing within a tile",
        "routing between tiles",
        "leakage",
        "activation access",
        "synchronization",
        "idle",
        "active updates",
        "inactive updates",
        "residual additions",
        "bias additions",
    )
    # Events add into the register of their neuron, and an update adds its bias.
    report = price("loihi1", "fixed", synops=1, updates_active=1, spikes=1)
    assert report.left_out == (
        "routing between tiles",
        "leakage",
        "activation access",
        "synchronization",
        "idle",
        "active updates",
        "inactive updates",
    )


def test_refuses_an_arithmetic_that_the_profile_lacks():
    with pytest.raises(ProfileError, match="'fp8' is unknown; allowed: fp32"):
        price("cmos45", "fp8", synops=1)


def test_refuses_no_samples():
    with pytest.raises(InputError, match="energy of 0 samples"):
        price("cmos45", "fp32", samples=0, synops=1)
