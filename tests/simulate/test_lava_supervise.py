"""What happens when Lava fails, hangs or is interrupted: one error, nothing left."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import LavaRunError
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.lava_backend.guard import supervise
from spikewright.simulate.lava_backend.session import members
from spikewright.simulate.lava_backend.supervise import run_in_child, run_lava

pytestmark = pytest.mark.lava

FAULTY = """
import os
import time

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Faulty(AbstractProcess):
    def __init__(self):
        super().__init__(name="the faulty one")
        self.s_in = InPort(shape=(1,))
        self.s_out = OutPort(shape=(1,))


@implements(proc=Faulty, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyFaulty(PyLoihiProcessModel):
    s_in = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out = LavaPyType(PyOutPort.VEC_DENSE, float)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        {on_build}

    def run_spk(self):
        arrived = self.s_in.recv()
        {before_send}
        self.s_out.send(arrived)
        {after_send}
"""

CHILD = """
import os
import sys
from pathlib import Path

(Path(sys.argv[1]) / ".pid").write_text(str(os.getpid()))
(Path(sys.argv[1]) / ".pid").rename(Path(sys.argv[1]) / "pid")  # there, and whole

from spikewright.simulate.lava_backend import child

child.end_on_error()
child.end_with_parent()
sys.path.insert(0, str(Path(__file__).parent / "faulty_process"))

import numpy as np
from faulty import Faulty

from spikewright.simulate.lava_backend.engine.local import LocalRuntime
from spikewright.simulate.lava_backend.engine.native import NativeRuntime
from spikewright.simulate.lava_backend.engine.network import (
    Dense,
    Loihi2SimCfg,
    Network,
    RingBuffer,
)

source, faulty = RingBuffer(data=np.ones((1, 4))), Faulty()
dense = Dense(weights=np.ones((1, 1)))
source.s_out.connect(faulty.s_in)
faulty.s_out.connect(dense.s_in)
network = Network(source, Loihi2SimCfg(select_tag="floating_pt"), {{}}, ())
{run}(network).run(4)
"""

NATIVE, LOCAL = "NativeRuntime", "LocalRuntime"


def write_child(folder, run, **faults):
    """Write a child that runs one faulty process, and return how to start it."""
    home = folder / "faulty_process"
    home.mkdir()
    faults = {"on_build": "pass", "before_send": "pass", "after_send": "pass", **faults}
    (home / "faulty.py").write_text(FAULTY.format(**faults))
    program = folder / "child.py"
    program.write_text(CHILD.format(run=run))
    job = folder / "job"
    job.mkdir()
    return [sys.executable, str(program)], job


def pid_in(job):
    return int((job / "pid").read_text())


@pytest.mark.parametrize(
    ("run", "place"),
    [
        (LOCAL, "before_send"),
        (NATIVE, "on_build"),
        (NATIVE, "before_send"),
        (NATIVE, "after_send"),
    ],
)
def test_a_model_that_raises_gives_its_traceback_and_leaves_nothing(
    tmp_path, run, place
):
    program, job = write_child(tmp_path, run, **{place: "raise ValueError('broken!')"})
    with pytest.raises(LavaRunError) as caught:
        run_in_child(program, job, 1, 30.0)
    assert "sample 1 of 1: exit code 1" in str(caught.value)
    assert "ValueError: broken!" in str(caught.value)
    assert "faulty.py" in str(caught.value)
    assert members(pid_in(job)) == []


def test_a_worker_that_dies_is_named(tmp_path):
    program, job = write_child(tmp_path, NATIVE, before_send="os._exit(7)")
    with pytest.raises(LavaRunError, match="'the faulty one' died with exit code 7"):
        run_in_child(program, job, 1, 30.0)
    assert members(pid_in(job)) == []


@pytest.mark.parametrize("death", ["os._exit(7)", "os.kill(os.getpid(), 9)"])
def test_a_child_that_dies_is_told_by_its_exit_code(tmp_path, death):
    program, job = write_child(tmp_path, LOCAL, before_send=death)
    code = "7" if "7" in death else "-9"
    with pytest.raises(LavaRunError, match=f"sample 1 of 1: exit code {code}"):
        run_in_child(program, job, 1, 30.0)
    assert members(pid_in(job)) == []


@pytest.mark.parametrize("run", [LOCAL, NATIVE])
def test_a_model_that_sleeps_for_ever_hits_the_deadline(tmp_path, run):
    program, job = write_child(tmp_path, run, before_send="time.sleep(1000)")
    with pytest.raises(LavaRunError, match="deadline of 4 s"):
        run_in_child(program, job, 1, 4.0)
    assert members(pid_in(job)) == []


def test_shared_memory_of_a_killed_child_is_removed(tmp_path):
    program = """
import time
from multiprocessing.shared_memory import SharedMemory
segment = SharedMemory(create=True, size=100)
open("name", "w").write(segment.name)
time.sleep(1000)
"""
    with pytest.raises(LavaRunError, match="deadline"):
        supervise(
            [sys.executable, "-c", program],
            tmp_path,
            deadline_s=1.0,
            on_poll=lambda: "the start",
        )
    with pytest.raises(FileNotFoundError):
        SharedMemory((tmp_path / "name").read_text())


def test_an_interrupt_ends_the_child(tmp_path):
    seen = []

    def interrupt():
        if (tmp_path / "pid").exists():
            seen.append(int((tmp_path / "pid").read_text()))
            raise KeyboardInterrupt
        return "the start"

    program = (
        "import os, time; open('.pid', 'w').write(str(os.getpid())); "
        "os.rename('.pid', 'pid'); os.fork(); time.sleep(1000)"
    )
    with pytest.raises(KeyboardInterrupt):
        supervise(
            [sys.executable, "-c", program],
            tmp_path,
            deadline_s=10.0,
            on_poll=interrupt,
        )
    assert members(seen[0]) == []


def test_the_child_ends_when_its_parent_is_killed(tmp_path):
    program, job = write_child(tmp_path, NATIVE, before_send="time.sleep(1000)")
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; "
            "from spikewright.simulate.lava_backend.supervise import run_in_child; "
            f"run_in_child({program!r}, Path({str(job)!r}), 1, 60.0)",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    wait_until(lambda: (job / "pid").exists() and len(members(pid_in(job))) > 3)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: members(pid_in(job)) == [])


def wait_until(condition, patience_s=15.0):
    given_up = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < given_up
        time.sleep(0.05)


def overflowing_graph():
    """A sum of 300 * 255 * 2**7 = 9792000 does not fit 24 bits."""
    return Graph(
        {
            "in": n.Input((300, 1)),
            "large": n.TokenSynapses(np.full((1, 1, 300), 255), exponent=7),
            "out": n.Output((1, 1)),
        },
        (Edge("in", "large"), Edge("large", "out")),
        Stage.QUANTIZED,
        1e-3,
        {"in": 0, "out": 1},
    )


@pytest.mark.parametrize("runtime", ["local", "lava"])
def test_an_overflow_is_reported_with_its_sample_and_node(runtime):
    silent, loud = np.zeros((1, 2, 300, 1)), np.ones((1, 2, 300, 1))
    with pytest.raises(LavaRunError) as caught:
        inputs = np.concatenate([silent, loud])
        run_lava(overflowing_graph(), inputs, runtime=runtime)
    assert "sample 2 of 2" in str(caught.value)
    wanted = (
        "OverflowDetectedError: node 'out', neuron [0, 0], step 1: sum a is 9792000"
    )
    assert wanted in str(caught.value)


def test_the_child_computes_in_one_thread(tmp_path):
    # Dozens of workers with several BLAS threads each are slower by a factor of 60.
    program = "import os; open('threads', 'w').write(os.environ['OMP_NUM_THREADS'])"
    command = [sys.executable, "-c", program]
    supervise(command, tmp_path, deadline_s=10.0, on_poll=lambda: "the start")
    assert (tmp_path / "threads").read_text() == "1"
