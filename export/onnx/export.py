"""A transformers classifier as an ONNX file, compared with the original."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from spikewright.errors import InputError
from spikewright.whole_files import whole_file

OPSET = 20
"""the first with GELU as one operator"""
LARGEST_DIFFERENCE = 1e-4
"""of a logit, absolute: what float32 sums in another order leave far below"""
SHAPES = ((2, 7), (1, 1), (3, 33))
"""texts and tokens that are compared; the first one traces the model"""
_KEPT = "pkg.torch.onnx.name_scopes"
"""metadata that tells which layer a node belongs to; the rest names files of ours"""


@dataclass(frozen=True)
class OnnxCheck:
    """How far the ONNX file is from the model, on random texts with padding."""

    largest_difference: float
    """of a logit, absolute"""
    opset: int


def export_onnx(
    model: PreTrainedModel | str | Path,
    path: str | Path,
    *,
    opset: int = OPSET,
    largest_difference: float = LARGEST_DIFFERENCE,
) -> OnnxCheck:
    """Write a sequence classifier as ONNX, for any number of texts and tokens.

    Inputs are input_ids, attention_mask and, if the model has several types,
    token_type_ids, each (batch, tokens); the output is logits. On any error there is no
    file, or the former one.

    Args:
        model: of transformers, or its folder, which must hold safetensors.
        path: the file.
        opset: version of ONNX's operators.
        largest_difference: of a logit between the model and onnxruntime.

    Raises:
        InputError: the folder holds no such model, the model cannot be exported, the
            file cannot be written, or the logits differ by more.
    """
    path = Path(path)
    loaded = model if isinstance(model, PreTrainedModel) else _load(Path(model))
    classifier = _Classifier(loaded).eval()
    proto = _traced(classifier, opset)
    content = proto.SerializeToString(deterministic=True)
    found = _compare(classifier, content)
    if not found <= largest_difference:
        raise InputError(
            f"{path}: logits differ by {found:g} between the model and onnxruntime; "
            f"allowed: {largest_difference:g}; the file was not kept; export with "
            "another opset"
        )
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return OnnxCheck(found, opset)


class _Classifier(torch.nn.Module):
    """A model that takes its inputs by place, and gives its logits."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.names = ["input_ids", "attention_mask"]
        if getattr(model.config, "type_vocab_size", 0) > 1:
            self.names.append("token_type_ids")

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        """Return the logits, (batch, labels)."""
        given = dict(zip(self.names, values, strict=True))
        logits: torch.Tensor = self.model(**given, return_dict=True).logits
        return logits


def _load(folder: Path) -> PreTrainedModel:
    """Load a model from a folder, never from the network and never by pickle."""
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: no folder of a transformers model: it has no config.json"
        )
    try:
        model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(
            f"{folder}: cannot be loaded ({words}); save it again"
        ) from error
    return model


# --- export --------------------------------------------------------------------------


def _traced(classifier: _Classifier, opset: int) -> onnx.ModelProto:
    """Return the model as ONNX, with attention in plain operators."""
    attention = classifier.model.config._attn_implementation
    classifier.model.set_attn_implementation("eager")
    try:
        with _quiet():
            program = torch.onnx.export(
                classifier,
                _texts(classifier, *SHAPES[0]),
                opset_version=opset,
                input_names=classifier.names,
                output_names=["logits"],
                dynamic_shapes=(_any_length(classifier),),
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(
            f"{type(classifier.model).__name__}: cannot be exported ({words}); try "
            "another opset"
        ) from error
    finally:
        classifier.model.set_attn_implementation(attention)
    assert program is not None  # noqa: S101 - as dynamo=True says
    proto = program.model_proto
    (got,) = (each.version for each in proto.opset_import if not each.domain)
    if got != opset:
        raise InputError(
            f"opset {opset}: this torch writes {got} instead; ask for another opset"
        )
    return _cleaned(proto)


def _any_length(classifier: _Classifier) -> tuple[dict[int, Any], ...]:
    every = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    return tuple(every for _ in classifier.names)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's notes on optional packages and renamed axes to itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _cleaned(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Name the axes, and drop what only this machine knows: paths, shapes by number."""
    del proto.graph.value_info[:]
    for value in (*proto.graph.input, *proto.graph.output):
        for axis, name in zip(
            value.type.tensor_type.shape.dim, ("batch", "tokens"), strict=False
        ):
            if not axis.HasField("dim_value"):
                axis.dim_param = name
    for node in proto.graph.node:
        kept = [each for each in node.metadata_props if each.key == _KEPT]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    del proto.metadata_props[:]
    return proto


# --- comparison ----------------------------------------------------------------------


def _compare(classifier: _Classifier, content: bytes) -> float:
    """Return the largest difference of a logit on random texts."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = 0.0
    for shape in SHAPES:
        texts = _texts(classifier, *shape)
        given = {
            name: values.numpy()
            for name, values in zip(classifier.names, texts, strict=True)
        }
        with torch.inference_mode():
            wanted = classifier(*texts).numpy()
        (got,) = session.run(["logits"], given)
        largest = max(largest, float(np.abs(wanted - got).max()))
    return largest


def _texts(
    classifier: _Classifier, batch: int, tokens: int
) -> tuple[torch.Tensor, ...]:
    """Return random ids, a mask that pads all texts but the first, and types of 0."""
    config = classifier.model.config
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(0, config.vocab_size, (batch, tokens)))
    mask = torch.ones_like(ids)
    mask[1:, (tokens + 1) // 2 :] = 0
    padding = config.pad_token_id or 0
    ids = torch.where(mask > 0, ids, padding)
    return (ids, mask, torch.zeros_like(ids))[: len(classifier.names)]
