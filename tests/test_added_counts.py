"""Counts whose samples are added up say the same, but of single samples nothing."""

from __future__ import annotations

import pytest

from spikewright.counting import count_run, nodes_of_rows
from spikewright.errors import InputError
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.run_counts import RunCounts, join_counts
from spikewright.simulate.integer import run_integer


@pytest.fixture
def graph(decimal_graph, dt_s) -> Graph:
    """A residual net in integers."""
    return lower(decimal_graph(1), dt_s=dt_s).graph


@pytest.fixture
def parts(graph, spikes) -> list[RunCounts]:
    """Counts of three runs of four samples."""
    return [count_run(graph, run_integer(graph, spikes(graph, k))) for k in range(3)]


def test_added_parts_join_to_the_same_figures(graph, parts) -> None:
    rows = list(nodes_of_rows(graph).values())
    whole = join_counts(parts)
    added = join_counts(each.added(rows) for each in parts)
    assert (added.samples, added.steps) == (12, whole.steps)
    assert added.totals() == whole.totals()
    assert added.total() == whole.total()
    assert added.peaks == whole.peaks
    for name, fields in whole.counts.items():
        assert all(len(values) == 1 for values in added.counts[name].values())
        by_step = added.by_step(name)
        assert {k: v.tolist() for k, v in by_step.items()} == {
            k: v.sum(axis=0).tolist() for k, v in fields.items()
        }


def test_the_fullest_step_of_nodes_together_is_not_the_sum_of_theirs(
    graph, parts
) -> None:
    """lif2 and the two ways into it: the peak of the sum, which rows ask for."""
    nodes = nodes_of_rows(graph)["lif2"]
    assert len(nodes) > 2
    whole = join_counts(parts)
    added = join_counts(each.added([nodes]) for each in parts)
    assert added.peak(nodes) == whole.peak(nodes)
    fullest = whole.fullest(nodes)
    assert {k: v.tolist() for k, v in added.fullest(nodes).items()} == {
        k: v.tolist() for k, v in fullest.items()
    }
    assert fullest["synops"].shape == (whole.steps,)
    assert fullest["synops"].max() == whole.peak(nodes)["synops"]
    alone = sum(whole.peak([name]).get("synops", 0) for name in nodes)
    assert whole.peak(nodes)["synops"] < alone


def test_what_adding_lost_is_refused(parts) -> None:
    added = parts[0].added()
    with pytest.raises(InputError, match="samples were added up; count again"):
        added.by_sample()
    with pytest.raises(InputError, match="not for lif1, lif2 together"):
        added.peak(["lif1", "lif2"])
    with pytest.raises(InputError, match="cannot be joined"):
        join_counts([added, parts[1]])
