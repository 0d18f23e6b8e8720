"""Products of synapses for many samples at once, as fast as numpy and SciPy go.

Signals are (neurons, samples): with the samples last, every kind of synapse multiplies
from the left, so that each is one matrix product without transposing anything.

Three ways lead to a product; which is fastest depends on how much of it is zero.
`benchmarks/integer_rate.py` measures where they cross.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from spikewright.linear import ends, to_matrix, windows
from spikewright.nodes import (
    ChannelSynapses,
    ConvSynapses,
    DenseSynapses,
    DiagonalSynapses,
    Shape,
    SparseSynapses,
    Synapses,
    TokenSynapses,
)

SPARSE_WEIGHTS = 0.1
"""below this share of non-zero weights, a sparse matrix is faster than BLAS"""
SPARSE_SPIKES = 0.05
"""below this share of spikes, adding up their weights is faster than BLAS"""
SPARSE_TARGETS = 64
"""for fewer targets the weights of a spike are too few to add quickly"""
SPARSE_SIZE = 2**20
"""products of fewer multiplications are over before a sparse one is set up"""
_TILE = 16
"""columns transposed at once: as many float32 as fit a cache line"""

Float: TypeAlias = type[np.float32] | type[np.float64]
Batch: TypeAlias = npt.NDArray[Any]
"""(neurons, samples) or a reshaped view of it, float32 or float64"""
Kernel: TypeAlias = Callable[[Batch, Batch], None]
"""writes weight @ x into out, from (x, out)"""
Product: TypeAlias = Callable[["Sent", Batch], None]
"""writes what synapses deliver into (neurons, samples), from (sent, out)"""


@dataclass(eq=False)
class Sent:
    """What a population sends in one step."""

    values: Batch
    """(neurons, samples), float32: spikes as 0 or 1, or graded values"""
    mask: npt.NDArray[np.bool_] | None
    """where a spike is; None if graded"""
    spikes: int | None
    """how many there are; None if graded"""

    @property
    def is_silent(self) -> bool:
        """Say whether nothing was sent."""
        return self.spikes == 0


@dataclass(frozen=True)
class Form:
    """What a product is made for."""

    batch: int
    unit: float
    """factor on top of the weights and their exponent"""
    dtype: Float


def make_product(synapses: Synapses, size: int, form: Form) -> Product:
    """Return the product of synapses with a source of `size` neurons.

    The exponent and the unit are multiplied into the weights beforehand, which a power
    of two does exactly; a negative exponent rounds the sum down, so it comes after.
    """
    shift = synapses.exponent
    factor = form.unit * 2.0**shift if shift >= 0 else 1.0
    weight: Batch = synapses.weight.astype(form.dtype)
    np.multiply(weight, factor, out=weight)
    product = _product(synapses, weight, size, form)
    if shift >= 0:
        return product
    return partial(_rounded_down, product, 2.0**shift, form.unit)


def _rounded_down(
    product: Product, factor: float, unit: float, sent: Sent, out: Batch
) -> None:
    product(sent, out)
    np.multiply(out, factor, out=out)
    np.floor(out, out=out)
    np.multiply(out, unit, out=out)


def _product(synapses: Synapses, weight: Batch, size: int, form: Form) -> Product:
    kernel: Kernel
    match synapses:
        case DenseSynapses():
            return _matrix(weight)
        case TokenSynapses():
            return _tokens(synapses, weight, size, form)
        case DiagonalSynapses():
            kernel = partial(_elementwise, _repeated(weight, form.batch))
        case ChannelSynapses():
            kernel = partial(_by_channel, weight)
        case ConvSynapses():
            kernel = _convolution(synapses, weight, form)
        case SparseSynapses():
            kernel = partial(_sparse_weights, to_matrix(synapses, weight))
    return _on_values(kernel)


def _on_values(kernel: Kernel) -> Product:
    return partial(_apply, kernel)


def _apply(kernel: Kernel, sent: Sent, out: Batch) -> None:
    kernel(sent.values, out)


# --- one matrix ----------------------------------------------------------------------


def _matrix(weight: Batch) -> Product:
    """Choose the product with a matrix (targets, sources), by the zeros in it."""
    if np.count_nonzero(weight) < SPARSE_WEIGHTS * weight.size:
        return _on_values(partial(_sparse_weights, sparse.csr_array(weight)))
    return partial(_by_activity, _Matrix(weight))


@dataclass(frozen=True, eq=False)
class _Matrix:
    weight: Batch
    """(targets, sources)"""

    @cached_property
    def by_source(self) -> Batch:
        """(sources, targets), copied when spikes are first few enough to need it."""
        return np.ascontiguousarray(self.weight.T)


def _by_activity(matrix: _Matrix, sent: Sent, out: Batch) -> None:
    """Choose the product by the spikes of this step."""
    mask, spikes, weight = sent.mask, sent.spikes, matrix.weight
    if (
        mask is not None
        and spikes is not None
        and spikes < SPARSE_SPIKES * mask.size
        and len(weight) >= SPARSE_TARGETS
        and mask.size * len(weight) >= SPARSE_SIZE
    ):
        seen = mask.reshape(weight.shape[1], -1)
        sparse_spikes(matrix.by_source, seen, spikes, out)
    else:
        dense(weight, sent.values, out)


def dense(weight: Batch, x: Batch, out: Batch) -> None:
    """Write weight @ x; the columns are samples, or tokens of samples."""
    columns = x.reshape(weight.shape[1], -1)
    np.matmul(weight, columns, out=out.reshape(len(weight), -1))


def _sparse_weights(weight: sparse.csr_array, x: Batch, out: Batch) -> None:
    """Write weight @ x, row by row: each non-zero weight adds a row of x."""
    columns = x.reshape(weight.shape[1], -1)
    out.reshape(weight.shape[0], -1)[...] = weight @ columns


def sparse_spikes(
    by_source: Batch, mask: npt.NDArray[np.bool_], spikes: int, out: Batch
) -> None:
    """Write weight @ x, spike by spike: each adds its source's weights.

    Args:
        by_source: (sources, targets).
        mask: (sources, columns), where x is 1.
        spikes: how many there are.
        out: (targets, columns), or a view of it.
    """
    sources, columns = mask.shape
    found = np.flatnonzero(mask)
    ends_of_rows = np.searchsorted(found, np.arange(sources + 1) * columns)
    x = sparse.csr_array(
        (
            np.ones(spikes, by_source.dtype),
            (found % columns).astype(np.int32),
            ends_of_rows.astype(np.int32),
        ),
        shape=mask.shape,
    )
    y = x.T @ by_source
    wide = out.reshape(-1, columns)
    for start in range(0, columns, _TILE):
        wide[:, start : start + _TILE] = y[start : start + _TILE].T


# --- the other kinds -----------------------------------------------------------------


def _tokens(synapses: TokenSynapses, weight: Batch, size: int, form: Form) -> Product:
    """Return one product per tap; with samples last, a window of tokens is a block."""
    taken, given = ends(synapses, size)
    taps = [_matrix(each) for each in weight]
    if len(taps) == 1:
        return taps[0]
    scratch = np.empty((given[0], given[1] * form.batch), form.dtype)
    return partial(_slide, taps, taken, scratch)


def _slide(
    taps: list[Product], taken: Shape, scratch: Batch, sent: Sent, out: Batch
) -> None:
    """Add one product per tap, on the tokens that it sees."""
    length = taken[1] - len(taps) + 1
    batch = sent.values.shape[1]
    total = out.reshape(scratch.shape)
    for tap, product in enumerate(taps):
        seen = slice(tap * batch, (tap + length) * batch)
        part = _columns(sent, taken[0], seen)
        product(part, scratch if tap else total)
        if tap:
            np.add(total, scratch, out=total)


def _columns(sent: Sent, rows: int, seen: slice) -> Sent:
    values = sent.values.reshape(rows, -1)[:, seen]
    if sent.mask is None:
        return Sent(values, None, None)
    mask = sent.mask.reshape(rows, -1)[:, seen]
    return Sent(values, mask, int(np.count_nonzero(mask)))


def _repeated(weight: Batch, batch: int) -> Batch:
    """Return a number if all are equal, else one column a sample.

    Rows of a few samples are too short to broadcast along quickly.
    """
    flat = weight.reshape(-1, 1)
    return flat[0] if np.all(flat == flat[0]) else np.repeat(flat, batch, axis=1)


def _elementwise(weight: Batch, x: Batch, out: Batch) -> None:
    np.multiply(x, weight, out=out)


def _by_channel(weight: Batch, x: Batch, out: Batch) -> None:
    """Write weight[c] @ x[c] for each channel c."""
    channels, targets, sources = weight.shape
    given = x.reshape(channels, sources, -1)
    wide = out.reshape(channels, targets, -1)
    if sources == 1:  # a broadcast, for which matmul is slow
        np.einsum("cts,csb->ctb", weight, given, out=wide)
    else:
        np.matmul(weight, given, out=wide)


def _convolution(synapses: ConvSynapses, weight: Batch, form: Form) -> Kernel:
    """Return one matrix product per group over all that its kernel sees."""
    groups, batch = synapses.groups, form.batch
    channels, rows, columns = synapses.shape
    (top, bottom), (left, right) = synapses.padding
    shape = (channels, top + rows + bottom, left + columns + right, batch)
    wide = np.zeros(shape, form.dtype)
    inside = wide[:, top : top + rows, left : left + columns]
    places = (weight[0, 0].size, *synapses.target_shape[1:], batch)
    seen = np.empty((channels, *places), form.dtype)
    kernel = weight.reshape(groups, len(weight) // groups, -1)
    parts = [wide[:, *each] for _, each in windows(synapses)]
    return partial(_unfold, inside, parts, seen, kernel)


def _unfold(
    inside: Batch, parts: list[Batch], seen: Batch, kernel: Batch, x: Batch, out: Batch
) -> None:
    inside[...] = x.reshape(inside.shape)
    for place, part in enumerate(parts):
        seen[:, place] = part
    groups, targets, fan = kernel.shape
    np.matmul(
        kernel,
        seen.reshape(groups, fan, -1),
        out=out.reshape(groups, targets, -1),
    )
