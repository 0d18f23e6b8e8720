"""Transformers classifiers as ONNX, counted like their configuration."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

for package in ("onnx", "onnxruntime", "onnxscript", "torch", "transformers"):
    pytest.importorskip(package)

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from onnxruntime import quantization  # noqa: E402

from spikewright.cli.verbs.convert import run_convert  # noqa: E402
from spikewright.counts import OperationCount  # noqa: E402
from spikewright.errors import InputError  # noqa: E402
from spikewright.export.onnx import export as onnx_export  # noqa: E402
from spikewright.export.onnx.count import count_onnx, count_onnx_sentences  # noqa: E402
from spikewright.export.onnx.export import export_onnx  # noqa: E402
from spikewright.hardware_profiles.teachers.operations import (  # noqa: E402
    TransformerShape,
    count_teacher,
    count_teacher_sentences,
    read_teacher_config,
)

pytestmark = pytest.mark.slow
SHAPE = TransformerShape("tiny", 32, 2, 4, 64, 100, 3)
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
    "max_position_embeddings": 64,
    "num_labels": 3,
    "pad_token_id": 0,
}


def classifier(kind, config):
    """A classifier whose weights all differ, so that none is shared or dropped."""
    torch.manual_seed(0)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.1)
    return model


def bert():
    config = transformers.BertConfig(**SIZES)
    return classifier(transformers.BertForSequenceClassification, config)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "bert.onnx"
    return path, export_onnx(bert(), path)


@pytest.fixture
def traced(monkeypatch, exported):
    """Spare the tracing, which takes seconds: it gives what it gave before."""
    proto = onnx.load_model(exported[0])
    monkeypatch.setattr(onnx_export, "_traced", lambda *_: proto)


def test_the_file_gives_the_logits_of_the_model(exported):
    path, check = exported
    assert 0 <= check.largest_difference < 1e-6
    model = bert().eval()
    ids = torch.randint(0, 100, (2, 40), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, 9:] = 0
    types = torch.zeros_like(ids)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    assert names == ["input_ids", "attention_mask", "token_type_ids"]
    values = (ids, mask, types)
    given = dict(zip(names, (each.numpy() for each in values), strict=True))
    with torch.no_grad():
        wanted = model(ids, attention_mask=mask, token_type_ids=types).logits.numpy()
    assert np.abs(session.run(None, given)[0] - wanted).max() < 1e-6


@pytest.mark.parametrize("tokens", [1, 9, 64])
def test_counts_are_those_of_the_configuration(exported, tokens):
    count = count_onnx(exported[0], tokens)
    assert count.counts == count_teacher(SHAPE, tokens)
    # the scale of attention, which the configuration folds into the query: 4 L^2 each
    assert count.uncounted == {"Mul": (2, 2 * 4 * tokens**2)}


def test_a_report_can_price_an_onnx_teacher_like_a_config(exported):
    lengths = [4, 7, 4]
    wanted = count_teacher_sentences(SHAPE, lengths)
    work = count_onnx_sentences(exported[0], lengths)
    assert work.counts == wanted.counts
    assert (work.sentences, work.mean_tokens) == (3, 5.0)
    assert work.name == "bert.onnx"
    macs = sum(count.macs for count in work.counts.values())
    assert work.macs_by_type == {"float32 x float32": macs}
    assert work.uncounted == (("Mul", "2 nodes of an operator that has no count"),)


def test_weights_are_counted_in_bytes(exported):
    # all float32, but for the position ids and small constants
    parameters = sum(each.numel() for each in bert().parameters())
    assert 0 <= count_onnx(exported[0], 9).weight_bytes - 4 * parameters < 1000


def test_the_same_model_gives_the_same_bytes_and_names_no_place(exported, tmp_path):
    export_onnx(bert(), tmp_path / "again.onnx")
    content = (tmp_path / "again.onnx").read_bytes()
    assert content == exported[0].read_bytes()
    assert b".py" not in content


def test_an_older_set_of_operators_writes_gelu_out(tmp_path):
    export_onnx(bert(), tmp_path / "x.onnx", opset=18)
    count, wanted = count_onnx(tmp_path / "x.onnx", 9), count_teacher(SHAPE, 9)
    for part, work in wanted.items():
        found = count.counts[part]
        assert (found.macs, found.exp_elements) == (work.macs, work.exp_elements)
    # x / 2 (1 + erf(x / sqrt 2)): one addition for each of 9 x 64
    layer = count.counts["layer0"]
    found = layer.residual_additions + layer.bias_additions
    exact = wanted["layer0"].residual_additions + wanted["layer0"].bias_additions
    assert found == exact + 9 * 64


def tiny(kind):
    sizes = dict(SIZES)
    if kind == "distilbert":
        sizes["hidden_dim"] = sizes.pop("intermediate_size")
    if kind == "electra":
        sizes["embedding_size"] = 16
    if kind == "roberta":
        sizes |= {"pad_token_id": 1, "max_position_embeddings": 66}
    config = transformers.AutoConfig.for_model(kind, **sizes)
    return classifier(
        transformers.AutoModelForSequenceClassification.from_config, config
    )


@pytest.mark.parametrize("kind", ["distilbert", "electra", "roberta"])
def test_other_families_count_as_their_configuration_too(kind, tmp_path):
    model = tiny(kind)
    export_onnx(model, tmp_path / "x.onnx")
    shape = read_teacher_config(model.config.to_dict())
    for tokens in (1, 9, 64):
        found = count_onnx(tmp_path / "x.onnx", tokens)
        assert found.counts == count_teacher(shape, tokens)


def numbers_of(counts):
    """All counts of all parts, but the bits that a format decides."""
    total = vars(sum(counts.values(), OperationCount()))
    return {name: value for name, value in total.items() if "_bits_" not in name}


class Texts:
    """Two texts to calibrate on."""

    def __init__(self):
        ids = np.arange(18).reshape(2, 1, 9)
        self.rest = iter(ids)

    def get_next(self):
        ids = next(self.rest, None)
        if ids is None:
            return None
        return {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }


@pytest.fixture(scope="module")
def quantized(exported, tmp_path_factory):
    """The same BERT in int8: by dynamic, QDQ and operator quantization."""
    here = tmp_path_factory.mktemp("int8")
    paths = {name: here / f"{name}.onnx" for name in ("dynamic", "QDQ", "QOperator")}
    kind = quantization.QuantType.QInt8
    quantization.quantize_dynamic(exported[0], paths["dynamic"], weight_type=kind)
    for name in ("QDQ", "QOperator"):
        quantization.quantize_static(
            exported[0],
            paths[name],
            Texts(),
            quant_format=quantization.QuantFormat[name],
            weight_type=kind,
        )
    return paths


MATRIX = 9 * (4 * 32 * 32 + 2 * 32 * 64) * 2 + 32 * 32 + 32 * 3
"""MACs with a weight, at 9 tokens; attention has 2 layers x 2 x 9^2 x 32 more"""
WITHIN = 2 * 2 * 81 * 32


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("dynamic", {"uint8 x int8": MATRIX, "float32 x float32": WITHIN}),
        ("QDQ", {"float32 x int8": MATRIX, "float32 x float32": WITHIN}),
        ("QOperator", {"int8 x int8": MATRIX + WITHIN}),
    ],
)
def test_int8_does_the_same_work_and_reads_a_quarter(quantized, name, types):
    found, wanted = count_onnx(quantized[name], 9), count_teacher(SHAPE, 9)
    assert numbers_of(found.counts) == numbers_of(wanted)
    assert found.macs_by_type == types
    assert found.total.weight_bits_read == 8 * MATRIX
    # 3 tables x 9 x 32
    assert found.total.embedding_bits_read == 8 * 864


@pytest.mark.parametrize("name", ["exported", "dynamic", "QDQ"])
def test_operators_that_onnxruntime_fuses_do_the_same_work(
    exported, quantized, name, tmp_path
):
    path = exported[0] if name == "exported" else quantized[name]
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load_model(tmp_path / "fused.onnx").graph.node
    assert any(node.domain == "com.microsoft" for node in nodes)
    found = count_onnx(tmp_path / "fused.onnx", 9)
    assert numbers_of(found.counts) == numbers_of(count_teacher(SHAPE, 9))


def roberta():
    config = transformers.RobertaConfig(**SIZES | {"pad_token_id": 1})
    return classifier(transformers.RobertaForSequenceClassification, config)


def llama():
    config = transformers.LlamaConfig(**SIZES)
    return classifier(transformers.LlamaForSequenceClassification, config)


@pytest.mark.parametrize("make", [roberta, llama])
def test_other_classifiers(make, tmp_path):
    check = export_onnx(make(), tmp_path / "x.onnx")
    assert check.largest_difference < 1e-5
    count = count_onnx(tmp_path / "x.onnx", 9)
    layer = count_teacher(SHAPE, 9)["layer0"]
    gate = 9 * 32 * 64 if make is llama else 0  # its feed-forward has three matrices
    assert count.counts["layer1"].macs == layer.macs + gate


def test_refuses_a_file_that_differs(monkeypatch, traced, tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"older")
    with pytest.raises(InputError, match=r"differ by .*allowed: 0; the file was not"):
        export_onnx(bert(), path, largest_difference=0.0)
    assert path.read_bytes() == b"older"
    monkeypatch.setattr(onnx_export, "_compare", lambda *_: float("nan"))
    with pytest.raises(InputError, match="logits differ by nan"):
        export_onnx(bert(), path)


def test_a_folder_is_read_without_pickle(traced, tmp_path, capsys):
    bert().save_pretrained(tmp_path / "teacher")
    options = {"file": tmp_path / "teacher", "output": tmp_path / "x.onnx", "dt": None}
    assert run_convert(Namespace(verb="convert", json=True, **options)) == 0
    assert '"largest_difference": ' in capsys.readouterr().out
    assert count_onnx(tmp_path / "x.onnx", 9).counts == count_teacher(SHAPE, 9)
    (tmp_path / "teacher" / "model.safetensors").unlink()
    torch.save(bert().state_dict(), tmp_path / "teacher" / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"teacher: cannot be loaded .*safetensors"):
        export_onnx(tmp_path / "teacher", tmp_path / "y.onnx")


def test_refuses_a_folder_without_a_model(tmp_path):
    with pytest.raises(
        InputError, match=r"no folder of a transformers model: it has no"
    ):
        export_onnx(tmp_path, tmp_path / "x.onnx")


def test_refuses_operators_that_there_are_not(tmp_path):
    with pytest.raises(InputError, match="opset 3: this torch writes 18 instead"):
        export_onnx(bert(), tmp_path / "x.onnx", opset=3)
    assert not [*tmp_path.iterdir()]
