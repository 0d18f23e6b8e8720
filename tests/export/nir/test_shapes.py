"""Shapes that a file leaves open follow from what arrives; every edge is checked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.graphs.shapes import same_pads
from spikewright.export.nir.io import read_nir
from spikewright.graph import Edge


def write(path: Path, inputs: Any, outputs: Any, *nodes: nir.NIRNode) -> Path:
    """Write a chain of nodes x0, x1, … without letting nir look at its shapes."""
    named = {
        "in": nir.Input({"input": np.array(inputs)}),
        **{f"x{index}": node for index, node in enumerate(nodes)},
        "out": nir.Output({"output": np.array(outputs)}),
    }
    graph = nir.NIRGraph(named, list(pairwise(named)), type_check=False)
    nir.write(path, graph)
    return path


def only(path: Path) -> Any:
    return read_nir(path).nodes["x0"]


def conv1d(weight: Any, **options: Any) -> nir.Conv1d:
    default = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    return nir.Conv1d(9, weight, **(default | options), bias=np.zeros(weight.shape[0]))


def conv2d(weight: Any, **options: Any) -> nir.Conv2d:
    default = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    return nir.Conv2d(
        (9, 7), weight, **(default | options), bias=np.zeros(weight.shape[0])
    )


# --- one-dimensional convolutions ----------------------------------------------------

# of 9 tokens, 3 taps: (9 + zeros - dilation 2 - 1) // stride + 1
LENGTHS = {
    "valid by default": ({}, 7),
    "valid": ({"padding": "valid"}, 7),
    "padding": ({"padding": 2}, 11),
    "padding of one number": ({"padding": (2,)}, 11),
    "stride": ({"stride": 2}, 4),
    "stride of one number": ({"stride": (4,)}, 2),
    "dilation": ({"dilation": 3}, 3),
    "same": ({"padding": "same"}, 9),
    "same, dilated": ({"padding": "same", "dilation": 3}, 9),
    "all": ({"stride": 3, "padding": 3, "dilation": 2}, 4),
}


@pytest.mark.parametrize(("options", "length"), LENGTHS.values(), ids=LENGTHS)
def test_the_length_of_a_convolution(
    options: dict[str, Any], length: int, tmp_path: Path
) -> None:
    node = conv1d(np.ones((4, 2, 3)), **options)
    graph = read_nir(write(tmp_path / "g.nir", (2, 9), (4, length), node))
    assert graph.outputs["out"].shape == (4, length)
    with pytest.raises(GraphError, match=rf"sends shape \(4, {length}\)"):
        read_nir(write(tmp_path / "g.nir", (2, 9), (4, length + 1), node))


@pytest.mark.parametrize(
    ("taps", "dilation", "pads"),
    # torch: total = dilation (taps - 1), total // 2 before, the rest after
    [(1, 1, (0, 0)), (3, 1, (1, 1)), (4, 1, (1, 2)), (2, 1, (0, 1)), (2, 3, (1, 2))],
)
def test_same_padding_is_that_of_torch(
    taps: int, dilation: int, pads: n.Pair, tmp_path: Path
) -> None:
    assert same_pads(taps, dilation) == pads
    node = conv1d(np.ones((4, 2, taps)), padding="same", dilation=dilation)
    assert only(write(tmp_path / "g.nir", (2, 9), (4, 9), node)).padding == pads


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_same_padding_equals_torch_value_for_value(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    weight, x = rng.normal(size=(4, 1, 4)), rng.normal(size=(2, 9))
    node = conv1d(weight, padding="same", dilation=3, groups=2)
    read = only(write(tmp_path / "g.nir", (2, 9), (4, 9), node))
    wanted = torch.nn.functional.conv1d(
        torch.tensor(x), torch.tensor(weight), padding="same", dilation=3, groups=2
    )
    wide = np.pad(x, [(0, 0), read.padding])
    taps = np.stack([wide[:, 3 * k : 3 * k + 9] for k in range(4)])
    ours = np.einsum("ok,kol->ol", weight[:, 0], taps[:, [0, 0, 1, 1]])
    np.testing.assert_allclose(ours, wanted.numpy(), 1e-12)


def test_refuses_same_padding_with_a_stride_as_torch_does(tmp_path: Path) -> None:
    node = conv1d(np.ones((4, 2, 3)), padding="same", stride=2)
    path = write(tmp_path / "g.nir", (2, 9), (4, 5), node)
    with pytest.raises(
        GraphError, match="node 'x0': padding 'same' with a stride of 2"
    ):
        read_nir(path)


def test_groups_take_all_their_channels(tmp_path: Path) -> None:
    # 6 targets in 3 groups see 2 sources each: 6 sources; nir 1.0.8 says 2
    node = conv1d(np.ones((6, 2, 1)), groups=3)
    read = only(write(tmp_path / "g.nir", (6, 9), (6, 9), node))
    assert (read.groups, read.weight.shape) == (3, (6, 2, 1))
    with pytest.raises(GraphError, match=r"sends shape \(2, 9\), but .* \(6, 9\)"):
        read_nir(write(tmp_path / "g.nir", (2, 9), (6, 9), node))


def test_refuses_groups_that_do_not_divide_the_channels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "g.nir", (4, 9), (5, 9), conv1d(np.ones((5, 2, 1)), groups=2)
    )
    with pytest.raises(GraphError, match=r"node 'x0': 5 target channels .* 2 groups"):
        read_nir(path)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"stride": 0}, "stride is 0; allowed: 1 or above"),
        ({"dilation": -1}, "dilation is -1; allowed: 1 or above"),
        ({"groups": 0}, "groups is 0; allowed: 1 or above"),
        ({"padding": -1}, "padding is -1; allowed: 0 or above"),
        (
            {"padding": (1, 2)},
            r"padding of a Conv1d has shape \(2,\); allowed: one num",
        ),
        ({"stride": 1.5}, "stride is 1.5; allowed: whole numbers"),
        ({"stride": np.ones((1, 1), int)}, r"stride of a Conv1d has shape \(1, 1\)"),
        ({"dilation": 5}, "3 taps, 11 long with their dilation, do not fit into 9"),
    ],
)
def test_refuses_an_impossible_option(
    options: dict[str, Any], match: str, tmp_path: Path
) -> None:
    node = conv1d(np.ones((4, 2, 3)))
    vars(node).update(options)  # nir itself fails on some
    path = write(tmp_path / "g.nir", (2, 9), (4, 7), node)
    with pytest.raises(GraphError, match=f"node 'x0': {match}"):
        read_nir(path)


def test_refuses_an_unknown_word_as_padding(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", (2, 9), (4, 7), conv1d(np.ones((4, 2, 3))))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/x0/padding"]
        file["node/nodes/x0/padding"] = "causal"
    with pytest.raises(GraphError, match=r"padding is 'causal'; allowed: .*'same'"):
        read_nir(path)


# --- two-dimensional convolutions and pools ------------------------------------------

# of 9 rows and 7 columns, a kernel of 3 rows and 2 columns
SIZES = {
    "valid": ({}, (7, 6)),
    "one number for both": ({"stride": 2, "padding": 1, "dilation": 2}, (4, 4)),
    # rows: (9 - 2 - 1) // 3 + 1 = 3; columns: (7 + 2 - 1 - 1) // 2 + 1 = 4
    "two numbers": ({"stride": (3, 2), "padding": (0, 1)}, (3, 4)),
    # rows: 9 - 4 = 5; columns: 7 - 3 = 4
    "dilation": ({"dilation": (2, 3)}, (5, 4)),
    "same": ({"padding": "same"}, (9, 7)),
}


@pytest.mark.parametrize(("options", "size"), SIZES.values(), ids=SIZES)
def test_the_size_of_a_convolution_with_a_kernel_that_is_not_square(
    options: dict[str, Any], size: n.Pair, tmp_path: Path
) -> None:
    node = conv2d(np.ones((4, 2, 3, 2)), **options)
    graph = read_nir(write(tmp_path / "g.nir", (2, 9, 7), (4, *size), node))
    assert graph.outputs["out"].shape == (4, *size)


def test_same_padding_of_two_axes(tmp_path: Path) -> None:
    # rows: 2 (3 - 1) = 4 zeros, 2 and 2; columns: 3 (2 - 1) = 3 zeros, 1 and 2
    node = conv2d(np.ones((4, 2, 3, 2)), padding="same", dilation=(2, 3))
    read = only(write(tmp_path / "g.nir", (2, 9, 7), (4, 9, 7), node))
    assert read.padding == ((2, 2), (1, 2))
    assert read.dilation == (2, 3)


def test_one_number_for_two_lengths_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "g.nir", (2, 9, 7), (4, 7, 6), conv2d(np.ones((4, 2, 3, 2)))
    )
    with h5py.File(path, "r+") as file:
        del file["node/nodes/x0/input_shape"]
        file["node/nodes/x0/input_shape"] = 9
    with pytest.raises(GraphError, match=r"input_shape is 9; allowed: \(rows, columns"):
        read_nir(path)


@pytest.mark.parametrize("kind", [nir.SumPool2d, nir.AvgPool2d])
def test_a_pool_learns_its_shape_from_what_arrives(
    kind: Callable[..., Any], tmp_path: Path
) -> None:
    # rows: (9 + 2 - 3) // 2 + 1 = 5; columns: (7 - 2) // 3 + 1 = 2
    pool = kind(np.array([3, 2]), np.array([2, 3]), np.array([1, 0]))
    read = only(write(tmp_path / "g.nir", (2, 9, 7), (2, 5, 2), pool))
    assert type(read).__name__ == kind.__name__
    assert (read.shape, read.kernel) == ((2, 9, 7), (3, 2))
    assert (read.stride, read.padding) == ((2, 3), (1, 0))


def test_a_pool_may_have_one_number_for_both_axes(tmp_path: Path) -> None:
    # as snnTorch writes torch.nn.AvgPool2d(2)
    read = only(write(tmp_path / "g.nir", (2, 8, 6), (2, 4, 3), nir.AvgPool2d(2, 2, 0)))
    assert (read.kernel, read.stride, read.padding) == ((2, 2), (2, 2), (0, 0))


def test_refuses_a_pool_larger_than_what_arrives(tmp_path: Path) -> None:
    pool = nir.SumPool2d(4, 1, 0)
    path = write(tmp_path / "g.nir", (2, 3, 9), (2, 1, 6), pool)
    with pytest.raises(
        GraphError, match=r"node 'x0': 4 taps, 4 long .* 3 values and 0"
    ):
        read_nir(path)


def test_refuses_a_pool_of_what_has_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", (6,), (3,), nir.SumPool2d(2, 2, 0))
    with pytest.raises(
        GraphError, match=r"node 'x0': a SumPool2d takes 3 dimensions, but shape \(6,\)"
    ):
        read_nir(path)


# --- shapes along the graph ----------------------------------------------------------


def test_what_is_left_open_is_inferred_through_the_whole_chain(tmp_path: Path) -> None:
    # (1, 8, 6) -3x2 kernel-> (3, 6, 5) -pool-> (3, 3, 2) -kernel of 1-> (2, 3, 2) -> 12
    path = write(
        tmp_path / "g.nir",
        (1, 8, 6),
        (12,),
        nir.Conv2d((8, 6), np.ones((3, 1, 3, 2)), 1, 0, 1, 1, np.zeros(3)),
        nir.SumPool2d(2, 2, 0),
        nir.Conv2d((3, 2), np.ones((2, 3, 1, 1)), 1, 0, 1, 1, np.zeros(2)),
        nir.Flatten({"input": np.array([2, 3, 2])}, 0, -1),
    )
    with h5py.File(path, "r+") as file:
        nodes: Any = file["node/nodes"]
        del nodes["x0/input_shape"], nodes["x2/input_shape"], nodes["x3/input_type"]
    read: Any = read_nir(path).nodes
    assert (read["x0"].size, read["x1"].shape) == ((8, 6), (3, 6, 5))
    assert (read["x2"].size, read["x3"].shape) == ((3, 2), (2, 3, 2))
    assert read["x3"].target_shape == (12,)


def test_an_open_length_of_tokens_is_inferred(tmp_path: Path) -> None:
    path = write(tmp_path / "g.nir", (2, 9), (4, 7), conv1d(np.ones((4, 2, 3))))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/x0/input_shape"]
        file["node/nodes/x0"].create_dataset("input_shape", data=h5py.Empty("i8"))
    assert only(path).tokens == 9


def test_shapes_are_inferred_beyond_a_loop(tmp_path: Path) -> None:
    # the pool feeds a neuron that feeds itself through a pool that keeps the shape
    lif = nir.LIF(*(np.full((1, 2, 2), v) for v in (1e-3, 10.0, 0.0, 1.0)))
    nodes = {
        "in": nir.Input({"input": np.array([1, 4, 4])}),
        "pool": nir.SumPool2d(2, 2, 0),
        "lif": lif,
        "back": nir.AvgPool2d(3, 1, 1),
        "out": nir.Output({"output": np.array([1, 2, 2])}),
    }
    edges = [("lif", "back"), ("back", "lif"), ("in", "pool"), ("pool", "lif")]
    graph = nir.NIRGraph(nodes, [*edges, ("lif", "out")], type_check=False)
    nir.write(tmp_path / "g.nir", graph)
    read: Any = read_nir(tmp_path / "g.nir").nodes
    assert (read["pool"].shape, read["back"].shape) == ((1, 4, 4), (1, 2, 2))


def test_a_recorded_shape_that_does_not_arrive_is_refused(tmp_path: Path) -> None:
    # nir.Flatten believes its own input_type: 2 x 3 is 6, as is 3 x 2
    flatten = nir.Flatten({"input": np.array([3, 2])}, 0, -1)
    path = write(tmp_path / "g.nir", (2, 3), (6,), flatten)
    with pytest.raises(
        GraphError,
        match=r"edge in -> x0: 'in' sends shape \(2, 3\), but 'x0' takes .*\(3, 2\)",
    ):
        read_nir(path)


@pytest.mark.parametrize(
    ("dims", "target"),
    [
        ((0, -1), (24,)),
        ((1, -1), (2, 12)),
        ((0, 1), (6, 4)),
        ((0, -2), (6, 4)),
        ((-2, -1), (2, 12)),
        ((1, 1), (2, 3, 4)),
    ],
)
def test_flatten_joins_the_dimensions_from_start_to_end(
    dims: tuple[int, int], target: n.Shape, tmp_path: Path
) -> None:
    flatten = nir.Flatten({"input": np.array([2, 3, 4])}, *dims)
    read = only(write(tmp_path / "g.nir", (2, 3, 4), target, flatten))
    assert (read.shape, read.target_shape) == ((2, 3, 4), target)


@pytest.mark.parametrize(("start", "end"), [(1, -1), (0, 1), (-2, -1)])
def test_refuses_to_flatten_dimensions_that_are_not_there(
    start: int, end: int, tmp_path: Path
) -> None:
    flatten = nir.Flatten({"input": np.array([3])}, start, end)
    path = write(tmp_path / "g.nir", (3,), (3,), flatten)
    with pytest.raises(
        GraphError, match=rf"node 'x0': joins dimensions {start} to {end} of .*\(3,\)"
    ):
        read_nir(path)


def test_refuses_a_vector_layer_on_tokens(tmp_path: Path) -> None:
    # NIR's Affine has no token axis: (2,) is not (5, 2)
    layer = nir.Affine(np.ones((3, 2)), np.zeros(3))
    path = write(tmp_path / "g.nir", (5, 2), (5, 3), layer)
    with pytest.raises(GraphError, match=r"edge in -> x0: .*\(5, 2\), .*\(2,\)"):
        read_nir(path)


def test_fan_in_at_an_output_is_kept_and_checked(tmp_path: Path) -> None:
    nodes = {
        "in": nir.Input({"input": np.array([2])}),
        "a": nir.Linear(np.ones((3, 2))),
        "b": nir.Linear(np.ones((3, 2))),
        "out": nir.Output({"output": np.array([3])}),
    }
    edges = [("in", "a"), ("in", "b"), ("b", "out"), ("a", "out")]
    nir.write(tmp_path / "g.nir", nir.NIRGraph(nodes, edges))
    graph = read_nir(tmp_path / "g.nir")
    assert graph.into("out") == (Edge("b", "out"), Edge("a", "out"))
    nodes["b"] = nir.Linear(np.ones((4, 2)))
    nir.write(tmp_path / "g.nir", nir.NIRGraph(nodes, edges, type_check=False))
    with pytest.raises(GraphError, match=r"edge b -> out: 'b' sends shape \(4,\)"):
        read_nir(tmp_path / "g.nir")
