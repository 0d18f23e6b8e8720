"""Neurons that stock Lava lacks: integrators that send numbers, and the soft reset."""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikewright.loihi import STATE_BITS
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.processes.abstract import (
    FixedNeuronModel,
    FloatNeuronModel,
)

PerNeuron = Array | float


class Neurons(AbstractProcess):
    """u[t] = kept_u u[t-1] + a_in[t];  v[t] = kept_v v[t-1] + u[t]; see below.

    In fixed point u and v are rounded towards zero and a_in is shifted by 6 bits, as in
    Lava's LIF, and `kept` is a number of 4096ths divided by 4096.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kept_u: PerNeuron,
        kept_v: PerNeuron,
        interval: int,
        name: str,
        **own: PerNeuron,
    ) -> None:
        super().__init__(
            kept_u=kept_u, kept_v=kept_v, interval=interval, name=name, **own
        )
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.u = Var(shape=shape, init=0)
        self.v = Var(shape=shape, init=0)


class Integrator(Neurons):
    """Sends gain * v[t]; in fixed point v[t]. Takes `gain` besides."""


class SoftResetLIF(Neurons):
    """s_out[t] = v[t] > vth, where v[t] has lost `drop` if s_out[t-1].

    Takes `vth` and `drop` besides; in fixed point both count units of 2**6.
    """


class OwnDecays:
    """Takes the decays from the parameters of the Process."""

    proc_params: Any

    def prepare(self) -> None:
        """Set kept_u and kept_v."""
        self.kept_u = self.proc_params["kept_u"]
        self.kept_v = self.proc_params["kept_v"]


@implements(proc=Integrator, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyIntegratorFloat(OwnDecays, FloatNeuronModel):
    """Sends gain * v[t]."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def fire(self) -> None:
        """Send."""
        self.s_out.send(self.proc_params["gain"] * self.v)


@implements(proc=Integrator, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyIntegratorFixed(OwnDecays, FixedNeuronModel):
    """Sends v[t]."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def fire(self) -> None:
        """Check v and send it."""
        super().fire()
        self.s_out.send(self.v.astype(np.int32))


@implements(proc=SoftResetLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySoftResetFloat(OwnDecays, FloatNeuronModel):
    """v[t] loses `drop` where it fired a step ago, after the decay."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def rest(self) -> None:
        """Forget the last sample."""
        super().rest()
        self.spikes = np.zeros(self.v.shape)

    def fire(self) -> None:
        """Drop, and send spikes."""
        self.v = self.v - self.proc_params["drop"] * self.spikes
        self.spikes = (self.v > self.proc_params["vth"]).astype(float)
        self.s_out.send(self.spikes)


@implements(proc=SoftResetLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySoftResetFixed(OwnDecays, FixedNeuronModel):
    """v[t] loses drop << 6 where it fired a step ago, after the decay."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def rest(self) -> None:
        """Forget the last sample."""
        super().rest()
        self.spikes = np.zeros(self.v.shape, np.int32)

    def fire(self) -> None:
        """Drop, check v and send spikes."""
        self.v -= self.proc_params["drop"] * 2.0**STATE_BITS * self.spikes
        super().fire()
        threshold = self.proc_params["vth"] * 2**STATE_BITS
        self.spikes = (self.v > threshold).astype(np.int32)
        self.s_out.send(self.spikes)
