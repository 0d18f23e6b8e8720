"""A delay line: the axonal delay that balances two paths."""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.processes.abstract import (
    SendingFirstModel,
)


class DelayLine(AbstractProcess):
    """a_out[t] = s_in[t - steps], with steps >= 1; 0 before."""

    def __init__(
        self, *, shape: tuple[int, ...], steps: int, interval: int, name: str
    ) -> None:
        super().__init__(shape=shape, steps=steps, interval=interval, name=name)
        self.s_in = InPort(shape=shape)
        self.a_out = OutPort(shape=shape)


class DelayModel(SendingFirstModel):
    """Sends on what arrived, `steps` later."""

    def prepare(self) -> None:
        """Set the length of the line."""
        self.late = self.proc_params["steps"]

    @staticmethod
    def make(x: Array) -> Array:
        """Return x."""
        return x


@implements(proc=DelayLine, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDelayFloat(DelayModel):
    """Real numbers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=DelayLine, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDelayFixed(DelayModel):
    """Integers of 24 bits."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
