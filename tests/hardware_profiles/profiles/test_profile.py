"""Profiles of a user: what is read, and what is refused with file, key and line."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

from spikewright.errors import ProfileError
from spikewright.hardware_profiles.profiles.constant import EVIDENCE, Constant, weakest
from spikewright.hardware_profiles.profiles.describe import (
    describe_profile,
    profile_dict,
    quantity,
)
from spikewright.hardware_profiles.profiles.profile import (
    HardwareProfile,
    list_profiles,
    load_profile,
)

PJ = 1e-12

VALID = """\
title = "a chip"
node = "28 nm, 0.8 V"
notes = ["invented for tests"]
unknown = ["spikes: not measured"]

[arithmetics.fixed.synops]
value = 2e-12
unit = "J"
kind = "measured"
statistic = "marginal"
evidence = "assumed"
source = "invented for tests"
includes = ["arithmetic", "state access"]
"""

REST = """
kind = "measured"
statistic = "marginal"
evidence = "assumed"
source = "invented for tests"
"""
UPDATES = (
    '\n[arithmetics.fixed.updates_active]\nvalue = 1e-12\nunit = "J"'
    + REST
    + 'includes = ["state access"]\n'
)
MEMORY = '\n[memories.sram.read]\nvalue = 1e-13\nunit = "J/bit"' + REST
POWER = (
    '\n[power.leakage_per_chip]\nvalue = 1e-3\nunit = "W"'
    + REST
    + 'includes = ["leakage"]\n'
)
TIME = '\n[time.barrier]\nvalue = 1e-7\nunit = "s"' + REST


def cost(value=PJ, unit="J", **changes):
    usual = {
        "kind": "measured",
        "statistic": "marginal",
        "evidence": "assumed",
        "source": "invented for tests",
        "includes": ("arithmetic",),
    }
    return Constant(value, unit, **{**usual, **changes})


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_profile(path)

    return load_text


@pytest.fixture
def refuse(load):
    """Return the complaint about a text, without its file."""

    def refused(text):
        with pytest.raises(ProfileError, match=r"mine\.toml: ") as error:
            load(text)
        return str(error.value).partition("mine.toml: ")[2]

    return refused


# --- reading -------------------------------------------------------------------------


def test_a_profile_can_be_loaded_by_path(load):
    profile = load(VALID + MEMORY + POWER + TIME)
    assert (profile.name, profile.node) == ("mine", "28 nm, 0.8 V")
    assert profile.notes == ("invented for tests",)
    assert profile.unknown == ("spikes: not measured",)
    assert profile.costs("fixed")["synops"].value == 2e-12
    assert profile.memory("sram")["read"].value == 1e-13
    assert profile.power["leakage_per_chip"].includes == ("leakage",)
    assert profile.time["barrier"].unit == "s"
    assert profile.tasks == {}


def test_every_field_of_a_constant_is_read(load):
    more = (
        "low = 1e-12\nhigh = 3e-12\nnode = '22 nm'\nsupply_v = 0.8\n"
        "table = 'Table 2'\nquote = '2 pJ a synapse'\n"
    )
    assert load(VALID + more).costs("fixed")["synops"] == Constant(
        2e-12,
        "J",
        "measured",
        "marginal",
        "assumed",
        "invented for tests",
        ("arithmetic", "state access"),
        low=1e-12,
        high=3e-12,
        node="22 nm",
        supply_v=0.8,
        table="Table 2",
        quote="2 pJ a synapse",
    )


def test_a_profile_without_a_price_of_any_operation_is_one(load):
    profile = load(VALID.partition("\n\n")[0] + "\n" + TIME)
    with pytest.raises(ProfileError, match="'mine' prices no operation: spikes: not"):
        profile.costs("fixed")


def test_a_whole_number_is_a_number(load):
    assert load(VALID.replace("2e-12", "2")).costs("fixed")["synops"].value == 2.0


def test_costs_cannot_be_changed(load):
    with pytest.raises(TypeError):
        load(VALID).costs("fixed")["synops"] = cost()


def test_constants_come_with_their_paths(load):
    paths = [path for path, _ in load(VALID + MEMORY + POWER + TIME).constants()]
    assert paths == [
        ("arithmetics", "fixed", "synops"),
        ("memories", "sram", "read"),
        ("power", "leakage_per_chip"),
        ("time", "barrier"),
    ]


# --- refusals: file, line, key -------------------------------------------------------


def test_refuses_an_unknown_name():
    with pytest.raises(
        ProfileError, match="no profile 'loihi9'; shipped: a100, cmos45"
    ):
        load_profile("loihi9")
    with pytest.raises(ProfileError, match="did you mean 'spinnaker2'"):
        load_profile("spinaker2")


def test_refuses_an_arithmetic_without_prices(load):
    with pytest.raises(ProfileError, match=r"'mine': arithmetic 'fp16' .*: fixed"):
        load(VALID).costs("fp16")


def test_refuses_a_memory_that_is_not_there(load):
    with pytest.raises(ProfileError, match=r"'mine': memory 'dram' .*: sram"):
        load(VALID + MEMORY).memory("dram")


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(ProfileError, match=r"none\.toml: no such file"):
        load_profile(tmp_path / "none.toml")


def test_refuses_a_folder_and_bytes_that_are_no_text(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ProfileError, match=r"folder\.toml: not a readable TOML"):
        load_profile(tmp_path / "folder.toml")
    (tmp_path / "bytes.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(ProfileError, match=r"bytes\.toml: not a readable TOML"):
        load_profile(tmp_path / "bytes.toml")


SYNOPS = "arithmetics.fixed.synops"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # a key that is missing: the line of its table
        ('title = "a chip"', "", "line 1: key 'title' is missing"),
        ("value = 2e-12", "", f"line 6: {SYNOPS}: key 'value' is missing; needed: val"),
        # a key that is unknown: its own line, and what was meant
        (
            'title = "a chip"',
            'titel = "x"',
            "line 1: titel: unknown key 'titel'; allowed: title, node",
        ),
        ('"a chip"', '"a chip"\ntimes = 3', "unknown key 'times'"),
        ("value", "vaule", f"line 7: {SYNOPS}.vaule: unknown key 'vaule'"),
        ("value", "vaule", "did you mean 'value'?"),
        (
            "fixed.synops",
            "fixed.synop",
            "line 6: arithmetics.fixed.synop: operation 'synop' is unknown; allowed: s",
        ),
        ("fixed.synops", "fixed.synop", "did you mean 'synops'?"),
        # of the wrong type
        ('title = "a chip"', "title = 3", "line 1: title = 3; must be a text"),
        (
            'notes = ["invented for tests"]',
            'notes = "x"',
            "line 3: notes = 'x'; must be a list",
        ),
        ("value = 2e-12", 'value = "2"', f"line 7: {SYNOPS}.value = '2'; must be a nu"),
        ("value = 2e-12", "value = true", "line 7: " + SYNOPS + ".value = True; must"),
        ('"arithmetic", ', "3, ", f"line 13: {SYNOPS}.includes = 3; must be a text"),
        ('source = "invented for tests"', 'source = " "', "line 12: " + SYNOPS),
        ('source = "invented for tests"', 'source = " "', "source = ' '; must be a te"),
        ("[arithmetics.fixed.synops]", "[arithmetics]", "line 7: arithmetics.value = "),
        ("[arithmetics.fixed.synops]", "[[arithmetics]]", "line 6: arithmetics = [{"),
        # a number that cannot be
        ("2e-12", "-1.0", f"line 7: {SYNOPS}.value = -1.0; must be a finite number, n"),
        ("2e-12", "nan", f"line 7: {SYNOPS}.value = nan; must be a finite"),
        ("2e-12", "inf", f"line 7: {SYNOPS}.value = inf; must be a finite"),
        ("2e-12", "1e999", f"line 7: {SYNOPS}.value = inf; must be a finite"),
        ("2e-12", "1" + "0" * 400, f"line 7: {SYNOPS}.value is larger than any"),
        ("2e-12", "2e-12\nlow = 3e-12", f"line 8: {SYNOPS}.low = 3e-12 is above the v"),
        ("2e-12", "2e-12\nhigh = 1e-12", f"line 8: {SYNOPS}.high = 1e-12 is below th"),
        ("2e-12", "2e-12\nsupply_v = -1", f"line 8: {SYNOPS}.supply_v = -1.0; must be"),
        # a word that is not allowed
        (
            '"measured"',
            '"felt"',
            f"line 9: {SYNOPS}.kind 'felt' is unknown; allowed: m",
        ),
        ('"measured"', '"mesured"', "did you mean 'measured'?"),
        (
            '"assumed"',
            '"unverified"',
            f"line 11: {SYNOPS}.evidence 'unverified' is unknown; allowed: prim",
        ),
        ('"marginal"', '"mean"', f"line 10: {SYNOPS}.statistic 'mean' is unknown"),
        ('"state access"', '"state"', f"line 13: {SYNOPS}.includes 'state' is unknown"),
        ('"state access"', '"arithmetic"', "includes names 'arithmetic' twice"),
        # of the wrong unit
        ('"J"', '"J/bit"', f"line 8: {SYNOPS}.unit = 'J/bit'; must be 'J'"),
        ('"J"', '"pJ"', f"line 8: {SYNOPS}.unit 'pJ' is unknown; allowed: J, J/bit"),
        # what has its price elsewhere
        (
            "fixed.synops",
            "fixed.weight_bits_read",
            "line 6: arithmetics.fixed.weight_bits_read: weight_bits_read has no const",
        ),
        ("fixed.synops", "fixed.macs_zero", "it is a part of macs"),
        # no TOML
        ("title =", "title", 'not a readable TOML file: line 1: `title "a chip"`: '),
        (
            "2e-12",
            "2e-12\nvalue = 3e-12",
            "not a readable TOML file: line 8: `value = 3e-12`: Cannot overwrite",
        ),
        (
            "includes = [",
            "[arithmetics.fixed.synops]\nincludes = [",
            "not a readable TOML file: line 13: `[arithmetics.fixed.synops]`: Cannot",
        ),
        ('access"]', 'access"', "not a readable TOML file: line 13: `includes"),
        ("2e-12", "1" + "0" * 5000, "not a readable TOML file: Exceeds the limit"),
        ("2e-12", "[" * 5000, "not a readable TOML file: too deep"),
    ],
)
def test_refuses_a_file_and_names_it_with_line_and_key(refuse, old, new, message):
    assert old in VALID
    assert message in refuse(VALID.replace(old, new, 1))


@pytest.mark.parametrize(
    ("table", "wrong", "line", "message"),
    [
        (MEMORY, ("read]", "reed]"), 15, "memories.sram.reed: key 'reed' is unknown"),
        (MEMORY, ('"J/bit"', '"J"'), 17, "read.unit = 'J'; must be 'J/bit'"),
        (POWER, ("_chip]", "_chips]"), 15, "did you mean 'leakage_per_chip'?"),
        (POWER, ('"W"', '"W/Hz"'), 17, "leakage_per_chip.unit = 'W/Hz'; must be 'W'"),
        (TIME, ("barrier", "barier"), 15, "time.barier: key 'barier' is unknown"),
        (TIME, ('"s"', '"J"'), 17, "time.barrier.unit = 'J'; must be 's'"),
        (TIME, ("time.barrier", "tasks.kws"), 17, "tasks.kws.unit = 's'; must be 'J'"),
        (TIME, ("time.barrier", "times.barrier"), 15, "did you mean 'time'?"),
        ("\n[memories.sram]\n", ("", ""), 15, "memories.sram: holds no constant"),
        ("\n[arithmetics.fp16]\n", ("", ""), 15, "arithmetics.fp16: holds no constant"),
    ],
)
def test_refuses_other_sections_likewise(refuse, table, wrong, line, message):
    complaint = refuse(VALID + table.replace(*wrong))
    assert complaint.startswith(f"line {line}: ")
    assert message in complaint


@pytest.mark.parametrize("number", range(1, VALID.count("\n") + 1))
def test_a_wrong_key_is_reported_at_its_line(refuse, number):
    lines = VALID.splitlines()
    lines.insert(number - 1, "no_such_key = 1")
    complaint = refuse("\n".join(lines))
    assert complaint.startswith(f"line {number}: ")
    assert "unknown key 'no_such_key'" in complaint


@pytest.mark.parametrize("name", list_profiles())
def test_a_wrong_unit_is_reported_at_its_line_in_every_shipped_file(name, refuse):
    place = files("spikewright.hardware_profiles") / f"{name}.toml"
    lines = place.read_text(encoding="utf-8").splitlines()
    units = [number for number, line in enumerate(lines) if line.startswith("unit =")]
    for number in units:
        changed = [*lines]
        changed[number] = 'unit = "1"'
        assert refuse("\n".join(changed)).startswith(f"line {number + 1}: ")


def test_refuses_a_profile_without_a_constant(load):
    text = VALID.split("[arithmetics", maxsplit=1)[0]
    for nothing in ("[arithmetics]\n", "[power]\n", ""):
        with pytest.raises(ProfileError, match="'mine': prices no arithmetic"):
            load(text + nothing)


# --- nothing twice -------------------------------------------------------------------


def test_refuses_a_term_that_two_operations_charge(refuse):
    # The synop above includes the access to the state, and so does the update.
    complaint = refuse(VALID + UPDATES)
    assert complaint.startswith(
        "line 15: arithmetics.fixed.updates_active: synops and "
    )
    assert "updates_active both include state access" in complaint


def test_refuses_two_prices_of_one_graded_event():
    costs = {"graded_synops": cost(), "graded_levels": cost()}
    with pytest.raises(ProfileError, match="are two prices of one event; keep one"):
        HardwareProfile("x", "x", "x", arithmetics={"fixed": costs})


@pytest.mark.parametrize(
    "operations",
    [
        ("updates_active", "updates_inactive"),
        ("synops", "macs"),
        ("synops", "graded_synops", "synops_zero"),
        ("hops_ew", "hops_ns"),
    ],
)
def test_operations_that_share_no_event_may_include_the_same(operations):
    costs = dict.fromkeys(operations, cost(includes=("weight access",)))
    HardwareProfile("x", "x", "x", arithmetics={"fixed": costs})


def test_refuses_static_power_that_is_given_twice():
    leaks = cost(1e-3, "W", includes=("leakage",))
    idles = cost(1e-2, "W", includes=("leakage", "idle"))
    power = {"leakage_per_chip": leaks, "idle": idles}
    with pytest.raises(ProfileError, match="leakage_per_chip and idle both include le"):
        HardwareProfile("x", "x", "x", power=power)


def test_a_total_charges_for_nothing_twice():
    each = {
        "fixed": {"synops": cost(includes=("arithmetic", "weight access"))},
        "bare": {"synops": cost(includes=("arithmetic",))},
        "headline": {"synops": cost(includes=("arithmetic", "leakage"))},
    }
    sram = {"read": cost(PJ, "J/bit", includes=())}
    leaky = {"read": cost(PJ, "J/bit", includes=("leakage",))}
    power = {"leakage_per_chip": cost(1e-3, "W", includes=("leakage",))}
    memories = {"sram": sram, "leaky": leaky}
    profile = HardwareProfile(
        "x", "x", "x", arithmetics=each, memories=memories, power=power
    )
    static = ["leakage_per_chip"]
    profile.check_total("bare", memories={"weight access": "sram"}, power=static)
    with pytest.raises(ProfileError, match="synops and weight access from sram both"):
        profile.check_total("fixed", memories={"weight access": "sram"})
    profile.check_total("fixed", memories={"state access": "sram"}, power=static)
    with pytest.raises(ProfileError, match=r"'headline': synops and leakage_per_chip"):
        profile.check_total("headline", power=static)
    with pytest.raises(
        ProfileError, match="state access from leaky and leakage_per_ch"
    ):
        profile.check_total("bare", memories={"state access": "leaky"}, power=static)
    with pytest.raises(ProfileError, match="power 'idle' is unknown; allowed: leakage"):
        profile.check_total("bare", power=["idle"])


# --- constants -----------------------------------------------------------------------


def test_a_constant_without_a_source_is_refused():
    with pytest.raises(ProfileError, match="source is empty; say where"):
        cost(source=" ")


def test_refuses_a_range_that_does_not_hold_the_value():
    with pytest.raises(ProfileError, match=r"low = .* outside its range"):
        cost(2 * PJ, low=3 * PJ)
    with pytest.raises(ProfileError, match=r"high = .* outside its range"):
        cost(2 * PJ, high=PJ)


def test_nothing_lies_below_a_published_minimum_or_above_a_maximum():
    with pytest.raises(ProfileError, match="below the published minimum"):
        cost(2 * PJ, statistic="minimum", low=PJ)
    with pytest.raises(ProfileError, match="above the published maximum"):
        cost(2 * PJ, statistic="maximum", high=3 * PJ)
    cost(2 * PJ, statistic="minimum", low=2 * PJ, high=3 * PJ)
    cost(2 * PJ, statistic="maximum", low=PJ, high=2 * PJ)


def test_a_range_ends_at_the_value_if_none_is_published():
    assert (cost(2 * PJ).lowest, cost(2 * PJ).highest) == (2 * PJ, 2 * PJ)
    ranged = cost(2 * PJ, low=PJ, high=3 * PJ)
    assert (ranged.lowest, ranged.highest) == (PJ, 3 * PJ)


def test_weakest_evidence_is_the_last_of_the_scale():
    assert weakest(["reviewed", "secondary", "quoted"]) == "secondary"
    assert weakest(EVIDENCE) == "assumed"
    assert weakest([]) is None


# --- in words ------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_profiles())
def test_a_description_names_every_source_and_every_unknown(name):
    profile = load_profile(name)
    words = " ".join(describe_profile(profile).split())
    for path, each in profile.constants():
        assert each.source in words, path
        assert f"{path[-1]} {quantity(each.value, each.unit)} (" in words, path
    for text in (*profile.notes, *profile.unknown):
        assert text in words
    assert "no price: " in words


def test_a_description_shows_range_node_supply_and_quote(load):
    more = "low = 1e-12\nhigh = 3e-12\nnode = '22 nm'\nsupply_v = 0.8\nquote = 'so'\n"
    words = " ".join(describe_profile(load(VALID + more)).split())
    assert (
        "synops 2 pJ (1 pJ to 3 pJ; marginal, measured, evidence: assumed, 22 nm, "
        '0.8 V; includes arithmetic, state access): invented for tests; "so"'
    ) in words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.3125 * PJ, "J/bit", "0.3125 pJ/bit"),
        (23.6 * PJ, "J", "23.6 pJ"),
        (1e-9, "s", "1 ns"),
        (8.6e-9, "J", "8.6 nJ"),
        (27.3e-6, "W", "27.3 uW"),
        (0.104375, "W", "104.375 mW"),
        (1.78e-12, "W/Hz", "1.78 pW/Hz"),
        (8388608, "bit", "8388608 bit"),
        (0.0, "J", "0 J"),
        (0.5, "1", "0.5"),
    ],
)
def test_quantities_are_written_with_a_prefix(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize("name", list_profiles())
def test_a_profile_survives_json(name):
    profile = load_profile(name)
    loaded = json.loads(json.dumps(profile_dict(profile)))
    for path, each in profile.constants():
        found = loaded
        for key in path:
            found = found[key]
        assert (found["value"], found["source"]) == (each.value, each.source)
    assert loaded["unknown"] == list(profile.unknown)


def test_no_description_is_wider_than_a_terminal():
    for name in list_profiles():
        lines = describe_profile(load_profile(name)).splitlines()
        assert all(len(line) <= 100 or not re.search(r"\s", line) for line in lines)


def test_no_damage_to_a_file_is_more_than_a_refusal_with_a_line(load):
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(300):
        at = rng.integers(len(VALID))
        noise = "".join(rng.choice(list("[]{}\"'=.,#\n 0-"), rng.integers(4)))
        try:
            load(VALID[:at] + noise + VALID[at + rng.integers(13) :])
        except ProfileError as error:
            assert re.search(r"mine\.toml: .*line \d+: ", str(error))
            refused += 1
    assert refused > 200
