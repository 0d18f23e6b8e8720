"""Worker processes: in order, bounded, and their failures have names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import InputError, OverflowDetectedError, WorkerError
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons
from spikewright.simulate import workers
from spikewright.simulate.integer import Batching, iterate_integer, run_integer
from spikewright.simulate.integer_plan import make_plan
from spikewright.trace import EVERYTHING

TWO = Batching(1, workers=2)


def _graph(weight: int = 3) -> Graph:
    nodes = {
        "input": Input((1,)),
        "w": DenseSynapses(np.array([[weight]]), 7),
        "n": QuantizedNeurons((1,), 0, 100, 1.0),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)


def _ones(samples: int, steps: int = 2) -> np.ndarray:
    return np.ones((samples, steps, 1), np.uint8)


def test_traces_come_in_the_order_of_the_samples() -> None:
    inputs = np.eye(7, dtype=np.uint8)[:, :, np.newaxis]
    # 3 << 7 = 384 > 100: sample i spikes at step i.
    done: list[int] = []
    trace = run_integer(_graph(), inputs, batching=TWO, on_samples=done.append)
    np.testing.assert_array_equal(trace.spikes["n"], inputs)
    assert done == [1, 2, 3, 4, 5, 6, 7]


def test_few_chunks_are_under_way_at_once() -> None:
    """The others wait until a trace is taken, so memory is bounded."""
    taken: list[int] = []

    def chunks() -> Iterator[workers.Chunk]:
        for index in range(9):
            taken.append(index)
            yield workers.Chunk(index, {"input": _ones(1)})

    plan = make_plan(_graph(), steps=2)
    traces = workers.iterate_in_workers(plan, 1, EVERYTHING, chunks(), 2)
    for finished, _ in enumerate(traces, start=1):
        assert len(taken) <= finished + 2
    assert len(taken) == 9


def test_an_overflow_names_the_sample_among_all() -> None:
    # -255 << 9 is -130560, two of them times 64 leave 2**23.
    graph = _graph(-255 * 4)
    inputs = _ones(5)
    inputs[:4, 1] = 0
    with pytest.raises(OverflowDetectedError, match="sample 4, step 1: membrane"):
        run_integer(graph, inputs, batching=TWO)


def test_a_dead_worker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.exit('out of memory')"
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", program))
    with pytest.raises(WorkerError, match=r"(?s)exit code 1.*fewer workers.*of memory"):
        run_integer(_graph(), _ones(4), batching=TWO)


def test_a_killed_worker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", program))
    with pytest.raises(WorkerError, match="exit code -9"):
        run_integer(_graph(), _ones(4), batching=TWO)


def test_no_worker_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    program = (
        f"import os; open({str(pids)!r}, 'a').write(f'{{os.getpid()}} '); "
        "from spikewright.simulate.worker import main; main()"
    )
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", program))
    traces = iterate_integer(_graph(), _ones(6), batching=TWO)
    next(traces)
    traces.close()
    found = [int(pid) for pid in pids.read_text().split()]
    assert found
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_use_one_thread_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    program = "import os, sys; sys.exit(os.environ['OMP_NUM_THREADS'] + ' thread')"
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", program))
    with pytest.raises(WorkerError, match="\n1 thread"):
        run_integer(_graph(), _ones(4), batching=TWO)
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(
    ("batch", "count", "message"), [(0, 1, "batch is 0"), (None, 0, "workers is 0")]
)
def test_numbers_below_one_are_refused(
    batch: int | None, count: int, message: str
) -> None:
    with pytest.raises(InputError, match=f"{message}; allowed: 1 or more"):
        Batching(batch, count)
