"""A neuron that never fires and sends its potential."""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikewright.errors import OverflowDetectedError

Array = npt.NDArray[Any]

STATE_LIMIT = 1 << 23
"""signed 24 bits"""


class Integrator(AbstractProcess):
    """v[t] = kept v[t-1] + a_in[t]; sends gain * v[t], in the same step.

    In fixed point: v[t] = rsz(v[t-1] kept, 12) + (a_in[t] << 6), where `kept` counts
    4096ths and rsz shifts right towards zero; gain is 1.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kept: Array | int,
        gain: Array | float = 1.0,
        name: str,
    ) -> None:
        super().__init__(kept=kept, gain=gain, name=name)
        self.a_in = InPort(shape=shape)
        self.v_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=0)


@implements(proc=Integrator, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyIntegratorFloat(PyLoihiProcessModel):
    """v[t] = kept v[t-1] + a_in[t]; sends gain * v[t]."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    v: Array = LavaPyType(np.ndarray, float)

    def run_spk(self) -> None:
        """Receive, integrate, send."""
        self.v[...] = self.proc_params["kept"] * self.v + self.a_in.recv()
        self.v_out.send(self.proc_params["gain"] * self.v)


@implements(proc=Integrator, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyIntegratorFixed(PyLoihiProcessModel):
    """v[t] = rsz(v[t-1] kept, 12) + (a_in[t] << 6); sends v[t].

    Raises:
        OverflowDetectedError: v does not fit 24 bits.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: Array = LavaPyType(np.ndarray, np.int64, precision=24)

    def run_spk(self) -> None:
        """Receive, integrate, send."""
        decayed = self.v * int(self.proc_params["kept"])
        decayed = np.sign(decayed) * (np.abs(decayed) >> 12)
        self.v[...] = decayed + (self.a_in.recv().astype(np.int64) << 6)
        largest = int(np.abs(self.v).max())
        if largest >= STATE_LIMIT:
            raise OverflowDetectedError(
                f"integrators '{self.proc_params['name']}', step {self.time_step}: "
                f"a potential of {largest} does not fit 24 bits (below {STATE_LIMIT}); "
                "quantize with a larger margin"
            )
        self.v_out.send(self.v)
