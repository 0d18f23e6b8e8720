"""Operations of a BERT teacher, counted from its own config."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from spikewright.counts import OperationCount
from spikewright.errors import InputError


@dataclass(frozen=True)
class TransformerShape:
    """The sizes of a BERT encoder with a pooler and a classifier.

    Raises:
        InputError: a size is not positive, or the heads do not divide `hidden`.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    labels: int

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if key != "name" and value < 1:
                raise InputError(
                    f"teacher '{self.name}': {key} is {value}, must be > 0"
                )
        if self.hidden % self.heads:
            raise InputError(
                f"teacher '{self.name}': {self.heads} heads do not divide "
                f"hidden size {self.hidden}"
            )


@dataclass(frozen=True)
class TeacherWork:
    """Operations of a teacher over some sentences."""

    name: str
    counts: Mapping[str, OperationCount]
    sentences: int
    mean_tokens: float


SHAPES: Mapping[str, TransformerShape] = MappingProxyType(
    {
        "bert-base": TransformerShape("bert-base", 768, 12, 12, 3072, 30522, 2),
        "minilm-l6": TransformerShape("minilm-l6", 384, 6, 12, 1536, 30522, 2),
    }
)
"""BERT-base uncased (Devlin et al. 2019) and all-MiniLM-L6-v2, with two labels"""

_KEYS = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
}


def find_teacher(name: str) -> TransformerShape:
    """Return a built-in shape by name, or read the config at this path.

    Raises:
        InputError: there is no such shape, or the config cannot be used.
    """
    if name in SHAPES:
        return SHAPES[name]
    if Path(name).exists():
        return read_teacher_config(Path(name))
    raise InputError(
        f"teacher '{name}': no such file and no built-in shape; built in: "
        f"{', '.join(SHAPES)}; else give the path of a config.json or its folder"
    )


def read_teacher_config(config: Path | Mapping[str, object]) -> TransformerShape:
    """Read the config of a Hugging Face BERT: a dict, a config.json or its folder.

    The number of labels is that of `id2label`, else `num_labels`, else 2, which is what
    transformers assumes.

    Raises:
        InputError: the file is unreadable, a size is missing or no positive integer, or
            the model is not a BERT.
    """
    if isinstance(config, Mapping):
        return _shape_of("config", config)
    path = config / "config.json" if config.is_dir() else config
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable teacher config: {error}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: a teacher config is a JSON object, got {raw!r:.40}")
    return _shape_of(str(path), raw)


def _shape_of(where: str, config: Mapping[str, object]) -> TransformerShape:
    kind = config.get("model_type", "bert")
    if kind != "bert":
        raise InputError(f"{where}: cannot count a '{kind}'; only model_type 'bert'")
    sizes = {ours: _size(where, config, theirs) for ours, theirs in _KEYS.items()}
    name = config.get("_name_or_path") or where
    return TransformerShape(str(name), **sizes, labels=_labels(where, config))


def _labels(where: str, config: Mapping[str, object]) -> int:
    labels = config.get("id2label")
    if isinstance(labels, Mapping):
        return len(labels)
    return _size(where, {"num_labels": 2, **config}, "num_labels")


def _size(where: str, config: Mapping[str, object], key: str) -> int:
    if key not in config:
        known = ", ".join(_KEYS.values())
        raise InputError(f"{where}: '{key}' is missing; a BERT config has {known}")
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{where}: '{key}' is {value!r}, must be a positive integer")
    return value


def count_teacher(shape: TransformerShape, tokens: int) -> dict[str, OperationCount]:
    """Count one sentence of `tokens` tokens, by layer.

    MACs of a layer = 4 L h^2 (query, key, value, output) + 2 L h i (feed-forward)
    + 2 L^2 h (attention). The scale of attention is folded into the query, the mask
    is an addition; GELU, tanh and softmax count as exponentials, an element each.

    Raises:
        InputError: `tokens` is not positive.
    """
    if tokens < 1:
        raise InputError(f"teacher '{shape.name}': {tokens} tokens, must be > 0")
    layer = _count_layer(shape, tokens)
    return {
        "embeddings": _count_embeddings(shape, tokens),
        **{f"layer{index}": layer for index in range(shape.layers)},
        "pooler": OperationCount(
            macs=shape.hidden**2, additions=shape.hidden, exp_elements=shape.hidden
        ),
        "classifier": OperationCount(
            macs=shape.hidden * shape.labels, additions=shape.labels
        ),
    }


def count_teacher_sentences(
    shape: TransformerShape, lengths: Sequence[int]
) -> TeacherWork:
    """Count sentences of these many tokens each, none padded.

    Raises:
        InputError: there is no sentence, or one is empty.
    """
    if not lengths:
        raise InputError(f"teacher '{shape.name}': no sentences to count")
    total = dict.fromkeys(count_teacher(shape, 1), OperationCount())
    for tokens, times in Counter(lengths).items():
        for name, count in count_teacher(shape, tokens).items():
            total[name] += count * times
    return TeacherWork(shape.name, total, len(lengths), sum(lengths) / len(lengths))


def _count_embeddings(shape: TransformerShape, tokens: int) -> OperationCount:
    """Word, position and type are looked up, added and normalized."""
    elements = tokens * shape.hidden
    return OperationCount(
        lookups=3 * elements, additions=2 * elements, norm_elements=elements
    )


def _count_layer(shape: TransformerShape, tokens: int) -> OperationCount:
    elements, scores = tokens * shape.hidden, shape.heads * tokens**2
    expanded = tokens * shape.intermediate
    projections = 4 * elements * shape.hidden + 2 * elements * shape.intermediate
    biases, residuals = 5 * elements + expanded, 2 * elements
    return OperationCount(
        macs=projections + 2 * tokens * elements,
        additions=biases + residuals + scores,
        norm_elements=2 * elements,
        exp_elements=scores + expanded,
    )
