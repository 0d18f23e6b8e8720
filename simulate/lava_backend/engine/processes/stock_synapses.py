"""Faster models of Lava's own Dense and Sparse, bit for bit equal to Lava's models.

Lava's models index matrices of integers, one by one; these multiply floats (BLAS), of a
width in which the integers are exact. Two differences, on purpose: each sample of
`interval` steps starts from rest; and only one delay for all synapses is taken. Sums of
real numbers agree to the last bit if they are exact in any order, as `align_weights`
makes them.
"""

# mypy: disable-error-code="misc, untyped-decorator"
# Lava has no stubs: its base classes and decorators are untyped.

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights
from scipy.sparse import csr_matrix

from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.processes.abstract import (
    SendingFirstModel,
)
from spikewright.simulate.lava_backend.engine.product import (
    FLOAT32_EXACT,
    Product,
    matrix_product,
)


class ConnectionModel(SendingFirstModel):
    """a_out[t] = weights s_in[t - 1 - delay], one delay for all synapses.

    If `num_message_bits` is 0, s_in is cast to bool, as Lava does.
    """

    weights: Any
    """(targets, sources), dense or sparse"""
    num_message_bits: Array = LavaPyType(np.ndarray, int, precision=5)

    def prepare(self) -> None:
        """Cast the weights, and set the length of the line."""
        self.late = 1 + self.delay()
        is_graded = self.num_message_bits.item() > 0
        multiply = self.product(is_graded=is_graded)
        self.make = multiply if is_graded else lambda x: multiply(x.astype(bool))

    def product(self, *, is_graded: bool) -> Product:
        """Return what multiplies by the weights."""
        raise NotImplementedError

    def delay(self) -> int:
        """Return the delay of all synapses; ValueError if they differ."""
        largest: int = self.proc_params.get("max_delay", 0)
        if largest:
            delays = self.delays
            values = delays.data if isinstance(delays, csr_matrix) else delays
            if np.any(values != largest) or np.size(values) != np.size(self.weights):
                raise ValueError(
                    f"'{self.proc_params['name']}': this model needs one delay for all "
                    "synapses; choose Lava's own models for several"
                )
        return largest


class FloatConnectionModel(ConnectionModel):
    """Real numbers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool, precision=1)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    a_buff: Array = LavaPyType(np.ndarray, float)

    def product(self, *, is_graded: bool) -> Product:
        """Return what multiplies by the weights; Lava ignores `weight_exp` here."""
        return matrix_product(self.weights, 0, np.float64)


class FixedConnectionModel(ConnectionModel):
    """Integers: weights as Lava clips and cuts them, and shifts their sums."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool, precision=1)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)
    a_buff: Array = LavaPyType(np.ndarray, np.int32, precision=16)

    def product(self, *, is_graded: bool) -> Product:
        """Return what multiplies by the weights that Lava keeps."""
        params, weights = self.proc_params, self.weights
        mode = params.get("sign_mode") or determine_sign_mode(weights)
        weights = clip_weights(weights, mode, num_bits=8)
        weights = truncate_weights(weights, mode, params.get("num_weight_bits", 8))
        largest = abs(weights).sum(axis=1).max() if weights.shape[1] else 0
        is_small = not is_graded and largest < FLOAT32_EXACT
        width = np.float32 if is_small else np.float64
        return matrix_product(weights, params.get("weight_exp", 0), width)


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDenseFloat(FloatConnectionModel):
    """Dense, real numbers."""

    weights: Array = LavaPyType(np.ndarray, float)


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyDenseFixed(FixedConnectionModel):
    """Dense, integers."""

    weights: Array = LavaPyType(np.ndarray, np.int32, precision=8)


@implements(proc=DelayDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDelayDenseFloat(FloatConnectionModel):
    """Dense with a delay, real numbers."""

    weights: Array = LavaPyType(np.ndarray, float)
    delays: Array = LavaPyType(np.ndarray, int)


@implements(proc=DelayDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyDelayDenseFixed(FixedConnectionModel):
    """Dense with a delay, integers."""

    weights: Array = LavaPyType(np.ndarray, np.int32, precision=8)
    delays: Array = LavaPyType(np.ndarray, np.int32, precision=6)


@implements(proc=Sparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySparseFloat(FloatConnectionModel):
    """Sparse, real numbers."""

    weights: csr_matrix = LavaPyType(csr_matrix, float)


@implements(proc=Sparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PySparseFixed(FixedConnectionModel):
    """Sparse, integers."""

    weights: csr_matrix = LavaPyType(csr_matrix, np.int32, precision=8)


@implements(proc=DelaySparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDelaySparseFloat(FloatConnectionModel):
    """Sparse with a delay, real numbers."""

    weights: csr_matrix = LavaPyType(csr_matrix, float)
    delays: csr_matrix = LavaPyType(csr_matrix, int)


@implements(proc=DelaySparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyDelaySparseFixed(FixedConnectionModel):
    """Sparse with a delay, integers."""

    weights: csr_matrix = LavaPyType(csr_matrix, np.int32, precision=8)
    delays: csr_matrix = LavaPyType(csr_matrix, np.int32, precision=6)
