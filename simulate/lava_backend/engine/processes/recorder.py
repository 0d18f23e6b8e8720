"""A sink that keeps what arrives in a window of steps, and writes it to one file.

Lava's own sinks are read one number a message (about 20 us each). On a chip this is a
probe, which runs on the host.
"""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikewright.loihi import MAX_MESSAGE
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.overflow import check_register
from spikewright.simulate.lava_backend.engine.processes.abstract import SampleModel
from spikewright.whole_files import whole_file


class Recorder(AbstractProcess):
    """Writes s_in[first], …, s_in[first + steps - 1] as `path` (.npy), time first.

    Steps count from 0 in each sample, and so does the file: who wants to keep it takes
    it away before the next sample. The array has the type `dtype`.

    Nothing travels from `tie_out` to `tie_in`. They connect what is not connected
    otherwise, because Lava runs only what hangs together.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        window: tuple[int, int],
        interval: int,
        dtype: type[np.generic],
        path: Path,
        name: str,
    ) -> None:
        super().__init__(
            shape=shape,
            window=window,
            interval=interval,
            dtype=dtype,
            path=path,
            name=name,
        )
        self.s_in = InPort(shape=shape)
        self.tie_in = InPort(shape=(1,))
        self.tie_out = OutPort(shape=(1,))


class RecorderModel(SampleModel):
    """Keeps the window in memory until it is full."""

    s_in: PyInPort

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.first, steps = proc_params["window"]
        self.kept: Array = np.zeros(
            (steps, *proc_params["shape"]), proc_params["dtype"]
        )

    def run_spk(self) -> None:
        """Receive, keep, and write with the last step of the window."""
        arrived = self.s_in.recv()
        self.check(arrived)
        index = self.step - self.first
        if 0 <= index < len(self.kept):
            self.kept[index] = arrived
        if index == len(self.kept) - 1:
            self.write()

    def check(self, arrived: Array) -> None:
        """Raise if a number does not fit its register."""

    def write(self) -> None:
        """Write the window: the file is whole or absent."""
        with (
            whole_file(self.proc_params["path"]) as temporary,
            temporary.open("wb") as file,
        ):
            np.save(file, self.kept, allow_pickle=False)


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyRecorderFloat(RecorderModel):
    """Records real numbers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    tie_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    tie_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRecorderFixed(RecorderModel):
    """Records integers.

    Raises:
        OverflowDetectedError: a sum does not fit 24 bits.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    tie_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tie_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def check(self, arrived: Array) -> None:
        """Raise `OverflowDetectedError` if a sum does not fit 24 bits."""
        if self.kept.itemsize > 1:  # spikes fit
            check_register(
                self.proc_params["name"], self.step, "sum a", arrived, MAX_MESSAGE
            )
