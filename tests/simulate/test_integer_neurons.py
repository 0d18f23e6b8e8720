"""Float32 arithmetic against the integers that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.simulate.integer_neurons import make_decay

STATE_LIMIT = 2**23


def _rsz(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Shift x k right by 12, towards zero, in 64 bits."""
    product = x.astype(np.int64) * k
    return np.sign(product) * (np.abs(product) >> 12)


def _states(rng: np.random.Generator, limit: int) -> np.ndarray:
    """Return random and extreme states: around 0, multiples of 4096, and the limit."""
    edges = np.array([1, 2, 63, 64, 4095, 4096, 4097, 8191, limit // 2, limit - 1])
    edges = edges[edges < limit]
    near = 4096 * rng.integers(1, max(2, limit // 4096), 40) + rng.integers(-2, 3, 40)
    drawn = rng.integers(0, limit, 400)
    magnitudes = np.concatenate([[0], edges, near[near < limit], drawn])
    return np.concatenate([magnitudes, -magnitudes])


def _decayed(d: np.ndarray, x: np.ndarray, bound: float, dtype: type) -> np.ndarray:
    values = np.repeat(x[np.newaxis], len(d), axis=0).astype(dtype)
    decay = make_decay(d, bound, len(x), dtype)
    decay(values, np.empty_like(values))
    return values.astype(np.int64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_decay_shifts_like_integers(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x = _states(rng, STATE_LIMIT)
    d = np.arange(4097).reshape(-1, 1)
    expected = _rsz(x[np.newaxis], 4096 - d)
    np.testing.assert_array_equal(_decayed(d, x, np.inf, dtype), expected)


@pytest.mark.parametrize("d", [0, 1, 7, 1024, 2048, 2049, 3072, 4094, 4095, 4096])
@pytest.mark.parametrize("bits", [4, 12, 18, 21, 22, 23])
def test_a_shared_decay_of_bounded_states(d: int, bits: int) -> None:
    """Small states, and decays with few odd bits, take a shorter way."""
    x = _states(np.random.default_rng(bits), 2**bits)
    column = np.array([[d]])
    decayed = _decayed(column, x, 2.0**bits, np.float32)
    np.testing.assert_array_equal(decayed, _rsz(x[np.newaxis], 4096 - column))


def test_the_shorter_way_alone_would_be_wrong() -> None:
    # x = 2047 4096 + 1 and k = 4095: x k / 4096 = x - 2047 - 1/4096 = 8382465.9998,
    # which float32, in steps of 1/2 there, rounds up to 8382466.
    x, k = 2047 * 4096 + 1, 4095
    assert np.trunc(np.float32(x) * np.float32(k / 4096)) == 8382466
    decayed = _decayed(np.array([[4096 - k]]), np.array([x]), np.inf, np.float32)
    assert decayed[0, 0] == 8382465
