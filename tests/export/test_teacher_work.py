"""One door to names, configs and ONNX files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spikewright.errors import BackendMissingError, InputError
from spikewright.export import teacher_work as door
from spikewright.export.teacher_work import teacher_counts, teacher_work
from spikewright.hardware_profiles.teachers.operations import (
    FP32,
    INT8,
    SHAPES,
    count_teacher,
    count_teacher_sentences,
    parameters_of,
    sparse,
)

TINY = SHAPES["bert-tiny"]


def test_a_name_and_one_length():
    work = teacher_work("prajjwal1/bert-tiny", 21)
    assert work.counts == count_teacher(TINY, 21)
    assert work.name == "prajjwal1/bert-tiny"
    assert (work.sentences, work.mean_tokens) == (1, 21)


def test_a_config_and_several_lengths(tmp_path):
    config = {
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 512,
        "vocab_size": 30522,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    work = teacher_work(tmp_path, [3, 5])
    assert work.counts == count_teacher_sentences(TINY, [3, 5]).counts
    assert (work.sentences, work.mean_tokens) == (2, 4)


def test_int8_and_sparse_variants():
    work = teacher_work("bert-tiny", 21, form=INT8, gamma=0.5)
    assert work.counts == sparse(count_teacher(TINY, 21, INT8), 0.5)
    assert work.parameter_bits == parameters_of(TINY).bits(INT8)
    assert list(work.macs_by_type) == ["int8"]
    assert len(work.assumptions) == 2


def test_labels_are_those_that_are_given():
    work = teacher_work("bert-tiny", 21, labels=7)
    assert work.counts["classifier"].macs == 128 * 7


@pytest.fixture
def graph(tmp_path):
    """8 x 3 weights on 50 embeddings of 8."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    ids = helper.make_tensor_value_info("ids", kinds.INT64, ["b", "t"])
    out = helper.make_tensor_value_info("y", kinds.FLOAT, None)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    sizes = {"table": (50, 8), "w": (8, 3)}
    weights = [
        onnx.numpy_helper.from_array(np.zeros(size, np.float32), name)
        for name, size in sizes.items()
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [ids], [out], weights))
    onnx.save_model(model, tmp_path / "X.ONNX")
    return tmp_path / "X.ONNX"


def test_an_onnx_file(graph):
    work = teacher_work(graph, [5, 2], gamma=0.25)
    total = work.counts["other"]
    # 7 tokens x 8 x 3, a quarter of them zero
    assert (total.macs, total.macs_zero) == (168, 42)
    assert total.weight_bits_read == 32 * 168 * 3 // 4
    assert work.parameter_bits == 32 * (400 + 24)


@pytest.mark.parametrize("options", [{"form": FP32}, {"labels": 2}])
def test_refuses_to_overrule_an_onnx_file(graph, options):
    (name,) = options
    with pytest.raises(InputError, match=f"{name} is given, but the file says it"):
        teacher_work(graph, 5, **options)


def test_an_onnx_file_needs_onnx(monkeypatch):
    monkeypatch.setattr(door, "find_spec", lambda _: None)
    with pytest.raises(BackendMissingError, match=r"x\.onnx: needs onnx; pip install"):
        teacher_work("x.onnx", 5)
    assert teacher_work("bert-tiny", 5).sentences == 1


@pytest.mark.parametrize(
    ("lengths", "message"),
    [(0, "0 tokens, must be > 0"), ([], "no sentences"), (513, "positions for 512")],
)
def test_refuses_lengths_that_are_none(lengths, message):
    with pytest.raises(InputError, match=message):
        teacher_work("bert-tiny", lengths)


def test_the_counts_of_one_text_are_those_of_its_work():
    found = teacher_counts("bert-tiny", tokens=21, form=INT8)
    assert found == teacher_work("bert-tiny", 21, form=INT8).counts
    assert found != teacher_counts("bert-tiny", tokens=22, form=INT8)
