from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.simulate.compare import compare_traces
from spikewright.trace import Keep, SpikeTrace, TracePolicy, collect_traces


def _trace(*spikes: int, output: float = 0.0) -> SpikeTrace:
    array = np.array(spikes, dtype=np.uint8).reshape(1, -1, 1)
    return SpikeTrace({"n": array}, {"out": np.full((1, len(spikes), 1), output)})


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
    zeros = np.zeros((1, 2, 1))
    other = SpikeTrace({"m": zeros.astype(np.uint8)}, {"out": zeros})
    with pytest.raises(InputError, match="different populations: m, n"):
        compare_traces(_trace(0, 1), other)
    with pytest.raises(InputError, match="population 'n'"):
        compare_traces(_trace(0, 1), _trace(0, 1, 0))


def test_all_outputs_are_compared() -> None:
    zeros, ones = np.zeros((1, 2, 1)), np.ones((1, 2, 1))
    left = SpikeTrace({}, {"a": zeros, "b": zeros})
    right = SpikeTrace({}, {"b": ones, "a": zeros})
    same = compare_traces(left, right)
    assert (same.output_mismatches, same.is_equal) == (2, False)
    with pytest.raises(InputError, match="record different Outputs: b"):
        compare_traces(left, SpikeTrace({}, {"a": zeros}))
    with pytest.raises(
        InputError, match=r"Output 'b': \(1, 2, 1\) in one trace, \(1, "
    ):
        compare_traces(left, SpikeTrace({}, {"a": zeros, "b": np.zeros((1, 2, 3))}))


def test_counts_are_compared_where_spikes_were_not_kept() -> None:
    counts = TracePolicy(Keep.COUNTS)
    left, right = counts.apply(_trace(0, 1, 1)), counts.apply(_trace(0, 1, 0))
    same = compare_traces(left, right)
    assert (same.compared, same.spikes, same.mismatches) == (3, 2, 1)
    assert same.first == "'n, counts', sample 0, step 2"
    assert compare_traces(left, right, given=["n"]).is_equal
    with pytest.raises(InputError, match="different populations: n, n, counts"):
        compare_traces(left, _trace(0, 1, 1))


# --- what a trace keeps --------------------------------------------------------------


def test_a_policy_keeps_counts_and_chosen_spikes() -> None:
    spikes = {name: np.ones((2, 3, 4, 5), np.uint8) for name in ("n", "m")}
    trace = SpikeTrace(spikes, {"out": np.zeros((2, 3, 1))}, {"dt_s": 1e-4})
    kept = TracePolicy(Keep.COUNTS, full=["m"]).apply(trace)
    # 4 x 5 neurons, all of which spike
    assert {k: v.tolist() for k, v in kept.counts.items()} == {"n": [[20] * 3] * 2}
    assert (set(kept.spikes), kept.meta) == ({"m"}, {"dt_s": 1e-4})
    assert {k: int(v.sum()) for k, v in kept.counted().items()} == {"m": 120, "n": 120}
    nothing = TracePolicy(Keep.NONE).apply(kept)
    assert (nothing.spikes, nothing.counts) == ({}, {})
    assert nothing.output is trace.output


def test_counts_merge_along_the_samples() -> None:
    parts = [TracePolicy(Keep.COUNTS).apply(_trace(*each)) for each in ((0, 1), (1, 1))]
    merged = collect_traces(parts, 2, {})
    assert merged.counts["n"].tolist() == [[0, 1], [1, 1]]


def test_traces_merge_along_the_samples() -> None:
    merged = collect_traces(iter([_trace(0, 1), _trace(1, 1)]), 2, {"backend": "here"})
    np.testing.assert_array_equal(merged.spikes["n"][:, :, 0], [[0, 1], [1, 1]])
    assert merged.samples == 2
    assert merged.rate("n") == 0.75
