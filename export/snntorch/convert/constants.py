"""Constants that pass linear maps, summed in an order of our own.

A matrix product of numpy or torch adds as processor and threads like, and so gives
other last bits on another machine. Here every product is added in the order of the
sources, one after the other, and nowhere else are sums part of a file.
"""

from __future__ import annotations

import numpy as np

from spikewright.values import FloatArray


def multiply_constant(weight: FloatArray, x: FloatArray) -> FloatArray:
    """Return y[…, t] = sum over s of weight[…, t, s] x[…, s], in float64."""
    columns = np.ascontiguousarray(np.moveaxis(weight, -1, 0), dtype=np.float64)
    total: FloatArray = columns[0] * x[..., 0, np.newaxis]
    for column, factor in zip(columns[1:], np.moveaxis(x, -1, 0)[1:], strict=True):
        total += column * factor[..., np.newaxis]
    return total


def convolve_constant(
    weight: FloatArray,
    x: FloatArray,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> FloatArray:
    """Correlate (channels, tokens…), already padded, with a kernel, in float64."""
    taps, ones = weight.shape[2:], (1,) * len(stride)
    kernel = weight.reshape(groups, -1, *weight.shape[1:]).astype(np.float64)
    seen = x.reshape(groups, -1, *x.shape[1:])
    axes = list(zip(x.shape[1:], taps, stride, dilation, strict=True))
    sizes = [(size - far * (tap - 1) - 1) // step + 1 for size, tap, step, far in axes]
    total = np.zeros((groups, kernel.shape[1], *sizes))
    for channel in range(seen.shape[1]):
        for place in np.ndindex(*taps):
            cut = tuple(
                slice(at * far, at * far + step * (size - 1) + 1, step)
                for at, far, step, size in zip(
                    place, dilation, stride, sizes, strict=True
                )
            )
            factors = kernel[(slice(None), slice(None), channel, *place)]
            total += (
                factors.reshape(groups, -1, *ones)
                * seen[(slice(None), channel, np.newaxis, *cut)]
            )
    return total.reshape(len(weight), *sizes)
