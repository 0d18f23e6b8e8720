"""What our models share: samples start from rest, synapses send before they receive."""

# mypy: disable-error-code="misc"
# Lava has no stubs: its base classes are untyped.

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from spikewright.loihi import MAX_CURRENT, STATE_BITS, STATE_LIMIT
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.overflow import check_register


class SampleModel(PyLoihiProcessModel):
    """Plays samples of `interval` steps, one after the other, each from rest.

    Nothing is compiled or set anew between two samples.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.interval: int = proc_params["interval"]

    @property
    def step(self) -> int:
        """Step of the sample, from 0 on; Lava's time starts at 1."""
        return int(self.time_step - 1) % self.interval


class SendingFirstModel(SampleModel):
    """Sends what it made of its input `late` steps ago, then receives.

    This is the one step of a synapse, and what keeps loops from blocking.
    """

    s_in: PyInPort
    a_out: PyOutPort
    late = 1
    make: Callable[[Array], Array]
    """from what arrives to what leaves"""

    def prepare(self) -> None:
        """Set `make` and `late`; the Vars hold their values by now."""

    def announce(self) -> None:
        """Send the oldest message; silence for the first steps of a sample."""
        if self.time_step == 1:
            self.prepare()
        if self.step == 0:
            self.line = deque([np.zeros(self.a_out.shape)] * self.late)
        self.a_out.send(self.line.popleft())

    def take(self) -> None:
        """Receive."""
        self.line.append(self.make(self.s_in.recv()))

    def run_spk(self) -> None:
        """Send, then receive."""
        self.announce()
        self.take()


class NeuronModel(SampleModel):
    """u[t] = kept_u u[t-1] + a[t];  v[t] = kept_v v[t-1] + u[t], then `fire`."""

    a_in: PyInPort
    u: Array
    v: Array
    kept_u: Array
    kept_v: Array
    has_memory: bool
    """whether some u is kept"""

    def prepare(self) -> None:
        """Set kept_u and kept_v; the Vars hold their values by now."""
        raise NotImplementedError

    def integrate(self, a: Array) -> None:
        """Update u and v."""
        raise NotImplementedError

    def fire(self) -> None:
        """Send, and reset."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """Receive, integrate, send."""
        if self.time_step == 1:
            self.prepare()
            self.has_memory = bool(np.any(self.kept_u))
        if self.step == 0:
            self.rest()
        self.integrate(self.a_in.recv())
        self.fire()

    def rest(self) -> None:
        """Forget the last sample."""
        self.u, self.v = np.zeros(self.u.shape), np.zeros(self.v.shape)


class FloatNeuronModel(NeuronModel):
    """Real numbers."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    u: Array = LavaPyType(np.ndarray, float)
    v: Array = LavaPyType(np.ndarray, float)

    def integrate(self, a: Array) -> None:
        """Update u and v, in the order of Lava's own model: it decides the last bit."""
        self.u = self.kept_u * self.u + a if self.has_memory else a
        self.v = self.kept_v * self.v + self.u


class FixedNeuronModel(NeuronModel):
    """u = rsz(u kept, 12) + (a << 6), and v likewise; rsz rounds towards zero.

    kept_u and kept_v count ones, not 4096ths: in float64 the product of a 24-bit state
    with a 12-bit decay is exact, and so is cutting its fraction off.

    Raises:
        OverflowDetectedError: a, u or v does not fit its register.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=16)
    u: Array = LavaPyType(np.ndarray, float, precision=24)
    v: Array = LavaPyType(np.ndarray, float, precision=24)

    def integrate(self, a: Array) -> None:
        """Update u and v."""
        self.check("weighted input a", a, MAX_CURRENT)
        u = a * 2.0**STATE_BITS
        if self.has_memory:
            u += np.trunc(self.u * self.kept_u)
            self.check("synaptic current u", u, STATE_LIMIT)
        v = self.v * self.kept_v
        np.trunc(v, out=v)
        v += u
        self.u, self.v = u, v

    def check(self, what: str, values: Array, limit: int) -> None:
        """Raise `OverflowDetectedError` if a magnitude reaches `limit`."""
        check_register(self.proc_params["name"], self.step, what, values, limit)

    def fire(self) -> None:
        """Check v."""
        self.check("membrane potential v", self.v, STATE_LIMIT)
