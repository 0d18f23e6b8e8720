"""One interface: each backend keeps what was asked for and gets its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.simulate import run as run_module
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.integer import Batching
from spikewright.simulate.lava_backend.job import LavaOptions
from spikewright.simulate.reference import run_reference
from spikewright.simulate.run import Backend, run
from spikewright.trace import Keep, SpikeTrace, TracePolicy

POLICY = TracePolicy(Keep.COUNTS, full=["n1"])


@pytest.fixture
def graph(make_graph: Callable[[int], Graph], dt_s: float) -> Graph:
    return lower(make_graph(1), dt_s=dt_s).graph


@pytest.mark.parametrize(
    "backend",
    ["reference", "integer", pytest.param("lava", marks=pytest.mark.lava)],
)
def test_every_backend_keeps_what_the_policy_says(
    graph: Graph, spikes: Callable[[Graph], np.ndarray], backend: str
) -> None:
    inputs = spikes(graph)
    judge = POLICY.apply(run_reference(graph, inputs))
    trace = run(graph, inputs, backend=backend, trace=POLICY)
    assert compare_traces(judge, trace).is_equal
    assert set(trace.spikes) == {"n1"}
    assert trace.counts


@pytest.mark.parametrize("backend", Backend)
def test_no_backend_keeps_what_is_not_there(graph: Graph, backend: str) -> None:
    policy = TracePolicy(full=["n1_n2"])
    with pytest.raises(InputError, match="no population 'n1_n2' to keep"):
        run(graph, np.zeros((1, 2, 6)), backend=backend, trace=policy)


def test_an_unknown_backend_is_refused(graph: Graph) -> None:
    with pytest.raises(InputError, match="'loihi': must be one of reference, integer"):
        run(graph, np.zeros((1, 2, 6)), backend="loihi")


def test_options_reach_lava(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, object] = {}

    def lava(graph: Graph, inputs: object, **options: object) -> SpikeTrace:
        taken.update(options)
        return run_reference(graph, inputs)

    monkeypatch.setattr(run_module, "run_lava", lava)
    options = LavaOptions("lava", "stock", "stock", deadline_s=7.0)
    run(graph, np.zeros((1, 2, 6)), backend="lava", lava=options)
    taken.pop("on_sample")
    assert taken == {
        "runtime": "lava",
        "processes": "stock",
        "models": "stock",
        "deadline_s": 7.0,
    }


def test_batching_reaches_the_integer_simulator(
    graph: Graph, spikes: Callable[[Graph], np.ndarray]
) -> None:
    done: list[int] = []
    run(
        *(graph, spikes(graph)),
        backend="integer",
        batching=Batching(2),
        on_samples=done.append,
    )
    assert done == [2, 4]


def test_inputs_may_come_by_name(
    graph: Graph, spikes: Callable[[Graph], np.ndarray]
) -> None:
    inputs = spikes(graph)
    named: Mapping[str, np.ndarray] = {"input": inputs}
    for backend in ("reference", "integer"):
        by_name = run(graph, named, backend=backend)
        assert compare_traces(by_name, run(graph, inputs, backend=backend)).is_equal
