"""Time of a step: the slowest part, then the barrier."""

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.latency import (
    Load,
    energy_delay_js,
    estimate_latency,
)
from spikewright.hardware_profiles.profiles.profile import load_profile

LOIHI = load_profile("loihi1")
NS = 1e-9


def load(name="n", cores=1, **peak):
    return Load(name, OperationCount(**peak), cores)


def estimate(*loads, steps=1, depth=0, chips=1, profile=LOIHI):
    return estimate_latency(loads, profile, steps=steps, depth=depth, chips=chips)


def seconds(latency, name):
    return {part.name: part.seconds for part in latency.parts}[name]


def test_a_core_does_its_work_one_after_the_other():
    latency = estimate(load(synops=100, updates_active=10, updates_inactive=5))
    # 100 x 3.5 + 10 x 8.4 + 5 x 5.3 = 350 + 84 + 26.5 = 460.5 ns
    assert seconds(latency, "compute") == pytest.approx(460.5 * NS)
    # The slowest barrier within a chip is 465 ns.
    assert latency.step_s == pytest.approx(925.5 * NS)
    assert latency.bound == "compute"


def test_cores_share_the_work_and_the_last_has_the_rest():
    # 10 synops over 4 cores: 3 on the fullest
    latency = estimate(load(synops=10, cores=4))
    assert seconds(latency, "compute") == pytest.approx(3 * 3.5 * NS)


def test_the_slowest_load_sets_the_time():
    latency = estimate(load("a", synops=10), load("b", synops=30), load("c", synops=20))
    (compute, *_) = latency.parts
    assert compute.seconds == pytest.approx(105 * NS)
    assert compute.slowest == "b"


def test_traffic_may_be_slower_than_computing():
    latency = estimate(load(synops=1, spikes=10, hops_ew=4, hops_ns=2))
    # 10 x 2.1 + 4 x 4.1 + 2 x 6.5 = 50.4 ns, not added to 3.5 ns
    assert seconds(latency, "traffic") == pytest.approx(50.4 * NS)
    assert latency.step_s == pytest.approx((50.4 + 465) * NS)
    assert latency.bound == "traffic"


def test_several_chips_wait_longer():
    # 16.2 us, the slowest barrier between chips
    assert estimate(load(synops=1), chips=2).step_s == pytest.approx(16.2035e-6)


def test_a_lone_sample_fills_the_layers_and_a_row_of_samples_does_not():
    latency = estimate(load(synops=10), steps=4, depth=3)
    # 35 + 465 = 500 ns a step
    assert latency.sample_s == pytest.approx(7 * 500 * NS)
    assert latency.throughput_hz == pytest.approx(1 / (4 * 500 * NS))


def test_energy_delay_product():
    latency = estimate(load(synops=10), steps=4)
    # 1 uJ x 2 us
    assert energy_delay_js(1e-6, latency) == pytest.approx(2e-12)


def test_without_a_placement_the_barrier_is_left_out_by_name():
    latency = estimate(load(synops=10), chips=None)
    assert latency.step_s == pytest.approx(35 * NS)
    assert "barrier" in latency.disabled


def test_memory_is_disabled_by_name():
    latency = estimate(load(synops=1))
    assert "memory" in latency.disabled
    assert any("bandwidths" in why for part in latency.parts for why in part.missing)


def test_events_without_a_time_leave_no_latency():
    latency = estimate(load(synops=1, graded_synops=2))
    assert latency.step_s is None
    assert latency.sample_s is None
    assert latency.throughput_hz is None
    assert latency.bound is None
    assert energy_delay_js(1.0, latency) is None
    assert latency.parts[0].missing == ("graded_synops",)


def test_elements_without_a_time_are_named_only():
    latency = estimate(load(synops=10, bias_additions=5))
    assert seconds(latency, "compute") == pytest.approx(35 * NS)
    assert latency.parts[0].missing == ("bias_additions",)


def test_loihi_2_has_a_shortest_step_and_no_time_of_an_event():
    latency = estimate(load(synops=1), profile=load_profile("loihi2"))
    assert seconds(latency, "shortest") == pytest.approx(200 * NS)
    assert latency.step_s is None


def test_a_profile_without_times_has_no_latency():
    latency = estimate(load(synops=1), profile=load_profile("cmos45"))
    assert set(latency.disabled) >= {"compute", "memory", "barrier", "shortest"}
    assert latency.step_s is None


def test_refuses_no_loads_no_steps_and_no_cores():
    with pytest.raises(InputError, match="0 loads"):
        estimate()
    with pytest.raises(InputError, match="0 steps"):
        estimate(load(synops=1), steps=0)
    with pytest.raises(InputError, match="depth -1"):
        estimate(load(synops=1), depth=-1)
    with pytest.raises(InputError, match="0 cores"):
        load(cores=0)
