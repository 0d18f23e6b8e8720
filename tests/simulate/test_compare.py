from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.simulate.compare import compare_traces
from spikewright.trace import SpikeTrace, merge_traces


def _trace(*spikes: int, output: float = 0.0) -> SpikeTrace:
    array = np.array(spikes, dtype=np.uint8).reshape(1, -1, 1)
    return SpikeTrace({"n": array}, np.full((1, len(spikes), 1), output))


def test_equal_traces() -> None:
    same = compare_traces(_trace(0, 1, 1), _trace(0, 1, 1))
    assert same.is_equal
    assert (same.compared, same.spikes, same.mismatches) == (3, 2, 0)


def test_the_first_difference_is_named() -> None:
    same = compare_traces(_trace(0, 1, 1), _trace(0, 0, 0))
    assert not same.is_equal
    assert (same.mismatches, same.first) == (2, "'n', sample 0, step 1")


def test_equal_spikes_with_another_output_are_not_equal() -> None:
    same = compare_traces(_trace(0, 1), _trace(0, 1, output=0.5))
    assert (same.mismatches, same.output_mismatches, same.is_equal) == (0, 2, False)


def test_what_both_were_given_does_not_count() -> None:
    same = compare_traces(_trace(0, 1, 1), _trace(0, 1, 1), given=["n"])
    assert (same.compared, same.spikes) == (0, 0)


def test_other_populations_or_shapes_are_refused() -> None:
    other = SpikeTrace({"m": np.zeros((1, 2, 1), np.uint8)}, np.zeros((1, 2, 1)))
    with pytest.raises(InputError, match="different populations: m, n"):
        compare_traces(_trace(0, 1), other)
    with pytest.raises(InputError, match="population 'n'"):
        compare_traces(_trace(0, 1), _trace(0, 1, 0))


def test_traces_merge_along_the_samples() -> None:
    merged = merge_traces([_trace(0, 1), _trace(1, 1)], {"backend": "here"})
    np.testing.assert_array_equal(merged.spikes["n"][:, :, 0], [[0, 1], [1, 1]])
    assert merged.samples == 2
    assert merged.rate("n") == 0.75
