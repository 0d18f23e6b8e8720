"""A block inside a larger graph computes there what it computes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikewright.errors import GraphError
from spikewright.export.attention.blocks import (
    coincidence_attention,
    respiked_attention,
)
from spikewright.export.attention.parts import Projection, Projections
from spikewright.export.attention.place import with_block
from spikewright.export.lower import lower
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.passes.discretize import discretize
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import LIF, Conv1d, Input, Output
from spikewright.simulate.reference import run_reference

DT_S = 2.0**-10
CHANNELS, TOKENS = 4, 3


def cells(*shape: int) -> LIF:
    """Neurons of decay 0.5 and threshold 0.5."""
    ones = np.ones(shape)
    return LIF(2 * DT_S * ones, 2.0 * ones, 0.0 * ones, 0.5 * ones, 0.0 * ones)


def block(make: Any = coincidence_attention, **options: Any) -> Graph:
    rng = np.random.default_rng(3)
    q, k, v = (
        Projection(
            rng.integers(-2, 6, (CHANNELS, CHANNELS)) / 8.0,
            rng.integers(0, 3, CHANNELS) / 8.0,
            cells(),
        )
        for _ in range(3)
    )
    return make(Projections(q, k, v, 2), out=cells(), tokens=TOKENS, **options)


def host() -> Graph:
    """Input -> stem -> last -> output; the edge between the neurons is a residual."""
    shape = (CHANNELS, TOKENS)
    weight = np.eye(CHANNELS)[:, :, np.newaxis] * 0.75
    nodes = {
        "input": Input(shape),
        "stem_map": Conv1d(weight, np.full(CHANNELS, 0.125), TOKENS),
        "stem": cells(*shape),
        "last": cells(*shape),
        "output": Output(shape),
    }
    names = list(nodes)
    edges = tuple(map(Edge, names, names[1:]))
    return Graph(nodes, edges, Stage.CONTINUOUS)


def spikes() -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(5)
    return (rng.random((2, 16, CHANNELS, TOKENS)) < 0.6).astype(float)


def run(graph: Graph, inputs: np.ndarray[Any, Any]) -> Any:
    return run_reference(discretize(graph, dt_s=DT_S), inputs)


def placed(**options: Any) -> Graph:
    return with_block(host(), "layer0", block(**options), source="stem", target="last")


def test_a_block_gets_what_its_source_sends_and_adds_to_its_target() -> None:
    x = spikes()
    stem = run(host(), x).spikes["stem"].astype(float)
    alone = np.asarray(run(block(), stem).output)
    # LIF(residual + block): v = v / 2 + a
    v, wanted = np.zeros(stem[:, 0].shape), []
    for t in range(stem.shape[1]):
        v = 0.5 * v + stem[:, t] + alone[:, t]
        wanted.append(v > 0.5)
        v = np.where(v > 0.5, 0.0, v)
    trace = run(placed(), x)
    assert alone.any() and not alone.all()
    assert np.count_nonzero(trace.output != np.stack(wanted, axis=1)) == 0
    joined = trace.spikes["layer0_head1_out"]
    assert np.count_nonzero(joined != alone[:, :, CHANNELS // 2 :]) == 0


def test_the_whole_graph_can_be_written_read_and_lowered(tmp_path: Path) -> None:
    graph, x = placed(), spikes()
    write_nir(graph, tmp_path / "graph.nir", dt_s=DT_S)
    nir.read(str(tmp_path / "graph.nir"), type_check=True)
    again = read_nir(tmp_path / "graph.nir")
    wanted = run(graph, x).output
    assert np.count_nonzero(run(again, x).output != wanted) == 0
    timed = lower(again, dt_s=DT_S, to=Stage.TIMED).graph
    assert np.count_nonzero(run_reference(timed, x).output != wanted) == 0


def test_two_blocks_stand_side_by_side() -> None:
    second = block(respiked_attention, context=cells(), scale=1.0)
    graph = with_block(placed(), "layer1", second, source="stem", target="last")
    alone = np.asarray(
        run(second, run(host(), spikes()).spikes["stem"].astype(float)).output
    )
    got = run(graph, spikes()).spikes["layer1_head0_respiked_out"]
    assert alone.any()
    assert np.count_nonzero(got != alone[:, :, : CHANNELS // 2]) == 0


def test_another_model_is_named_so() -> None:
    names = " ".join(block(respiked_attention, context=cells()).nodes)
    assert "head0_respiked_context" in names
    assert "respiked" not in " ".join(block().nodes)


def test_a_nested_graph_of_nir_is_the_same(tmp_path: Path) -> None:
    """Nir's own way: a graph as a node, which our reader flattens."""
    path = tmp_path / "graph.nir"
    write_nir(block(), path)
    inner = nir.read(str(path))
    write_nir(host(), path)
    outer = nir.read(str(path))
    edges = [*outer.edges, ("stem", "layer0"), ("layer0", "last")]
    nir.write(str(path), nir.NIRGraph({**outer.nodes, "layer0": inner}, edges))
    wanted = run(placed(), spikes()).output
    assert np.count_nonzero(run(read_nir(path), spikes()).output != wanted) == 0


@pytest.mark.parametrize(
    ("name", "source", "target", "match"),
    [
        ("a", "nobody", "last", "the graph has no node 'nobody'"),
        ("a", "stem", "nobody", "the graph has no node 'nobody'"),
        (
            "taken",
            "stem",
            "last",
            "has a node 'taken_head0_q_map'; choose another name",
        ),
    ],
)
def test_names_must_be_known_and_free(
    name: str, source: str, target: str, match: str
) -> None:
    graph = with_block(host(), "taken", block(), source="stem", target="last")
    with pytest.raises(GraphError, match=match):
        with_block(graph, name, block(), source=source, target=target)


def test_shapes_must_fit() -> None:
    wrong = Graph(
        {"input": Input((2, 2)), "output": Output((2, 2))},
        (Edge("input", "output"),),
        Stage.CONTINUOUS,
    )
    with pytest.raises(GraphError, match=r"maps \(2, 2\) .* sends \(4, 3\)"):
        with_block(host(), "a", wrong, source="stem", target="last")


def test_only_continuous_graphs_are_put_together() -> None:
    late = discretize(host(), dt_s=DT_S)
    with pytest.raises(GraphError, match="needs a CONTINUOUS graph, got DISCRETE"):
        with_block(late, "a", block(), source="stem", target="last")
