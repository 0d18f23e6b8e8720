"""The product of synapses with what their source sends, weights prepared once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from spikewright import nodes as n
from spikewright.linear import apply_synapses, ends, fan_in, to_matrix
from spikewright.nodes import Array

Product = Callable[[Array], Array]

FLOAT32_EXACT = 1 << 24
"""float32 holds every integer up to here"""


def real_product(synapses: n.Synapses, size: int) -> Product:
    """Return x -> weight x * 2**exponent in float64, for a source of `size`."""
    weight = np.ldexp(synapses.weight.astype(np.float64), synapses.exponent)
    return _product(replace(synapses, weight=weight, exponent=0), size)


def spike_product(synapses: n.Synapses, size: int) -> Product:
    """Return x -> whole numbers weight x * 2**exponent, for spikes x, exactly.

    The product runs in floats (BLAS), of a width that holds it exactly.
    """
    largest = fan_in(synapses).max(initial=0)
    width = np.float32 if largest < FLOAT32_EXACT else np.float64
    return _whole(synapses, size, width)


def graded_product(synapses: n.Synapses, size: int) -> Product:
    """Return x -> whole numbers weight x * 2**exponent, for x of 24 bits, exactly."""
    return _whole(synapses, size, np.float64)


def matrix_product(
    weight: Any, exponent: int, width: type[np.floating[Any]]
) -> Product:
    """Return x -> weight x * 2**exponent; a negative exponent rounds the sum down.

    Args:
        weight: (targets, sources), dense or sparse.
        exponent: 0 for real numbers.
        width: float32 or float64, in which the sums are exact.
    """
    weight = weight.astype(width) * width(2.0**exponent)
    return _rounded(lambda x: weight @ x.reshape(-1), exponent, width)


def _whole(synapses: n.Synapses, size: int, width: type[np.floating[Any]]) -> Product:
    weight = np.ldexp(synapses.weight.astype(width), synapses.exponent)
    multiply = _product(replace(synapses, weight=weight, exponent=0), size)
    return _rounded(multiply, synapses.exponent, width)


def _product(synapses: n.Synapses, size: int) -> Product:
    given = ends(synapses, size)[1]
    if isinstance(synapses, n.SparseSynapses):
        matrix = to_matrix(synapses, synapses.weight)
        return lambda x: matrix @ x.reshape(-1)
    return lambda x: apply_synapses(synapses, x[np.newaxis], given)[0]


def _rounded(
    multiply: Product, exponent: int, width: type[np.floating[Any]]
) -> Product:
    if exponent >= 0:
        return lambda x: multiply(x.astype(width, copy=False))
    return lambda x: np.floor(multiply(x.astype(width, copy=False)))
