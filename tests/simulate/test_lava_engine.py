"""What the engine builds: which processes, which models, how many delay lines.

Lava is imported in children only: its import sets how Python starts processes.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.job import Job, LavaOptions, write_job

pytestmark = pytest.mark.lava

PROCESSES = (
    Path(__file__).parents[2] / "simulate" / "lava_backend" / "engine" / "processes"
)
PROGRAM = """
import json, sys, warnings
from pathlib import Path

from spikewright.simulate.lava_backend.engine.local import LocalRuntime
from spikewright.simulate.lava_backend.engine.network import build_network
from spikewright.simulate.lava_backend.job import read_job
from spikewright.simulate.lava_backend.plan import make_plan

warnings.simplefilter("error")
folder = Path(sys.argv[1])
job = read_job(folder)
plan = make_plan(job.graph, job.inputs, job.options.processes)
runtime = LocalRuntime(build_network(job, plan, folder, folder))
made = {
    process.name: [type(process).__name__, type(model).__name__, type(model).__module__]
    for process, model in runtime.models.items()
}
print(json.dumps(made))
"""


def built(graph, folder, **choices):
    """Return Process, model and the module of the model, by name of the process."""
    inputs = {k: np.zeros((1, 2, *v.shape)) for k, v in graph.inputs.items()}
    write_job(Job(graph, inputs, LavaOptions(**choices)), folder)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return {name: tuple(each) for name, each in json.loads(done.stdout).items()}


def branching_graph():
    """One source, behind five edges with delays 0, 2, 2, 3 and 3."""
    ones = np.ones((2, 2), dtype=int)
    nodes = {
        "in": n.Input((2,)),
        "dense": n.DenseSynapses(ones),
        "sparse": n.SparseSynapses(
            np.ones(1, int), np.zeros(1, int), np.ones(1, int), (2, 2)
        ),
        "diagonal": n.DiagonalSynapses(ones[0]),
        "token": n.TokenSynapses(ones[np.newaxis]),
        "a": n.QuantizedNeurons((2,), dv=0, vth=3, scale=1.0),
        "out": n.Output((2,)),
    }
    edges = [Edge("in", "dense"), Edge("in", "sparse", 2), Edge("in", "diagonal", 2)]
    edges += [Edge("in", "token", 3), Edge("in", "out", 3), Edge("a", "out")]
    edges += [Edge(each, "a") for each in ("dense", "sparse", "diagonal", "token")]
    arrival = {"in": 0, "a": 4, "out": 4}
    return Graph(nodes, tuple(edges), Stage.QUANTIZED, 1e-3, arrival)


def kinds(made):
    return sorted(kind for kind, *_ in made.values())


def test_stock_processes_where_they_express_the_node_and_ours_elsewhere(tmp_path):
    made = built(branching_graph(), tmp_path)
    assert made["a"][0] == "LIF"
    assert made["dense"][0] == "Dense"
    assert made["sparse"][0] == "Sparse"
    assert made["diagonal"][0] == made["token"][0] == "LinearSynapses"
    assert made["in"][0] == "RingBuffer"


def test_delays_of_one_source_share_one_line(tmp_path):
    # Delays 2, 2, 3 and 3: one line of 2 steps, and one of 1 step behind it.
    made = built(branching_graph(), tmp_path)
    lines = {name for name, each in made.items() if each[0] == "DelayLine"}
    assert lines == {"in, 2 steps late", "in, 3 steps late"}


def test_stock_processes_only(tmp_path):
    # The recorders stay ours: on a chip they are probes on the host.
    made = built(branching_graph(), tmp_path, processes="stock")
    assert kinds(made) == sorted(
        ["RingBuffer", "Dense", *["DelaySparse"] * 4, "LIF", *["Recorder"] * 2]
    )


@pytest.mark.parametrize(
    ("models", "home"), [("fast", "spikewright"), ("stock", "lava")]
)
@pytest.mark.parametrize("processes", ["auto", "stock"])
def test_the_run_configuration_chooses_the_models(tmp_path, processes, models, home):
    made = built(branching_graph(), tmp_path, processes=processes, models=models)
    for kind, model, module in made.values():
        is_own = kind in {"Recorder", "DelayLine", "LinearSynapses"}
        expected = "spikewright" if is_own else home
        assert module.partition(".")[0] == expected, (kind, model)


def test_the_folder_that_lava_executes_holds_processes_and_models_only():
    # Lava's compiler runs every file there, once per kind of Process; and a dataclass
    # under postponed annotations cannot be executed that way.
    for path in PROCESSES.glob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            is_value = isinstance(statement, ast.Assign) and path.stem != "__init__"
            is_docstring = isinstance(statement, ast.Expr)
            allowed = ast.Import | ast.ImportFrom | ast.ClassDef
            assert isinstance(statement, allowed) or is_value or is_docstring, path
            if isinstance(statement, ast.ImportFrom):
                assert statement.module not in {"__future__", "dataclasses"}, path


def test_what_nobody_sees_is_not_built(tmp_path):
    graph = branching_graph()
    nodes = {**graph.nodes, "unused": n.Input((1,)), "bias": n.BiasLine()}
    arrival = {**graph.arrival, "unused": 0, "bias": 0}
    larger = Graph(nodes, graph.edges, graph.stage, graph.dt_s, arrival)
    assert built(larger, tmp_path).keys() == built(graph, tmp_path).keys()
