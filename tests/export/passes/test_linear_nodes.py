"""NIR's linear nodes as synapses, against the equations of the reference executor."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.export.passes.linear_nodes import bias_of, size_taken, to_synapses
from spikewright.linear import apply_synapses, ends
from spikewright.simulate.reference_maps import mapped


def _integers(*shape: int) -> np.ndarray:
    return np.random.default_rng(prod(shape)).integers(-4, 5, shape).astype(float)


# node, shape of the source, kind of the synapses
NODES: dict[str, tuple[n.LinearMap, tuple[int, ...], type]] = {
    "affine": (n.Affine(_integers(4, 6), _integers(4)), (6,), n.DenseSynapses),
    "linear": (n.Linear(_integers(4, 6)), (6,), n.DenseSynapses),
    "affine, leading axis": (
        n.Affine(_integers(3, 4, 6), _integers(3, 4)),
        (3, 6),
        n.ChannelSynapses,
    ),
    "linear, leading axes": (
        n.Linear(_integers(2, 3, 4, 5)),
        (2, 3, 5),
        n.ChannelSynapses,
    ),
    "scale": (n.Scale(_integers(2, 3)), (2, 3), n.DiagonalSynapses),
    "conv1d": (
        n.Conv1d(_integers(4, 2, 3), _integers(4), 7),
        (2, 7),
        n.TokenSynapses,
    ),
    "conv1d, stride": (
        n.Conv1d(_integers(4, 2, 3), _integers(4), 8, stride=2),
        (2, 8),
        n.ConvSynapses,
    ),
    "conv1d, padding": (
        n.Conv1d(_integers(4, 2, 3), _integers(4), 7, padding=(2, 0)),
        (2, 7),
        n.ConvSynapses,
    ),
    "conv1d, dilation": (
        n.Conv1d(_integers(4, 2, 3), _integers(4), 7, dilation=3),
        (2, 7),
        n.ConvSynapses,
    ),
    "conv1d, groups": (
        n.Conv1d(_integers(4, 2, 3), _integers(4), 7, groups=2),
        (4, 7),
        n.ConvSynapses,
    ),
    "conv2d": (
        n.Conv2d(_integers(4, 2, 2, 3), _integers(4), (5, 6)),
        (2, 5, 6),
        n.ConvSynapses,
    ),
    "conv2d, all options": (
        n.Conv2d(
            _integers(4, 1, 2, 3),
            _integers(4),
            (5, 9),
            (2, 1),
            ((1, 0), (0, 2)),
            (1, 2),
            2,
        ),
        (2, 5, 9),
        n.ConvSynapses,
    ),
    "sum pool": (
        n.SumPool2d((2, 5, 6), (2, 3), (1, 2), (1, 0)),
        (2, 5, 6),
        n.ConvSynapses,
    ),
    "average pool": (
        n.AvgPool2d((2, 5, 6), (2, 4), (2, 1), (0, 1)),
        (2, 5, 6),
        n.ConvSynapses,
    ),
}
every_node = pytest.mark.parametrize("kind", NODES)


@every_node
def test_synapses_and_bias_are_the_node(kind: str) -> None:
    node, source, wanted = NODES[kind]
    synapses = to_synapses(node)
    assert isinstance(synapses, wanted)
    assert size_taken(node) == prod(source)
    x = _integers(*source)
    given = ends(synapses, prod(source))[1]
    y = apply_synapses(synapses, x[np.newaxis], given).reshape(-1)
    bias = bias_of(node, given)
    total = y if bias is None else y + bias
    np.testing.assert_array_equal(total, mapped(node, x).reshape(-1))
    assert (bias is not None) == hasattr(node, "bias")


def test_a_bias_of_zeros_is_none() -> None:
    assert bias_of(n.Affine(np.ones((2, 2)), np.zeros(2)), (2,)) is None
    conv = n.Conv2d(np.ones((2, 2, 1, 1)), np.zeros(2), (3, 3))
    assert bias_of(conv, (2, 3, 3)) is None


def test_matrices_are_shared_not_copied() -> None:
    for weight in (_integers(4, 6), _integers(3, 4, 6), _integers(4, 2, 1, 3)):
        node = (
            n.Linear(weight) if weight.ndim < 4 else n.Conv2d(weight, weight[0], (1, 5))
        )
        assert to_synapses(node).weight is node.weight
    scale = n.Scale(_integers(3))
    assert to_synapses(scale).weight is scale.scale


def test_float32_weights_become_float64() -> None:
    node = n.Linear(np.array([[0.1]], np.float32))  # type: ignore[arg-type]
    weight = to_synapses(node).weight
    assert (weight.dtype, weight[0, 0]) == (np.float64, np.float64(np.float32(0.1)))
