"""Synapses that stock Lava lacks: any linear map between two populations."""

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

from spikewright import nodes as n
from spikewright.linear import ends
from spikewright.loihi import MAX_MESSAGE
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.overflow import check_register
from spikewright.simulate.lava_backend.engine.processes.abstract import (
    SendingFirstModel,
)
from spikewright.simulate.lava_backend.engine.product import (
    graded_product,
    real_product,
    spike_product,
)


class LinearSynapses(AbstractProcess):
    """a_out[t] = weight s_in[t-1] * 2**exponent, as the node says.

    `size` is the number of sources; they send numbers if `is_graded`, else spikes.
    """

    def __init__(
        self,
        *,
        synapses: n.Synapses,
        size: int,
        is_graded: bool,
        interval: int,
        name: str,
    ) -> None:
        taken, given = ends(synapses, size)
        super().__init__(
            synapses=synapses,
            is_graded=is_graded,
            size=size,
            interval=interval,
            name=name,
        )
        self.s_in = InPort(shape=taken)
        self.a_out = OutPort(shape=given)


@implements(proc=LinearSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyLinearFloat(SendingFirstModel):
    """Real numbers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def prepare(self) -> None:
        """Cast the weights."""
        self.make = real_product(self.proc_params["synapses"], self.proc_params["size"])


@implements(proc=LinearSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLinearFixed(SendingFirstModel):
    """Integers.

    Raises:
        OverflowDetectedError: a sum over numbers does not fit 24 bits. Sums over spikes
            fit 32 bits, and whoever takes them checks.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def prepare(self) -> None:
        """Cast the weights."""
        is_graded = self.proc_params["is_graded"]
        product = graded_product if is_graded else spike_product
        self.multiply = product(self.proc_params["synapses"], self.proc_params["size"])
        self.make = self.checked if is_graded else self.multiply

    def checked(self, x: Array) -> Array:
        """Multiply, and check the sums."""
        sums = self.multiply(x)
        check_register(
            self.proc_params["name"], self.step, "weighted sum a", sums, MAX_MESSAGE
        )
        return sums
