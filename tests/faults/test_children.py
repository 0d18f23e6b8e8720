"""Children die with their parent, and what ends them has a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import LavaRunError, WorkerError
from spikewright.files import write_graph
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons
from spikewright.simulate import workers
from spikewright.simulate.integer import Batching, run_integer
from spikewright.simulate.lava_backend import supervise
from spikewright.simulate.lava_backend.supervise import run_lava

processes = import_module("processes")

PARENT = """
import sys
import numpy as np
from spikewright.files import read_graph
from spikewright.simulate import workers
from spikewright.simulate.integer import Batching, run_integer
workers.WORKER = (sys.executable, "-c", sys.argv[2])
inputs = np.ones((4, 2, 1), np.uint8)
run_integer(read_graph(sys.argv[1]), inputs, batching=Batching(1, workers=2))
"""
BUSY = """
import time
from pathlib import Path
from spikewright.simulate import worker
def run_batch(*given):
    Path(FOLDER, f"{time.monotonic_ns()}").touch()
    time.sleep(1000)
worker.run_batch = run_batch
worker.main()
"""
STARVED = """
import resource
from MODULE import main
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 2**24, held + 2**24))
main()
"""


def _graph(size: int = 1) -> Graph:
    nodes = {
        "input": Input((size,)),
        "w": DenseSynapses(np.full((1, size), 3), 7),
        "n": QuantizedNeurons((1,), 0, 100, 1.0),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    return Graph(nodes, edges, Stage.QUANTIZED, 1e-3, {"input": 0, "n": 1, "output": 1})


def test_workers_in_the_middle_of_a_chunk_die_with_their_parent(
    tmp_path: Path,
) -> None:
    write_graph(_graph(), tmp_path / "graph.npz")
    (tmp_path / "busy").mkdir()
    mark, program = (
        f"test-{os.getpid()}",
        BUSY.replace("FOLDER", repr(str(tmp_path / "busy"))),
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "graph.npz"), program],
        env={
            **os.environ,
            processes.MARK: mark,
            "TMPDIR": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    _wait_until(lambda: len(os.listdir(tmp_path / "busy")) == 2)
    assert len(processes.marked(mark)) == 3
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert processes.wait_for_none(mark, patience_s=30.0) == []


# --- out of memory -------------------------------------------------------------------


def test_a_worker_without_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = STARVED.replace("MODULE", "spikewright.simulate.worker")
    monkeypatch.setattr(workers, "WORKER", (sys.executable, "-c", program))
    # 2 samples of 32 steps of 10**6 bytes are more than the 16 MiB that are left
    inputs = np.ones((4, 32, 10**6), np.uint8)
    message = r"(?s)a worker died .*if memory ran out, use fewer workers.*MemoryError"
    with pytest.raises(WorkerError, match=message):
        run_integer(_graph(10**6), inputs, batching=Batching(2, workers=2))


@pytest.mark.lava
def test_lava_without_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program = STARVED.replace("MODULE", "spikewright.simulate.lava_backend.child")
    monkeypatch.setattr(supervise, "CHILD", (sys.executable, "-c", program))
    before = processes.segments()
    with pytest.raises(LavaRunError, match=r"(?s)sample 1 of 1: exit code .*Memory"):
        run_lava(_graph(10**6), np.ones((1, 32, 10**6), np.uint8))
    left = processes.left_segments(before)
    # other tests work beside this one: theirs are gone soon
    _wait_until(lambda: not left & processes.segments())


def _wait_until(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    given_up = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < given_up
        time.sleep(0.05)
