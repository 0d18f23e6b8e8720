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

from spikewright.cli.convert import run_convert  # noqa: E402
from spikewright.errors import InputError  # noqa: E402
from spikewright.export import onnx_export  # noqa: E402
from spikewright.export.onnx_count import count_onnx, count_onnx_sentences  # noqa: E402
from spikewright.export.onnx_export import export_onnx  # noqa: E402
from spikewright.hardware_profiles.teacher import (  # noqa: E402
    TransformerShape,
    count_teacher,
    count_teacher_sentences,
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
    assert layer.additions == wanted["layer0"].additions + 9 * 64


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
    args = Namespace(
        file=tmp_path / "teacher", output=tmp_path / "x.onnx", json=True, dt=None
    )
    assert run_convert(args) == 0
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
