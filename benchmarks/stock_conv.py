"""Token-wise layers as Lava users build them: a stock Conv, run by Lava's own model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from spikewright import nodes as n
from spikewright.simulate.lava_backend.engine import network
from spikewright.simulate.lava_backend.engine.populations import Parts
from spikewright.simulate.lava_backend.plan import Link

# Behind the engine, which mends Lava so that it can be imported.
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.proc.conv.models import AbstractPyConvModel  # isort: skip
from lava.proc.conv.process import Conv  # isort: skip

SIZES = ("kernel_size", "stride", "padding", "dilation", "groups")

make_synapses, connect = network.make_synapses, network._connect


@contextmanager
def stock_conv() -> Iterator[None]:
    """Let `build_network` make a Conv for each TokenSynapses."""
    with (
        patch.object(network, "make_synapses", _make_synapses),
        patch.object(network, "_connect", _connect),
    ):
        yield


@contextmanager
def wide_sizes() -> Iterator[None]:
    """Hold the sizes of a Conv in 32 bits instead of 8.

    With numpy 2 a product of two of them overflows from 128 channels on, and the model
    raises. This changes no arithmetic on signals.
    """
    wide = {name: LavaPyType(np.ndarray, np.int32, precision=8) for name in SIZES}
    with patch.multiple(AbstractPyConvModel, **wide):
        yield


def _make_synapses(parts: Parts, link: Link, name: str) -> Any:
    node = parts.graph.nodes[name]
    if not isinstance(node, n.TokenSynapses):
        return make_synapses(parts, link, name)
    channels, tokens = parts.graph.nodes[link.source].shape  # type: ignore[union-attr]
    # Conv has the channels last, flips its kernel and ignores the exponent.
    kernel = np.moveaxis(node.weight[::-1], 0, 1)[:, :, np.newaxis]
    return Conv(
        weight=kernel << node.exponent, input_shape=(tokens, 1, channels), name=name
    )


def _connect(sender: Any, receiver: Any) -> None:
    """Turn (channels, tokens) into Conv's (tokens, 1, channels), and back."""
    leaves, enters = network._sends(sender), receiver.in_ports.members[0]
    if isinstance(receiver, Conv):
        leaves.transpose([1, 0]).reshape(enters.shape).connect(enters)
    elif isinstance(sender, Conv):
        tokens, _, channels = leaves.shape
        leaves.reshape((tokens, channels)).transpose([1, 0]).connect(enters)
    else:
        connect(sender, receiver)
