"""Every shipped constant, retyped from the sources with its arithmetic."""

from __future__ import annotations

import pytest

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.absent import ABSENT
from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.profiles.profile import (
    HardwareProfile,
    list_profiles,
    load_profile,
)

P, N, U, M = 1e-12, 1e-9, 1e-6, 1e-3
KB = 1024 * 8  # bits

SHIPPED = (
    *("a100", "cmos45", "cmos7", "cortex_a", "cpu_i7_4960x", "h100_pcie", "loihi1"),
    *("loihi1_silicon", "loihi2", "odin", "spinnaker1", "spinnaker2", "titan_black"),
    *("truenorth", "xylo"),
)

FP32 = {
    "synops": (0.9 * P, "reviewed"),  # add
    "graded_synops": (3.7 * P + 0.9 * P, "reviewed"),  # mult + add
    "macs": (3.7 * P + 0.9 * P, "reviewed"),
}
INT8 = {
    "synops": (0.1 * P, "reviewed"),  # int32 add
    "graded_synops": (3.1 * P + 0.1 * P, "reviewed"),  # int32 mult + int32 add
    "macs": (0.2 * P + 0.1 * P, "secondary"),  # int8 mult + int32 add
}
NEURON_1 = {  # SANA-FE; an active update is an access and an update
    "updates_active": (51.2 * P + 21.6 * P, "quoted"),
    "updates_inactive": (51.2 * P, "quoted"),
    "spikes": (69.3 * P, "quoted"),
    "packets": (111 * P, "quoted"),
    "hops_ew": (3.0 * P, "quoted"),
    "hops_ns": (4.2 * P, "quoted"),
}


def both(value: float, grade: str) -> dict[str, tuple[float, str]]:
    return {"read": (value, grade), "write": (value, grade)}


def one_price(value: float, *operations: str) -> dict[str, tuple[float, str]]:
    return dict.fromkeys(operations, (value, "secondary"))


UPDATES = ("updates_active", "updates_inactive")
ADDITIONS = ("residual_additions", "bias_additions")
GOLDEN: dict[str, dict[str, dict[str, tuple[float, str]]]] = {
    "cmos45": {
        "arithmetics.fp32": FP32,
        "arithmetics.fp32_updates": {
            **FP32,
            # assumed: decay x v + input, one mult and one add
            **dict.fromkeys(UPDATES, (3.7 * P + 0.9 * P, "assumed")),
            **dict.fromkeys(ADDITIONS, (0.9 * P, "reviewed")),
        },
        "arithmetics.fp16": {
            "synops": (0.4 * P, "secondary"),
            "graded_synops": (1.1 * P + 0.4 * P, "secondary"),
            "macs": (1.1 * P + 0.4 * P, "secondary"),
        },
        "arithmetics.int32": {
            "synops": (0.1 * P, "reviewed"),
            "graded_synops": (3.1 * P + 0.1 * P, "reviewed"),
            "macs": (3.1 * P + 0.1 * P, "reviewed"),
        },
        "arithmetics.int8": INT8,
        "arithmetics.int8_updates": {
            **INT8,
            # assumed: decay x v, + input, compared, reset: one mult and three adds
            **dict.fromkeys(UPDATES, (3.1 * P + 3 * 0.1 * P, "assumed")),
            **dict.fromkeys(ADDITIONS, (0.1 * P, "reviewed")),
        },
        "arithmetics.int8_acc8": {
            "synops": (0.03 * P, "secondary"),
            "macs": (0.2 * P + 0.03 * P, "secondary"),
        },
        "memories.register": both(1 * P / 32, "secondary"),
        "memories.sram8k": {
            **both(10 * P / 64, "reviewed"),  # 0.156 pJ/bit
            "capacity": (8 * KB, "reviewed"),
        },
        "memories.sram32k": {
            **both(20 * P / 64, "secondary"),  # 0.3125 pJ/bit
            "capacity": (32 * KB, "secondary"),
        },
        "memories.sram1m": {
            **both(100 * P / 64, "secondary"),  # 1.5625 pJ/bit
            "capacity": (1024 * KB, "secondary"),
        },
        "memories.dram": both(1300 * P / 64, "secondary"),  # 20.3 pJ/bit
    },
    "cmos7": {
        "arithmetics.fp32": {"macs": (1.31 * P, "secondary")},
        "memories.gddr6": both(350 * P / 64, "secondary"),
    },
    "loihi1": {
        "arithmetics.fixed": {
            "synops": (23.6 * P, "quoted"),
            "updates_active": (81 * P, "quoted"),
            "updates_inactive": (52 * P, "quoted"),
            "spikes": (1.7 * P, "quoted"),
            "hops_ew": (3.0 * P, "quoted"),  # not 3.5, the mean of the two
            "hops_ns": (4.0 * P, "quoted"),
        },
        "power": {"leakage_per_chip": (3.34 / 32, "quoted")},  # 104 mW
        "time": {
            "synops": (3.5 * N, "quoted"),
            "updates_active": (8.4 * N, "quoted"),
            "updates_inactive": (5.3 * N, "quoted"),
            "spikes": (2.1 * N, "quoted"),
            "hops_ew": (4.1 * N, "quoted"),
            "hops_ns": (6.5 * N, "quoted"),
            "barrier": (465 * N, "quoted"),
            "barrier_between_chips": (16.2 * U, "quoted"),
        },
        "tasks": {"network_reset_of_a_chip": (5.94 * U, "quoted")},
    },
    "loihi1_silicon": {
        "arithmetics.dense": {"synops": (35.5 * P, "quoted"), **NEURON_1},
        "arithmetics.sparse": {"synops": (33.6 * P, "quoted"), **NEURON_1},
        "arithmetics.conv": {"synops": (24.0 * P, "quoted"), **NEURON_1},
        "time": {"barrier": (1.8 * U, "quoted")},
    },
    "loihi2": {"time": {"step": (200 * N, "secondary")}},
    "truenorth": {
        "arithmetics.headline": {"synops": (26 * P, "quoted")},
        "arithmetics.marginal": {
            "synops": (2.297 * P, "quoted"),
            "hops_ew": (2.3 * P, "quoted"),
            "hops_ns": (2.3 * P, "quoted"),
        },
        "power": {"idle": (64.43 * M, "quoted")},  # 68 mW - 1.554 G x 2.297 pJ
    },
    "odin": {
        "arithmetics.marginal": {"synops": (8.43 * P, "quoted")},
        "arithmetics.headline": {"synops": (12.7 * P, "quoted")},
        "arithmetics.biological": {"synops": (54 * P, "quoted")},
        "power": {
            "leakage_per_chip": (27.3 * U, "quoted"),
            "per_hertz": (1.78 * U / 1e6, "quoted"),  # 1.78 uW/MHz
        },
    },
    "spinnaker1": {
        "arithmetics.software": {
            **one_price(13.3 * N, "synops"),
            **one_price(26 * N, *UPDATES),
        }
    },
    "spinnaker2": {
        "arithmetics.software": {
            **one_price(450 * P, "synops"),
            **one_price(2.19 * N, *UPDATES),
        }
    },
    "xylo": {"tasks": {"aloha_keyword_spotting": (6.6 * U, "primary")}},
    # TDP / peak is joules a FLOP; a MAC is two
    "a100": {
        "arithmetics.fp32": one_price(2 * 400 / 19.5e12, "macs"),  # 2 x 20.5 pJ
        "arithmetics.bf16": one_price(2 * 400 / 312e12, "macs"),  # 2.56 pJ
        "arithmetics.int8": one_price(2 * 400 / 624e12, "macs"),  # 1.28 pJ
    },
    "h100_pcie": {
        "arithmetics.bf16": one_price(2 * 350 / 756e12, "macs"),  # 2 x 0.46 pJ
        "arithmetics.int8": one_price(2 * 350 / 1.51e15, "macs"),  # 2 x 0.23 pJ
    },
    "cpu_i7_4960x": {
        "arithmetics.native": one_price(8.6 * N, "synops", "macs", *UPDATES)
    },
    "titan_black": {
        "arithmetics.native": one_price(0.3 * N, "synops", "macs", *UPDATES)
    },
    "cortex_a": {"arithmetics.native": one_price(0.9 * N, "synops", "macs", *UPDATES)},
}


def constant(profile: str, *path: str) -> Constant:
    return dict(load_profile(profile).constants())[path]


# --- all -----------------------------------------------------------------------------


def test_these_profiles_are_shipped() -> None:
    assert list_profiles() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_constant_has_the_value_and_the_grade_of_its_source(name: str) -> None:
    expected = {
        (*table.split("."), key): entry
        for table, constants in GOLDEN[name].items()
        for key, entry in constants.items()
    }
    found = dict(load_profile(name).constants())
    assert set(found) == set(expected)
    for path, (value, grade) in expected.items():
        assert found[path].value == pytest.approx(value, rel=1e-12), path
        assert found[path].evidence == grade, path


@pytest.mark.parametrize("name", SHIPPED)
def test_every_constant_says_where_it_is_from(name: str) -> None:
    profile = load_profile(name)
    for path, each in profile.constants():
        assert len(each.source) > len("as above"), path
        if each.evidence == "assumed":
            assert each.source.startswith("assumed here"), path
    assert profile.unknown
    assert all(": " in each for each in profile.unknown)


@pytest.mark.parametrize("name", SHIPPED)
def test_only_an_abstract_was_read_of_all_primary_sources(name: str) -> None:
    for path, each in load_profile(name).constants():
        if each.evidence == "primary":
            assert each.source.endswith("abstract"), path


@pytest.mark.parametrize("name", SHIPPED)
def test_what_adds_up_or_prices_work_says_what_it_includes(name: str) -> None:
    for path, each in load_profile(name).constants():
        if path[0] in ("arithmetics", "power"):
            assert each.includes, path


# --- ranges --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "path", "low", "high"),
    [
        # 640 pJ for 32 bits of Han et al.; 2600 pJ for 64 bits
        ("cmos45", ("memories", "dram", "read"), 640 * P / 32, 2600 * P / 64),
        ("cmos7", ("memories", "gddr6", "write"), 350 * P / 64, 480 * P / 64),
        ("loihi1", ("time", "barrier"), 113 * N, 465 * N),
        ("loihi1", ("time", "barrier_between_chips"), 14.3 * U, 16.2 * U),
        ("loihi1_silicon", ("time", "barrier"), 0.6 * U, 1.8 * U),
        ("truenorth", ("power", "idle"), 42 * M, 323 * M),
        ("truenorth", ("arithmetics", "marginal", "synops"), 2.297 * P, 2.5 * P),
        # 45 times
        ("spinnaker2", ("arithmetics", "software", "synops"), 10 * P, 450 * P),
    ],
)
def test_a_range_that_was_published(
    profile: str, path: tuple[str, ...], low: float, high: float
) -> None:
    found = constant(profile, *path)
    assert (found.low, found.high) == (
        pytest.approx(low, rel=1e-12),
        pytest.approx(high, rel=1e-12),
    )


def test_a_published_minimum_is_open_above_and_a_maximum_below() -> None:
    every = [each for name in SHIPPED for _, each in load_profile(name).constants()]
    minima = [each for each in every if each.statistic == "minimum"]
    maxima = [each for each in every if each.statistic == "maximum"]
    assert all((each.low, each.high) == (each.value, None) for each in minima)
    assert all((each.low, each.high) == (None, each.value) for each in maxima)
    # 2 of Loihi 1, its successor's step, 3 and 2 of the boards, 1 at 7 nm
    assert len(minima) == 2 + 1 + 3 + 2 + 1
    # 3.5 ns of Loihi 1; 24-bit messages in int8 and int8_updates
    assert len(maxima) == 1 + 2


# --- one chip at a time --------------------------------------------------------------


def test_loihi_1_is_simulated_at_three_quarters_of_a_volt() -> None:
    for path, each in load_profile("loihi1").constants():
        simulated = each.kind == "simulated"
        assert each.supply_v == (0.75 if simulated else None), path
        assert ("Davies" in each.source) == simulated, path


def test_loihi_1_has_no_price_for_what_was_never_published() -> None:
    profile = load_profile("loihi1")
    assert not {"macs", "graded_synops", "barriers"} & set(profile.costs("fixed"))
    assert any("barrier" in each for each in profile.unknown)


def test_fits_of_sana_fe_are_not_credited_to_davies() -> None:
    for path, each in load_profile("loihi1_silicon").constants():
        assert "Davies" not in each.source, path
        assert "Boyle" in each.source, path


def test_loihi_2_prices_nothing_and_says_why() -> None:
    profile = load_profile("loihi2")
    assert (profile.arithmetics, profile.power, profile.tasks) == ({}, {}, {})
    with pytest.raises(ProfileError, match="'loihi2' prices no operation: energy per"):
        profile.costs("fixed")


def test_xylo_is_known_for_a_whole_task_only() -> None:
    profile = load_profile("xylo")
    assert not profile.arithmetics
    with pytest.raises(ProfileError, match="'xylo' prices no operation: energy per"):
        profile.costs("fixed")


def test_sources_that_contradict_each_other_are_said() -> None:
    assert any("contradict" in each for each in load_profile("spinnaker1").notes)
    assert any("factor of 45" in each for each in load_profile("spinnaker2").notes)


def test_odin_s_law_gives_its_headline() -> None:
    power = load_profile("odin").power
    idle_w = power["leakage_per_chip"].value + power["per_hertz"].value * 75e6
    # 27.3 uW + 1.78 uW/MHz x 75 MHz = 27.3 + 133.5 = 160.8 uW
    assert idle_w == pytest.approx(160.8 * U)
    marginal = constant("odin", "arithmetics", "marginal", "synops").value
    # 37.5 M operations a second, one in two cycles: 160.8 / 37.5 = 4.288 pJ each
    # 8.43 + 4.288 = 12.718 pJ, printed as 12.7
    assert marginal + idle_w / 37.5e6 == pytest.approx(12.7 * P, abs=0.05 * P)


# --- nothing twice -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arithmetic", "power"),
    [
        ("truenorth", "headline", ["idle"]),
        ("odin", "headline", ["leakage_per_chip"]),
        ("odin", "headline", ["per_hertz"]),
        ("odin", "biological", ["leakage_per_chip", "per_hertz"]),
    ],
)
def test_static_power_is_not_added_to_a_headline(
    name: str, arithmetic: str, power: list[str]
) -> None:
    with pytest.raises(ProfileError, match=r"both include .* charged twice"):
        load_profile(name).check_total(arithmetic, power=power)


@pytest.mark.parametrize(
    ("name", "arithmetic", "power"),
    [
        ("truenorth", "marginal", ["idle"]),
        ("odin", "marginal", ["leakage_per_chip", "per_hertz"]),
        ("loihi1", "fixed", ["leakage_per_chip"]),
    ],
)
def test_static_power_is_added_to_marginal_events(
    name: str, arithmetic: str, power: list[str]
) -> None:
    load_profile(name).check_total(arithmetic, power=power)


# --- no profile ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["BrainScaleS-2", "brainscales2", "DYNAP-SE", "speck", "Akida"]
)
def test_a_chip_without_a_figure_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(
        ProfileError, match=rf"no profile '{name}': no energy per event"
    ):
        load_profile(name)


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_what_is_absent_is_not_shipped(name: str) -> None:
    assert name not in list_profiles()
    with pytest.raises(ProfileError, match=f"no profile '{name}': .*; for figures of"):
        load_profile(name)


def test_a_profile_s_numbers_cannot_be_changed() -> None:
    profile: HardwareProfile = load_profile("cmos45")
    for held in (profile.arithmetics, profile.memories, profile.costs("fp32")):
        with pytest.raises(TypeError):
            held["x"] = None  # type: ignore[index]
