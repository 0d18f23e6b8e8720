"""What an ONNX file may hold before anything of it is used."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from spikewright.errors import InputError, SpikewrightError  # noqa: E402
from spikewright.export.onnx.count import count_onnx  # noqa: E402
from spikewright.export.onnx.file import read_onnx  # noqa: E402


def model(*nodes, functions=(), **weights):
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    graph = helper.make_graph([*nodes], "g", [ids], [out], tensors)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


LOOKUP = helper.make_node("Gather", ["table", "ids"], ["x"])
RELU = helper.make_node("Relu", ["x"], ["y"])
TABLE = np.zeros((9, 4), np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.onnx"


def save(made, path, location):
    """Save with the weights in a file beside it, said to lie at `location`."""
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path.write_bytes(made.SerializeToString())
    return path


def test_refuses_a_missing_file(path):
    with pytest.raises(InputError, match=r"x\.onnx: cannot be read: No such file"):
        read_onnx(path)


def test_refuses_an_empty_file(path):
    path.touch()
    with pytest.raises(InputError, match="0 bytes; allowed: a file of 1 to"):
        read_onnx(path)


@pytest.mark.parametrize("content", [b"\x80\x04\x95 a pickle", b"PK\x03\x04", b"\x08"])
def test_refuses_other_files(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match="no ONNX file"):
        read_onnx(path)


def test_random_damage_gives_our_error_or_a_count(path):
    content = model(LOOKUP, RELU, table=TABLE).SerializeToString()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            count_onnx(path, 3)
        except SpikewrightError:
            refused += 1
    assert refused > 20  # anything else than a SpikewrightError has failed the test


@pytest.mark.parametrize(
    "location",
    ["../weights.bin", "/etc/passwd", "a/../../b", "", "..\\w.bin", "w\n.bin"],
)
def test_refuses_weights_outside_of_the_folder(path, location):
    save(model(LOOKUP, RELU, table=TABLE), path, location)
    with pytest.raises(
        InputError, match=r"weights 'table' lie in '.*in the same folde"
    ):
        read_onnx(path)


def test_refuses_a_link_out_of_the_folder(path, tmp_path):
    (tmp_path / "w.bin").symlink_to("/etc/hostname")
    save(model(LOOKUP, RELU, table=TABLE), path, "w.bin")
    with pytest.raises(
        InputError, match=r"'w\.bin'; allowed: a file in the same folde"
    ):
        read_onnx(path)


def test_refuses_constants_outside_of_the_folder(path):
    tensor = numpy_helper.from_array(TABLE, "hidden")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    constant = helper.make_node("Constant", [], ["table"], value=tensor)
    path.write_bytes(model(constant, LOOKUP, RELU).SerializeToString())
    with pytest.raises(InputError, match="weights 'hidden' lie in '/etc/passwd'"):
        read_onnx(path)


def test_counts_without_opening_weights_beside_the_file(path):
    save(model(LOOKUP, RELU, table=TABLE), path, "missing.bin")
    count = count_onnx(path, 3)
    assert count.total.lookups == 3 * 4
    assert count.weight_bytes == 9 * 4 * 4


def test_refuses_control_flow(path):
    branch = helper.make_graph([], "b", [], [])
    condition = helper.make_node(
        "If", ["c"], ["y"], name="if", then_branch=branch, else_branch=branch
    )
    path.write_bytes(model(condition).SerializeToString())
    with pytest.raises(
        InputError, match="node 'if': If, whose work depends on the data"
    ):
        read_onnx(path)


def calling(*callees, name):
    """A function that calls others, one after the other."""
    names = ["a", *"bcdefgh"[: len(callees) - 1], "z"]
    calls = [
        helper.make_node(callee, [names[i]], [names[i + 1]], domain="own")
        for i, callee in enumerate(callees)
    ]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["z"], calls, opsets)


def test_refuses_functions_that_call_each_other_in_a_circle(path):
    circle = [calling("B", name="A"), calling("A", name="B")]
    call = helper.make_node("A", ["x"], ["y"], domain="own")
    made = model(LOOKUP, call, functions=circle, table=TABLE)
    path.write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match=r"function '[AB]' calls itself; allowed"):
        read_onnx(path)


def test_refuses_functions_that_double_again_and_again(path):
    doubling = [calling(f"F{i + 1}", f"F{i + 1}", name=f"F{i}") for i in range(40)]
    call = helper.make_node("F0", ["x"], ["y"], domain="own")
    made = model(LOOKUP, call, functions=doubling, table=TABLE)
    path.write_bytes(made.SerializeToString())
    # the look-up, and 2**40 calls of F40, which the file does not define
    with pytest.raises(InputError, match=f"{2**40 + 1} nodes once its functions are"):
        read_onnx(path)


def test_refuses_a_function_with_control_flow(path):
    branch = helper.make_graph([], "b", [], [])
    inside = helper.make_node("If", ["a"], ["z"], then_branch=branch)
    opsets = [helper.make_opsetid("", 20)]
    hidden = helper.make_function("own", "F", ["a"], ["z"], [inside], opsets)
    call = helper.make_node("F", ["x"], ["y"], domain="own")
    made = model(LOOKUP, call, functions=[hidden], table=TABLE)
    path.write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match="If, whose work depends on the data"):
        read_onnx(path)


def test_functions_of_the_file_are_counted_by_what_they_do(path):
    inside = [
        helper.make_node("Exp", ["a"], ["b"]),
        helper.make_node("Exp", ["b"], ["c"]),
    ]
    opsets = [helper.make_opsetid("", 20)]
    twice = helper.make_function("own", "Twice", ["a"], ["c"], inside, opsets)
    call = helper.make_node("Twice", ["x"], ["y"], domain="own")
    made = model(LOOKUP, call, functions=[twice], table=TABLE)
    path.write_bytes(made.SerializeToString())
    # 2 exponentials of 3 tokens x 4
    assert count_onnx(path, 3).total.exp_elements == 24
