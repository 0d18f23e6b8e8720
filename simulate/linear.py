"""Synapses applied to whole batches of signals, by matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.nodes import (
    ChannelSynapses,
    DenseSynapses,
    DiagonalSynapses,
    Shape,
    Synapses,
    TokenSynapses,
)

Batch = npt.NDArray[Any]


def apply_synapses(synapses: Synapses, x: Batch, target: Shape) -> Batch:
    """Return weight applied to x (batch, *source shape): (batch, *target shape).

    The exponent is left to the caller; the product has the type of `x`.
    """
    weight = synapses.weight.astype(x.dtype)
    out: Batch
    match synapses:
        case DenseSynapses():
            out = x.reshape(len(x), -1) @ weight.T
        case DiagonalSynapses():
            out = x.reshape(len(x), -1) * weight.reshape(-1)
        case TokenSynapses():
            out = _slide(weight, x)
        case ChannelSynapses():
            channels, _, sources = weight.shape
            by_channel = x.reshape(len(x), channels, sources).transpose(1, 0, 2)
            out = np.matmul(by_channel, weight.transpose(0, 2, 1)).transpose(1, 0, 2)
    shaped: Batch = out.reshape(len(x), *target)
    return shaped


def _slide(weight: Batch, x: Batch) -> Batch:
    """out[:, :, l] = sum_k weight[k] @ x[:, :, l + k]."""
    taps, _, channels = weight.shape
    tokens = x.reshape(len(x), channels, -1)
    length = tokens.shape[2] - taps + 1
    out: Batch = np.matmul(weight[0], tokens[:, :, :length])
    for tap in range(1, taps):
        out += np.matmul(weight[tap], tokens[:, :, tap : tap + length])
    return out
