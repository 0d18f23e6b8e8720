"""Each way to a product gives what the judge's equation says."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.simulate import kernels
from spikewright.simulate.kernels import Form, Sent, make_product
from spikewright.simulate.reference_maps import mapped

SAMPLES = 5
RNG = np.random.default_rng(1)


def _weight(*shape: int) -> np.ndarray:
    return RNG.integers(-127, 128, shape)


KINDS = {
    "dense": (n.DenseSynapses(_weight(7, 12), 2), (12,), (7,)),
    "token": (n.TokenSynapses(_weight(1, 5, 3)), (3, 4), (5, 4)),
    "window": (n.TokenSynapses(_weight(3, 5, 3), 1), (3, 6), (5, 4)),
    "channel": (n.ChannelSynapses(_weight(3, 2, 4)), (3, 4), (3, 2)),
    "sum": (n.ChannelSynapses(_weight(3, 1, 4)), (3, 4), (3, 1)),
    "broadcast": (n.ChannelSynapses(_weight(3, 4, 1)), (3, 1), (3, 4)),
    "diagonal": (n.DiagonalSynapses(_weight(3, 4), 3), (3, 4), (3, 4)),
    "same": (n.DiagonalSynapses(np.full((3, 4), -9)), (3, 4), (3, 4)),
    "conv": (
        n.ConvSynapses(
            *(_weight(6, 2, 3, 2), (4, 7, 6), (2, 1), ((1, 0), (0, 2)), (1, 2), 2),
            exponent=1,
        ),
        (4, 7, 6),
        (6, 3, 6),
    ),
    "depthwise": (
        n.ConvSynapses(_weight(4, 1, 2, 2), (4, 5, 5), groups=4),
        (4, 5, 5),
        (4, 4, 4),
    ),
    "sparse": (
        n.SparseSynapses(
            _weight(4), np.array([0, 2, 2, 3]), np.array([1, 0, 5, 3]), (4, 6)
        ),
        (6,),
        (4,),
    ),
}


def _spikes(shape: n.Shape, rate: float) -> tuple[np.ndarray, Sent]:
    """Return spikes as (samples, *shape), and as a population sends them."""
    x = np.random.default_rng(2).random((SAMPLES, *shape)) < rate
    mask = np.ascontiguousarray(x.reshape(SAMPLES, -1).T)
    values = mask.astype(np.float32)
    return x.astype(np.int64), Sent(values, mask, int(mask.sum()))


def _delivered(
    synapses: n.Synapses, sent: Sent, target: n.Shape, unit: float
) -> np.ndarray:
    out = np.full((int(np.prod(target)), SAMPLES), np.nan, np.float32)
    form = Form(SAMPLES, unit, np.float32)
    make_product(synapses, len(sent.values), form)(sent, out)
    return out.T.reshape(SAMPLES, *target)


@pytest.mark.parametrize("ways", ["dense", "by weight", "by spike"])
@pytest.mark.parametrize("kind", KINDS)
def test_products_are_the_equations(
    kind: str, ways: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "SPARSE_WEIGHTS", 2.0 if ways == "by weight" else 0.0)
    monkeypatch.setattr(kernels, "SPARSE_SPIKES", 2.0 if ways == "by spike" else 0.0)
    monkeypatch.setattr(kernels, "SPARSE_TARGETS", 0)
    monkeypatch.setattr(kernels, "SPARSE_SIZE", 0)
    synapses, source, target = KINDS[kind]
    x, sent = _spikes(source, 0.5)
    judge = [mapped(synapses, each).reshape(target) for each in x]
    np.testing.assert_array_equal(_delivered(synapses, sent, target, 1.0), judge)


@pytest.mark.parametrize("kind", KINDS)
def test_no_spikes_deliver_nothing(kind: str) -> None:
    synapses, source, target = KINDS[kind]
    _, sent = _spikes(source, 0.0)
    assert not _delivered(synapses, sent, target, 64.0).any()


def test_units_come_after_a_sum_is_rounded_down() -> None:
    # 3 - 8 = -5; -5 / 4 rounds down to -2; times 64
    synapses = n.DenseSynapses(np.array([[3, -8]]), -2)
    both = np.ones((2, SAMPLES), np.float32)
    sent = Sent(both, both > 0, 2 * SAMPLES)
    np.testing.assert_array_equal(_delivered(synapses, sent, (1,), 64.0), -128.0)


def test_graded_values_are_weighted() -> None:
    synapses = n.DenseSynapses(np.array([[3, -8]]), 1)
    values = np.tile(np.array([[100.0], [-7.0]], np.float32), SAMPLES)
    delivered = _delivered(synapses, Sent(values, None, None), (1,), 1.0)
    np.testing.assert_array_equal(delivered, 2 * (300 + 56))
