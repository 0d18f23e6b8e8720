"""Networks drawn: what is a box, what is a wire, and that neither hides the other."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    IF,
    BiasLine,
    DelaySteps,
    DenseSynapses,
    Input,
    Linear,
    Output,
    SpikingNeurons,
)
from spikewright.plots.graph_dot import DOT, dot_text, place_outline, read_plain
from spikewright.plots.graph_layout import BOX_IN, Layout, lay_out
from spikewright.plots.graph_outline import Box, Outline, Wire, outline
from spikewright.plots.graph_picture import GraphDrawing, graph_drawing
from spikewright.plots.picture import draw


def outlined(*wires: str) -> Outline:
    """An outline of wires like `a b` or `a b 2` (delay)."""
    parsed = [each.split() for each in wires]
    names = dict.fromkeys(name for each in parsed for name in each[:2])
    return Outline(
        "TIMED",
        1e-3,
        tuple(Box(name, "SpikingNeurons", (2,), None) for name in names),
        tuple(
            Wire(each[0], each[1], (int(each[2]) if each[2:] else 0,), ())
            for each in parsed
        ),
    )


@pytest.fixture
def timed() -> Graph:
    """input -> a -> b -> output, input -> b two steps late, a bias into b."""

    def neurons() -> SpikingNeurons:
        ones = np.ones(2)
        return SpikingNeurons(decay=ones / 2, threshold=ones, bias=ones * 0)

    def synapses() -> DenseSynapses:
        return DenseSynapses(np.eye(2))

    nodes = {"input": Input((2,)), "line": BiasLine()}
    nodes |= {"w1": synapses(), "w2": synapses(), "w3": synapses(), "w4": synapses()}
    nodes |= {"w5": DenseSynapses(np.ones((2, 1)))}
    nodes |= {"a": neurons(), "b": neurons(), "output": Output((2,))}
    edges = (
        *(Edge("input", "w1"), Edge("w1", "a"), Edge("a", "w2"), Edge("w2", "b")),
        *(Edge("input", "w3", 2), Edge("w3", "b"), Edge("line", "w5"), Edge("w5", "b")),
        *(Edge("b", "w4"), Edge("w4", "output")),
    )
    arrival = {"input": 0, "line": 0, "a": 1, "b": 2, "output": 3}
    return Graph(nodes, edges, Stage.TIMED, 1e-3, arrival)


# --- what is drawn -------------------------------------------------------------------


def test_populations_are_boxes_and_synapses_are_wires(timed: Graph) -> None:
    drawn = outline(timed)
    assert [(box.name, box.arrival, box.has_bias) for box in drawn.boxes] == [
        *(("input", 0, False), ("a", 1, False), ("b", 2, True)),
        ("output", 3, False),
    ]
    assert [(w.source, w.target, w.delays) for w in drawn.wires] == [
        *(("input", "a", (0,)), ("input", "b", (2,))),
        *(("a", "b", (0,)), ("b", "output", (0,))),
    ]
    assert {w.through for w in drawn.wires} == {("DenseSynapses",)}


def test_maps_and_delays_between_boxes_add_up() -> None:
    one = np.ones(2)
    graph = Graph(
        {
            "input": Input((2,)),
            "late": DelaySteps((2,), np.array([1, 3])),
            "w": Linear(np.eye(2)),
            "n": SpikingNeurons(decay=one * 0, threshold=one, bias=one * 0),
            "output": Output((2,)),
        },
        (
            *(Edge("input", "late"), Edge("late", "w"), Edge("w", "n")),
            *(Edge("input", "n", 1), Edge("n", "output")),
        ),
        Stage.DISCRETE,
        1e-3,
    )
    first, _ = outline(graph).wires
    assert (first.source, first.target, first.delays) == ("input", "n", (1, 3))
    assert first.through == ("DelaySteps", "Linear")


def test_a_continuous_graph_has_its_neuron_models() -> None:
    one = np.ones((2, 3))
    graph = Graph(
        {"input": Input((2, 3)), "n": IF(one, one, one * 0), "output": Output((2, 3))},
        (Edge("input", "n"), Edge("n", "output")),
        Stage.CONTINUOUS,
    )
    drawn = outline(graph)
    assert [(box.what, box.shape) for box in drawn.boxes][1] == ("IF", (2, 3))
    assert graph_drawing(graph, "built-in").title == "Network, CONTINUOUS"


def test_the_drawing_says_stage_arrival_and_delays(timed: Graph) -> None:
    picture = graph_drawing(timed, "built-in")
    assert picture.title == "Network, TIMED, a step is 0.001 s"
    (axes,) = draw(picture).axes
    said = [each.get_text() for each in axes.texts]
    assert "+2" in said
    assert said.count("+2") == 1
    assert {"input", "a", "b", "output"} <= set(said)
    assert {"2   t = 0", "2   t = 1", "2   t = 2   b", "2   t = 3"} <= set(said)
    assert "The first data reach output in step 3." in picture.alt
    assert "Delayed: input to b by 2 steps." in picture.alt


def test_several_delays_are_one_wire() -> None:
    wire = Wire("a", "b", (0, 1, 2, 5), ())
    drawn = outlined("a b")
    several = Outline("TIMED", 1e-3, drawn.boxes, (wire,))
    (axes,) = draw(GraphDrawing(several, lay_out(several))).axes
    assert "+0, 1, 2, 5" in [each.get_text() for each in axes.texts]
    run = Outline("TIMED", 1e-3, drawn.boxes, (Wire("a", "b", (0, 1, 2, 3), ()),))
    (axes,) = draw(GraphDrawing(run, lay_out(run))).axes
    assert "+0\N{EN DASH}3" in [each.get_text() for each in axes.texts]


# --- our own layout ------------------------------------------------------------------

NETS = {
    "chain": ("i a", "a b", "b o"),
    "skip": ("i a", "a b", "b c", "c o", "a o 3", "i c 2", "i b 1"),
    "wide": ("i a", "i b", "i c", "a d", "b d", "c d", "d o"),
    "loop": ("i a", "a b", "b a", "b o"),
    "self": ("i a", "a a", "a b", "b b", "b o", "i b 1"),
    "apart": ("i a", "a o", "j b", "b p"),
    "back over two": ("i a", "a b", "b c", "c a", "c o"),
}
every_net = pytest.mark.parametrize("wires", NETS.values(), ids=NETS)


def along(path, points: int = 20) -> np.ndarray:
    """Points on a path of Bezier curves."""
    found = []
    for start in range(0, len(path) - 1, 3):
        a, b, c, d = (np.array(each) for each in path[start : start + 4])
        for t in np.linspace(0, 1, points):
            u = 1 - t
            found.append(u**3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t**3 * d)
    return np.array(found)


@every_net
def test_boxes_do_not_overlap_and_lie_on_the_paper(wires: tuple[str, ...]) -> None:
    layout = lay_out(outlined(*wires))
    wide, high = layout.size_in
    for x, y in layout.centers.values():
        assert BOX_IN[0] / 2 <= x <= wide - BOX_IN[0] / 2
        assert BOX_IN[1] / 2 <= y <= high - BOX_IN[1] / 2
    for one, other in itertools.combinations(layout.centers.values(), 2):
        apart = np.abs(np.subtract(one, other))
        assert apart[0] >= BOX_IN[0] or apart[1] >= BOX_IN[1]


@every_net
def test_wires_touch_their_ends_and_pass_no_other_box(wires: tuple[str, ...]) -> None:
    drawn = outlined(*wires)
    layout = lay_out(drawn)
    half = np.array(BOX_IN) / 2
    for wire, path in zip(drawn.wires, layout.paths, strict=True):
        assert (len(path) - 1) % 3 == 0
        for end, name in ((path[0], wire.source), (path[-1], wire.target)):
            apart = np.abs(np.subtract(end, layout.centers[name]))
            assert (apart <= half + 1e-9).all()
            assert np.isclose(apart, half).any()
        others = set(layout.centers) - {wire.source, wire.target}
        for name in others:
            inside = np.abs(along(path) - layout.centers[name]) < half - 1e-9
            assert not inside.all(axis=1).any(), (wire, name)
        assert along(path)[:, 0].max() <= layout.size_in[0] + 1e-9


def test_data_flow_downward() -> None:
    layout = lay_out(outlined(*NETS["skip"]))
    rows = [layout.centers[name][1] for name in "iabco"]
    assert rows == sorted(rows, reverse=True)
    assert len(set(rows)) == 5


def test_lanes_are_shared_only_where_wires_do_not_meet() -> None:
    # i-b and b-o pass one box each, one after the other; i-o passes all
    drawn = outlined("i a", "a b", "b c", "c o", "i b 1", "b o 1", "i o 2")
    layout = lay_out(drawn)
    lanes = [along(path)[:, 0].max() for path in layout.paths[4:]]
    assert lanes[0] == pytest.approx(lanes[1])
    assert lanes[2] > lanes[0]


# --- Graphviz ------------------------------------------------------------------------


def test_names_never_reach_graphviz() -> None:
    text = dot_text(outlined('a"];x"b c'.replace(" ", "_") + " c"))
    assert "0 -> 1;" in text
    assert 'x"b' not in text


def test_what_dot_writes_is_read() -> None:
    drawn = outlined("a b")
    plain = (
        "graph 1 3 2.5\n"
        "node 0 1.5 2 1.5 0.5 x solid box black lightgrey\n"
        "node 1 1.5 0.5 1.5 0.5 x solid box black lightgrey\n"
        "edge 0 1 4 1.5 1.75 1.5 1.5 1.5 1 1.5 0.75 solid black\n"
        "stop\n"
    )
    assert read_plain(plain, drawn) == Layout(
        (3, 2.5),
        {"a": (1.5, 2), "b": (1.5, 0.5)},
        (((1.5, 1.75), (1.5, 1.5), (1.5, 1), (1.5, 0.75)),),
    )


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_without_graphviz_our_own_layout_serves(no_dot: None) -> None:
    drawn = outlined(*NETS["skip"])
    assert place_outline(drawn) == lay_out(drawn)


def test_graphviz_can_be_insisted_on(no_dot: None) -> None:
    with pytest.raises(InputError, match="there is no `dot`; install graphviz"):
        place_outline(outlined("a b"), "graphviz")
    with pytest.raises(InputError, match="auto, graphviz, built-in"):
        place_outline(outlined("a b"), "neato")


def test_a_graphviz_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, DOT)

    monkeypatch.setattr(shutil, "which", lambda name: "/bin/dot")
    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(InputError, match="take --layout built-in"):
        place_outline(outlined("a b"))


@pytest.mark.skipif(shutil.which(DOT) is None, reason="graphviz is not installed")
@every_net
def test_graphviz_places_every_box_and_wire(wires: tuple[str, ...]) -> None:
    drawn = outlined(*wires)
    layout = place_outline(drawn, "graphviz")
    assert set(layout.centers) == {box.name for box in drawn.boxes}
    assert len(layout.paths) == len(drawn.wires)
    assert all((len(path) - 1) % 3 == 0 for path in layout.paths)


def test_any_random_network_can_be_drawn(any_graph: Callable[[int], Graph]) -> None:
    for seed in range(3):
        graph = any_graph(seed)
        picture = graph_drawing(graph, "built-in")
        names = {box.name for box in picture.outline.boxes}
        assert set(picture.layout.centers) == names
        draw(picture)
