"""Synapses that stock Lava lacks: one linear map between two populations.

A model sends what it accumulated one step ago, then accumulates: this is the one step
of a synapse, and what keeps loops from blocking. `a_buff` is what it sends next.
"""

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
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikewright.errors import OverflowDetectedError

Array = npt.NDArray[Any]

ACCUMULATOR_LIMIT = 1 << 23
"""signed 24 bits"""


class LinearSynapses(AbstractProcess):
    """Ports of the kinds below; `weight` holds real numbers, or integers as floats."""

    def __init__(
        self,
        *,
        weight: Array,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        name: str,
    ) -> None:
        super().__init__(weight=weight, out_shape=out_shape, name=name)
        self.s_in = InPort(shape=in_shape)
        self.a_out = OutPort(shape=out_shape)


class TokenWise(LinearSynapses):
    """a_out[:, l] = sum_k weight[k] @ s_in[:, l + k], one step later.

    weight: (taps, target channels, source channels).
    """


class ChannelWise(LinearSynapses):
    """a_out[c] = weight[c] @ s_in[c], one step later.

    weight: (channels, target tokens, source tokens).
    """


class Diagonal(LinearSynapses):
    """a_out = weight * s_in, elementwise, one step later."""


def token_product(weight: Array, x: Array) -> Array:
    """Slide the taps over the tokens: (source channels, tokens) to (target, tokens)."""
    length = x.shape[1] - len(weight) + 1
    total: Array = weight[0] @ x[:, :length]
    for k in range(1, len(weight)):
        total += weight[k] @ x[:, k : k + length]
    return total


def channel_product(weight: Array, x: Array) -> Array:
    """Multiply each channel's matrix with its tokens."""
    product: Array = np.matmul(weight, x[:, :, np.newaxis])[:, :, 0]
    return product


def diagonal_product(weight: Array, x: Array) -> Array:
    """Multiply elementwise."""
    product: Array = weight * x
    return product


class FloatModel(PyLoihiProcessModel):
    """Real numbers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.weight: Array = proc_params["weight"]
        self.a_buff: Array = np.zeros(proc_params["out_shape"])

    @staticmethod
    def multiply(weight: Array, x: Array) -> Array:
        """Return the sums at the targets."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """Send, then accumulate."""
        self.a_out.send(self.a_buff)
        self.a_buff = self.multiply(self.weight, self.s_in.recv())


class FixedModel(PyLoihiProcessModel):
    """Integers. The product runs in floats (BLAS), of a width that holds it exactly.

    Raises:
        OverflowDetectedError: a sum does not fit 24 bits.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.weight: Array = proc_params["weight"]
        self.label: str = proc_params["name"]
        self.a_buff: Array = np.zeros(proc_params["out_shape"], np.int32)

    @staticmethod
    def multiply(weight: Array, x: Array) -> Array:
        """Return the sums at the targets."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """Send, then accumulate."""
        self.a_out.send(self.a_buff)
        sums = self.multiply(self.weight, self.s_in.recv().astype(self.weight.dtype))
        largest = float(np.abs(sums).max())
        if largest >= ACCUMULATOR_LIMIT:
            raise OverflowDetectedError(
                f"synapses '{self.label}', step {self.time_step}: a sum of "
                f"{largest:.0f} does not fit 24 bits (below {ACCUMULATOR_LIMIT}); "
                "quantize with a larger margin"
            )
        self.a_buff = sums.astype(np.int32)


@implements(proc=TokenWise, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyTokenWiseFloat(FloatModel):
    """Real numbers."""

    multiply = staticmethod(token_product)


@implements(proc=TokenWise, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyTokenWiseFixed(FixedModel):
    """Integers."""

    multiply = staticmethod(token_product)


@implements(proc=ChannelWise, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyChannelWiseFloat(FloatModel):
    """Real numbers."""

    multiply = staticmethod(channel_product)


@implements(proc=ChannelWise, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyChannelWiseFixed(FixedModel):
    """Integers."""

    multiply = staticmethod(channel_product)


@implements(proc=Diagonal, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDiagonalFloat(FloatModel):
    """Real numbers."""

    multiply = staticmethod(diagonal_product)


@implements(proc=Diagonal, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDiagonalFixed(FixedModel):
    """Integers."""

    multiply = staticmethod(diagonal_product)
