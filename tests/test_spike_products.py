"""Spike attention under each convention, against loops and published figures."""

import itertools

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.spike_products import (
    count_coincidences,
    count_mixtures,
    count_scores,
)

SHAPE = (2, 4, 8, 4)
"""samples, steps, tokens, width"""


def random_qkv():
    """Spikes at rate 0.3 with as many coincidences as reference/energy.md 3.3 has."""
    rng = np.random.default_rng(517620)
    return [rng.random(SHAPE) < 0.3 for _ in range(3)]


def test_conventions_differ_threefold_as_published():
    q, k, v = random_qkv()
    scores = count_scores(q, k).totals()
    # 88 spikes of q x 8 keys, 80 of k x 8 queries, 2 x 4 x 8 x 8 x 4 pairs
    assert scores == {
        "both": 226,
        "first_driven": 704,
        "second_driven": 640,
        "dense": 2048,
        "levels": 226,
    }
    product = np.einsum("stld,stmd->stlm", q.astype(int), k.astype(int))
    # 76 spikes of v x 8 queries
    assert count_mixtures(product, v).totals()["second_driven"] == 608


def pairs(samples_steps, rows, inner, columns):
    return itertools.product(samples_steps, range(rows), range(inner), range(columns))


def test_scores_equal_a_loop_over_pairs():
    rng = np.random.default_rng(0)
    q, k = rng.random((2, 3, 5, 4)) < 0.3, rng.random((2, 3, 6, 4)) < 0.4
    found = count_scores(q, k)
    wanted = {key: np.zeros((2, 3), dtype=int) for key in vars(found)}
    for cell, row, i, column in pairs(list(np.ndindex(2, 3)), 5, 4, 6):
        one, other = q[(*cell, row, i)], k[(*cell, column, i)]
        wanted["both"][cell] += one and other
        wanted["levels"][cell] += one and other
        wanted["first_driven"][cell] += one
        wanted["second_driven"][cell] += other
        wanted["dense"][cell] += 1
    for key, each in wanted.items():
        assert (getattr(found, key) == each).all(), key


def test_mixtures_equal_a_loop_over_pairs():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 3, (2, 3, 5, 6))
    v = rng.random((2, 3, 6, 4)) < 0.4
    found = count_mixtures(scores, v)
    wanted = {key: np.zeros((2, 3), dtype=int) for key in vars(found)}
    for cell, row, i, column in pairs(list(np.ndindex(2, 3)), 5, 6, 4):
        one, other = scores[(*cell, row, i)], v[(*cell, i, column)]
        wanted["both"][cell] += (one > 0) and other
        wanted["levels"][cell] += one * other
        wanted["first_driven"][cell] += one > 0
        wanted["second_driven"][cell] += other
        wanted["dense"][cell] += 1
    for key, each in wanted.items():
        assert (getattr(found, key) == each).all(), key


def test_heads_count_together():
    rng = np.random.default_rng(2)
    q, k = (rng.random((1, 2, 3, 5, 4)) < 0.3 for _ in range(2))
    whole = count_scores(q, k).totals()
    heads = [count_scores(q[:, :, i], k[:, :, i]).totals() for i in range(3)]
    assert whole == {key: sum(each[key] for each in heads) for key in whole}


def test_an_elementwise_product_of_a_channel_and_token():
    k = np.array([[[[1, 1, 0], [0, 1, 0]]]])
    v = np.array([[[[1, 0, 0], [1, 1, 1]]]])
    assert count_coincidences(k, v).totals() == {
        "both": 2,
        "first_driven": 3,
        "second_driven": 4,
        "dense": 6,
        "levels": 2,
    }


SPIKES = np.ones((1, 1, 2, 3), dtype=int)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: count_scores(SPIKES * 2, SPIKES), "q: a spike of 2"),
        (lambda: count_scores(SPIKES, SPIKES * 0.5), "k: float64 of shape"),
        (lambda: count_scores(SPIKES, SPIKES[..., :2]), "a product of shapes"),
        (lambda: count_mixtures(SPIKES, SPIKES), "inner axes of one length"),
        (lambda: count_mixtures(-SPIKES, SPIKES), "scores: int64 of shape"),
        (lambda: count_scores(SPIKES[0], SPIKES[0]), r"of shape \(1, 2, 3\)"),
        (lambda: count_coincidences(SPIKES, SPIKES[..., :2]), "allowed: equal"),
    ],
)
def test_refuses_what_is_no_product_of_spikes(call, words):
    with pytest.raises(InputError, match=words):
        call()
