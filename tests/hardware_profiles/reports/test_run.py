"""A report of a run: its figures, their names, and that all formats hold the same."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import spikewright as sw
from spikewright.counting import count_run
from spikewright.counts import OperationCount
from spikewright.errors import CountError, InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.placement.capacity import (
    check_capacity,
    traffic_on,
)
from spikewright.hardware_profiles.prices.accounting import load_accounting
from spikewright.hardware_profiles.prices.baselines import Reuse, list_baselines
from spikewright.hardware_profiles.prices.break_even import break_even, rate_line
from spikewright.hardware_profiles.prices.breakdown import break_down
from spikewright.hardware_profiles.prices.energy import estimate_energy
from spikewright.hardware_profiles.prices.full_comparison import CountedRun, Draw
from spikewright.hardware_profiles.prices.full_energy import energy_by_node, full_energy
from spikewright.hardware_profiles.prices.preset_files import load_preset
from spikewright.hardware_profiles.prices.presets import price_preset
from spikewright.hardware_profiles.prices.run_work import (
    steady_nodes,
    student_work,
    teacher_work,
)
from spikewright.hardware_profiles.prices.uncertainty import spread_of_total
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.reports.facts import finish_run
from spikewright.hardware_profiles.reports.figures import find_figure
from spikewright.hardware_profiles.reports.matching import check_run_report
from spikewright.hardware_profiles.reports.run import Wanted, report_run
from spikewright.hardware_profiles.reports.schema import report_schema
from spikewright.hardware_profiles.reports.teacher import report_teacher
from spikewright.hardware_profiles.teachers.operations import (
    INT8,
    SHAPES,
    count_teacher_sentences,
)
from spikewright.nodes import (
    BiasLine,
    DenseSynapses,
    Input,
    Output,
    QuantizedNeurons,
)
from spikewright.simulate.integer import run_integer

SHAPE = SHAPES["minilm-l6"]
TERMS = ("arithmetic", "state", "events", "sync", "static", "real_time")
TEACHER_TERMS = ("total", "arithmetic", "weight_memory", "activations", "norms")
SPREAD = ("median", "p5", "p95")
LAYERS = ("bias", "input", "a", "b", "output", "barriers")
NAMES = [
    *("capacity/loihi1/cores", "capacity/loihi1/chips"),
    *(f"student/loihi1/fixed/{x}" for x in ("total", "synapses", "neurons", "events")),
    *("teacher/cmos45/fp32", "teacher/cmos45/int8"),
    *("ratio/loihi1/fixed/cmos45/fp32", "ratio/loihi1/fixed/cmos45/int8"),
    *(f"preset/bert-mac/{x}" for x in ("student", "teacher", "ratio")),
    *(f"full/loihi1/loihi1/student/{x}" for x in ("total", *TERMS)),
    *(f"full/loihi1/loihi1/student/total_{x}" for x in SPREAD),
    *(
        f"full/loihi1/loihi1/teacher/{form}/{x}"
        for form in ("int8", "fp32", "gamma", "twin")
        for x in (*TEACHER_TERMS, "static")
    ),
    "full/loihi1/loihi1/ratio",
    *(f"full/loihi1/loihi1/ratio_{x}" for x in SPREAD),
    *("latency/loihi1/step", "latency/loihi1/sample", "throughput/loihi1"),
    *("energy_delay/loihi1/loihi1", "student/rate"),
    *(f"break_even/loihi1/loihi1/{x}" for x in ("int8", "fp32", "gamma", "twin")),
    *(
        f"{start}/layer/{each}"
        for each in LAYERS
        for start in ("student/loihi1/fixed", "full/loihi1/loihi1/student")
    ),
]
"""of every figure of the small net on loihi1: stable, since scripts rely on them"""


def small_graph(first="a") -> Graph:
    """4 inputs to 3 neurons to 2 neurons; the first three have a bias."""

    def lif(size):
        return QuantizedNeurons((size,), 2048, 64, 1.0)

    rng = np.random.default_rng(0)
    dense = {
        "in_a": rng.integers(10, 100, (3, 4)),
        "bias_a": np.full((3, 1), 5),
        "a_b": rng.integers(10, 100, (2, 3)),
        "b_out": np.ones((2, 2), dtype=np.int64),
    }
    names = ("input", first, "b", "output")
    nodes = {
        "bias": BiasLine(),
        "input": Input((4,)),
        **{name: DenseSynapses(weight) for name, weight in dense.items()},
        first: lif(3),
        "b": lif(2),
        "output": Output((2,)),
    }
    edges = [("bias", "bias_a"), ("bias_a", first)]
    for via, (source, target) in zip(
        ("in_a", "a_b", "b_out"), pairwise(names), strict=True
    ):
        edges += [(source, via), (via, target)]
    arrival = {"bias": 0, "input": 0, first: 1, "b": 2, "output": 3}
    return Graph(
        nodes, tuple(Edge(*each) for each in edges), Stage.QUANTIZED, 1e-3, arrival
    )


def counted_run(graph, names, samples=3, steps=4) -> CountedRun:
    rng = np.random.default_rng(1)
    inputs = (rng.random((samples, steps, 4)) < 0.5).astype(np.uint8)
    trace = run_integer(graph, inputs)
    capacities = check_capacity(graph, names)
    placed = {
        chip: count_run(graph, trace, placement=traffic)
        for chip, each in capacities.items()
        if (traffic := traffic_on(graph, each)) is not None
    }
    return CountedRun("net", graph, count_run(graph, trace), placed, capacities)


def baselines(steps=4):
    return list_baselines(
        lambda form: count_teacher_sentences(SHAPE, [9, 12], form),
        steps=steps,
        form="int8",
        gamma=None,
    )


def make(*profiles, first="a", **changes):
    wanted = Wanted(
        [load_profile(each) for each in profiles],
        presets=[load_preset("bert-mac")],
        **changes,
    )
    counted = counted_run(small_graph(first), profiles)
    return counted, finish_run(report_run(counted, baselines(), wanted))


@pytest.fixture(scope="module")
def both():
    return make("cmos45", "loihi1")


def value(report, name):
    return find_figure(report.figures, name).value


# --- names ---------------------------------------------------------------------------


def test_names_of_figures_are_stable():
    _, report = make("loihi1")
    assert [each.name for each in report.figures] == NAMES


def test_names_of_nodes_are_quoted_so_that_none_are_confused():
    for node, quoted in (("x/y z", "x%2Fy%20z"), ("layer1", "layer1"), ("é", "%C3%A9")):
        _, report = make("loihi1", first=node)
        assert f"student/loihi1/fixed/layer/{quoted}" in [
            each.name for each in report.figures
        ]
        rows = csv.DictReader(io.StringIO(report.to_csv()))
        assert node in {row["node"] for row in rows}


def test_every_figure_that_is_made_of_others_names_them(both):
    _, report = both
    names = {each.name for each in report.figures}
    assert len(names) == len(report.figures)
    for each in report.figures:
        assert set(each.of) <= names, each.name


# --- numbers -------------------------------------------------------------------------


def test_a_figure_is_the_sum_of_its_lines_exactly(both):
    _, report = both
    for each in report.figures:
        if each.lines:
            assert each.value == math.fsum(line.energy_j for line in each.lines)


def test_column_a_is_what_the_pricing_functions_say(both):
    counted, report = both
    for name, arithmetic in (("cmos45", "fp32"), ("loihi1", "fixed")):
        run = counted.counts(name)
        priced = estimate_energy(
            run.totals(), load_profile(name), arithmetic=arithmetic, samples=3
        )
        found = value(report, f"student/{name}/{arithmetic}/total")
        assert found == priced.total_j > 0


def test_column_b_is_what_the_pricing_functions_say(both):
    counted, report = both
    profile, accounting = load_profile("cmos45"), load_accounting("cmos45-sram32k")
    work = student_work("net", counted.graph, counted.run)
    student = full_energy(work, profile, "int8_updates", accounting.accounting)
    base = "full/cmos45/cmos45-sram32k"
    assert value(report, f"{base}/student/total") == student.total_j
    teacher = teacher_work(count_teacher_sentences(SHAPE, [9, 12], INT8))
    priced = full_energy(teacher, profile, "int8_updates", accounting.accounting)
    assert value(report, f"{base}/teacher/int8/total") == priced.total_j
    assert value(report, f"{base}/ratio") == student.total_j / priced.total_j
    solved = break_even(
        rate_line(student, profile, steady=steady_nodes(counted.graph)), priced
    )
    assert value(report, "break_even/cmos45/cmos45-sram32k/int8") == solved.rate
    spread = spread_of_total(student.lines, seed=0, draws=10_000)
    assert value(report, f"{base}/student/total_p95") == spread.high


def test_parts_are_what_the_pricing_functions_say(both):
    counted, report = both
    work = student_work("net", counted.graph, counted.run)
    down = break_down(counted.graph, counted.run, "layer")
    accounting = load_accounting("cmos45-sram32k").accounting
    by_layer = energy_by_node(
        replace(work, counts=down.parts),
        load_profile("cmos45"),
        "int8_updates",
        accounting,
    )
    for name, energy_j in by_layer.items():
        figure = f"full/cmos45/cmos45-sram32k/student/layer/{name}"
        assert value(report, figure) == energy_j


def test_presets_are_what_the_pricing_functions_say(both):
    counted, report = both
    work = student_work("net", counted.graph, counted.run)
    teacher = count_teacher_sentences(SHAPE, [9, 12], INT8)
    priced = price_preset(
        load_preset("bert-mac"), work.counts, teacher.counts, samples=3, sentences=2
    )
    assert value(report, "preset/bert-mac/student") == priced.student.energy_j
    assert value(report, "preset/bert-mac/teacher") == priced.teacher.energy_j


def test_explaining_adds_up_down_to_integers(both):
    _, report = both
    text = report.explain("full/loihi1/loihi1/student/total").splitlines()
    energies = [float(line.split(" = ")[1].removesuffix(" J")) for line in text[1:]
                if line.endswith(" J") and " x " in line]  # fmt: skip
    total = float(text[0].split(" = ")[1].split()[0])
    assert math.fsum(energies) == total
    counts = [line.split()[0] for line in text if " / 3 samples x" in line]
    assert counts
    assert all(each.isdecimal() for each in counts)


@pytest.mark.parametrize("by", ["layer", "population", "step", "sample"])
def test_parts_of_the_counts_add_up(both, by):
    counted, _ = both
    down = break_down(counted.graph, counted.run, by)
    assert sum(down.parts.values(), OperationCount()) == counted.run.total()


def test_traffic_is_counted_only_where_the_net_was_placed(both):
    counted, _ = both
    on_chip = counted.counts("loihi1").total()
    assert on_chip.packets == on_chip.spikes > 0  # one core: one packet a spike
    assert counted.counts("cmos45").total().packets == 0
    rest = replace(on_chip, packets=0, hops_ew=0, hops_ns=0)
    assert rest == counted.run.total()


def test_reuse_changes_the_accounting_of_both_sides():
    _, often = make("loihi1", reuse=Reuse(Fraction(2), Fraction(1)))
    _, usual = make("loihi1")
    name = "full/loihi1/loihi1/teacher/int8/weight_memory"
    own, reused = (find_figure(r.figures, name).lines[0] for r in (often, usual))
    assert own.energy_j == reused.energy_j * 64
    assert "weight_reuse = 2" in often.to_table()


def test_the_same_seed_draws_the_same():
    name = "full/truenorth/truenorth/student/total_median"
    one, same, other = (
        value(make("truenorth", draw=Draw(seed, 1000))[1], name) for seed in (1, 1, 2)
    )
    assert one == same != other


# --- formats -------------------------------------------------------------------------


def test_names_are_escaped_in_markdown():
    _, report = make("loihi1", first="<script>alert(1)</script>|*")
    assert "\\<script\\>alert(1)\\</script\\>\\|\\*" in report.to_markdown()


def test_markdown_tables_have_as_many_cells_in_each_line(both):
    for block in both[1].to_markdown().split("\n\n"):
        if block.startswith("| "):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_json_refers_to_each_constant_once(both):
    document = both[1].to_dict()
    constants = document["constants"]
    assert len({json.dumps(each) for each in constants}) == len(constants)
    lines = {x.name: x.lines for x in both[1].figures}
    for figure in document["figures"]:
        for own, line in zip(figure["lines"], lines[figure["name"]], strict=True):
            assert constants[own["constant"]] == asdict(line.constant)


def test_documents_keep_to_the_schema(both):
    alone = report_teacher(baselines(None), SHAPE, 9, Wanted([load_profile("cmos45")]))
    for report in (both[1], alone):
        document = json.loads(report.to_text("json"))
        assert complaints(report_schema(), document, "report") == []
        broken = {**document, "surprise": 1}
        assert complaints(report_schema(), broken, "report") != []
        broken = {**document, "figures": [{"name": "x"}]}
        assert complaints(report_schema(), broken, "report") != []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop("breakdown"), "the report lacks breakdown"),
        (lambda x: x.update(samples="3"), "the report.samples is '3', no integer"),
        (lambda x: x.update(samples=-1), "the report.samples is -1, below 0"),
        (lambda x: x.update(schema="other/1"), "the report.schema is 'other/1', not "),
        (
            lambda x: x["figures"][0].update(value=float("nan")),
            r"the report.figures\[0\].value is nan, no number",
        ),
        (
            lambda x: x["comparisons"][0]["student"].pop("profile"),
            r"the report.comparisons\[0\].student lacks profile",
        ),
    ],
)
def test_a_report_that_is_read_back_must_be_whole(both, change, message):
    document = json.loads(both[1].to_text("json"))
    check_run_report({**document, "of_a_newer_report": 1})
    change(document)
    with pytest.raises(InputError, match=f"not a whole report: {message}"):
        check_run_report(document)


def complaints(schema, found, where) -> list[str]:
    """Check against the words of JSON Schema that ours uses."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        return complaints(report_schema()["definitions"][name], found, where)
    if "oneOf" in schema:
        each = [complaints(part, found, where) for part in schema["oneOf"]]
        return [] if [] in each else min(each, key=len)
    if not is_of_type(schema, found):
        return [f"{where}: not {schema}"]
    if isinstance(found, list):
        pairs = ((schema["items"], i, each) for i, each in enumerate(found))
    elif isinstance(found, dict):
        pairs = ((part_of(schema, key), key, each) for key, each in found.items())
    else:
        return []
    keys = found if isinstance(found, dict) else ()
    missing = set(schema.get("required", ())) - set(keys)
    return [f"{where}: no {key}" for key in missing] + [
        each
        for part, key, value in pairs
        for each in (
            [f"{where}: unknown {key}"]
            if part is None
            else complaints(part, value, f"{where}.{key}")
        )
    ]


def is_of_type(schema, found) -> bool:
    types = {"object": dict, "array": list, "string": str, "boolean": bool}
    types |= {"number": (int, float), "integer": int, "null": type(None)}
    is_flag = isinstance(found, bool) and schema.get("type") in ("number", "integer")
    return (
        isinstance(found, types.get(schema.get("type"), object))
        and not is_flag
        and found in schema.get("enum", [found])
        and found == schema.get("const", found)
        and not ("minimum" in schema and found < schema["minimum"])
    )


def part_of(schema, key):
    """Return the schema of a key, None if the key is not allowed."""
    other = schema.get("additionalProperties", {})
    return schema.get("properties", {}).get(key, None if other is False else other)


# --- refusals ------------------------------------------------------------------------


def test_gaps_are_named_and_refused(both):
    _, report = both
    with pytest.raises(CountError, match="no price of barriers"):
        report.refuse_gaps()
    replace(report, gaps=()).refuse_gaps()


def test_a_report_needs_a_profile_and_a_teacher():
    with pytest.raises(InputError, match="one profile at least"):
        Wanted([])
    counted = counted_run(small_graph(), ["loihi1"])
    with pytest.raises(InputError, match="counted operations and a teacher"):
        report_run(counted, (), Wanted([load_profile("loihi1")]))


def test_a_figure_that_is_not_there(both):
    with pytest.raises(InputError, match="did you mean student/rate"):
        both[1].explain("student/rats")
    with pytest.raises(InputError, match="give more of the name"):
        both[1].explain("full/total")


# --- from Python ---------------------------------------------------------------------


def test_a_report_of_traces_from_the_public_names():
    graph = small_graph()
    rng = np.random.default_rng(1)
    inputs = (rng.random((3, 4, 4)) < 0.5).astype(np.uint8)
    traces = [run_integer(graph, part) for part in (inputs[:1], inputs[1:])]
    wanted = sw.Wanted([sw.load_profile("loihi1")])
    teacher = sw.teacher_baselines("minilm-l6", [21], steps=4)
    parts = ((trace, None) for trace in traces)
    found = sw.report_traces(graph, parts, teacher, wanted)
    # The same samples at once, counted and priced step by step.
    counted = counted_run(graph, ["loihi1"])
    known = finish_run(report_run(counted, teacher, wanted))
    assert [(each.name, each.value) for each in found.figures] == [
        (each.name, each.value) for each in known.figures
    ]
    assert find_figure(found.figures, "student/rate").value > 0


@pytest.mark.parametrize("what", ["profiles", "accountings", "presets"])
def test_two_things_of_one_name_are_refused(what):
    twice = {
        "profiles": [replace(load_profile("loihi1"), title="mine")],
        "accountings": [load_accounting("loihi1")] * 2,
        "presets": [load_preset("syops")] * 2,
    }
    wanted = {"profiles": [load_profile("loihi1")], what: twice[what]}
    if what == "profiles":
        wanted[what] = [load_profile("loihi1"), *twice[what]]
    with pytest.raises(InputError, match=f"two {what} are called '"):
        Wanted(**wanted)
