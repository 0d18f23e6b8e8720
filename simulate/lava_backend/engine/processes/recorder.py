"""A sink that keeps what arrives in a window of steps, and writes it to one file.

Lava's own sinks are read one number a message (about 20 us each).
"""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikewright.files import whole_file

Array = npt.NDArray[Any]


class Recorder(AbstractProcess):
    """Writes s_in[first], …, s_in[first + steps - 1] as `path` (.npy), time first.

    Steps count from 0. The array has the type `dtype`.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        first: int,
        steps: int,
        dtype: type[np.generic],
        path: Path,
        name: str,
    ) -> None:
        super().__init__(
            shape=shape, first=first, steps=steps, dtype=dtype, path=path, name=name
        )
        self.s_in = InPort(shape=shape)


class RecorderModel(PyLoihiProcessModel):
    """Keeps the window in memory until it is full."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        shape = (proc_params["steps"], *proc_params["shape"])
        self.kept: Array = np.zeros(shape, proc_params["dtype"])

    def run_spk(self) -> None:
        """Receive, keep, and write with the last step of the window."""
        arrived = self.s_in.recv()
        index = self.time_step - 1 - self.proc_params["first"]
        if 0 <= index < len(self.kept):
            self.kept[index] = arrived
        if index == len(self.kept) - 1:
            self.write()

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


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRecorderFixed(RecorderModel):
    """Records integers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
