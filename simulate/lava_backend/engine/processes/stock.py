"""Faster models of Lava's own LIF and RingBuffer, bit for bit equal to Lava's models.

Two differences, on purpose: each sample of `interval` steps starts from rest; and where
Lava's models wrap or saturate, these raise.
"""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF

from spikewright.loihi import DECAY_ONE, STATE_BITS
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.processes.abstract import (
    FixedNeuronModel,
    FloatNeuronModel,
    SampleModel,
)

# --- LIF -----------------------------------------------------------------------------


@implements(proc=LIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyLifFloat(FloatNeuronModel):
    """v[t] = v[t-1] (1 - dv) + u[t] + bias_mant; fires above vth, then v = 0."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    bias_mant: Array = LavaPyType(np.ndarray, float)
    bias_exp: Array = LavaPyType(np.ndarray, float)
    du: float = LavaPyType(float, float)
    dv: float = LavaPyType(float, float)
    vth: float = LavaPyType(float, float)

    def prepare(self) -> None:
        """Set the decays, as Lava's model rounds them."""
        self.kept_u = np.asarray(1 - self.du)
        self.kept_v = np.asarray(1 - self.dv)

    def fire(self) -> None:
        """Send spikes, and reset."""
        self.v += self.bias_mant
        spikes = self.v > self.vth
        self.s_out.send(spikes)
        self.v[spikes] = 0


@implements(proc=LIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyLifFixed(FixedNeuronModel):
    """v[t] = rsz(v[t-1] (4096 - dv), 12) + u[t] + (bias_mant << bias_exp).

    Fires above vth << 6, then v = 0. Lava adds 1 to du.
    """

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    bias_mant: Array = LavaPyType(np.ndarray, np.int32, precision=13)
    bias_exp: Array = LavaPyType(np.ndarray, np.int32, precision=3)
    du: int = LavaPyType(int, np.uint16, precision=12)
    dv: int = LavaPyType(int, np.uint16, precision=12)
    vth: int = LavaPyType(int, np.int32, precision=17)

    def prepare(self) -> None:
        """Set decays and threshold."""
        self.kept_u = (DECAY_ONE - 1 - np.asarray(self.du)) / DECAY_ONE
        self.kept_v = (DECAY_ONE - np.asarray(self.dv)) / DECAY_ONE
        self.threshold = np.asarray(self.vth) * 2**STATE_BITS
        self.bias = np.floor(self.bias_mant * 2.0**self.bias_exp)
        self.has_bias = bool(self.bias.any())

    def fire(self) -> None:
        """Check v, send spikes, and reset."""
        if self.has_bias:
            self.v += self.bias
        super().fire()
        spikes = self.v > self.threshold
        self.s_out.send(spikes)
        self.v[spikes] = 0


# --- RingBuffer ----------------------------------------------------------------------


class StreamModel(SampleModel):
    """Plays `data`; or, if given a `stream` of samples, those from their file.

    A RingBuffer holds one sample, (*shape, interval). The host would write the next one
    into it; this model reads each step from the disk as it needs it.
    """

    data: Array
    s_out: PyOutPort

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.samples: Array | None = None
        if path := proc_params.get("stream"):
            self.samples = np.load(path, mmap_mode="r", allow_pickle=False)
            self.silence: Array = np.zeros(self.samples.shape[2:])

    def run_spk(self) -> None:
        """Send the signal of this step; silence behind the sample."""
        if self.samples is None:
            self.s_out.send(self.data[..., self.step])
            return
        sample = self.samples[(self.time_step - 1) // self.interval]
        is_over = self.step >= len(sample)
        self.s_out.send(self.silence if is_over else sample[self.step])


@implements(proc=RingBuffer, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyStreamFloat(StreamModel):
    """Real numbers."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    data: Array = LavaPyType(np.ndarray, float)


@implements(proc=RingBuffer, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyStreamFixed(StreamModel):
    """Integers."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    data: Array = LavaPyType(np.ndarray, np.int32)
