"""The config of a transformers model, read as the shape of a teacher."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from spikewright.errors import InputError
from spikewright.hardware_profiles.teachers.shape import FAMILIES, TransformerShape

_KEYS = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
}
_DISTILBERT = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
}
"""what a DistilBERT calls the same things"""
_ASSUMED: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "": {"max_position_embeddings": 512, "type_vocab_size": 2, "num_labels": 2},
        "albert": {
            "num_hidden_groups": 1,
            "inner_group_num": 1,
            "embedding_size": 128,
        },
        "electra": {"embedding_size": 128},
        "mpnet": {"relative_attention_num_buckets": 32},
    }
)
"""what transformers assumes where a config says nothing, in all families and in one"""
_EXPONENTIAL = frozenset(
    {
        *("gelu", "gelu_10", "gelu_fast", "gelu_new", "gelu_python", "quick_gelu"),
        *("gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh", "mish", "sigmoid"),
        *("silu", "swish", "tanh"),
    }
)
_MOST, _MOST_LAYERS = 2**31, 2**14
"""sizes beyond these are damage; each layer is counted by its name"""
_PLAIN = frozenset({"leaky_relu", "linear", "relu", "relu2", "relu6"})
_REFUSED = ("is_decoder", "add_cross_attention", "is_encoder_decoder", "pruned_heads")


def read_teacher_config(config: Path | Mapping[str, object]) -> TransformerShape:
    """Read the config of a transformers model: a dict, a config.json or its folder.

    The number of labels is that of `id2label`, else `num_labels`, else 2, which is what
    transformers assumes.

    Raises:
        InputError: the file is unreadable, a size is missing or no positive integer, or
            the model is of another family or attends in another way.
    """
    if isinstance(config, Mapping):
        return _shape_of("config", config)
    path = config / "config.json" if config.is_dir() else config
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable teacher config: {error}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: a teacher config is a JSON object, got {raw!r:.40}")
    return _shape_of(str(path), raw)


def _shape_of(where: str, config: Mapping[str, object]) -> TransformerShape:
    kind = config.get("model_type", "bert")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(
            f"{where}: cannot count a '{kind}'; only model_type {', '.join(FAMILIES)}; "
            "else export the model to ONNX and count that"
        )
    _refuse_other_layers(where, config)
    known = {**_ASSUMED[""], **_ASSUMED.get(kind, {}), **config}
    spelled = _DISTILBERT if kind == "distilbert" else {}
    sizes = {
        ours: _size(where, known, spelled.get(theirs, theirs))
        for ours, theirs in _KEYS.items()
    }
    repeats, groups = _layer_groups(where, known, kind)
    sizes["layers"] *= repeats
    if sizes["layers"] > _MOST_LAYERS:
        raise InputError(f"{where}: {sizes['layers']} layers; allowed: {_MOST_LAYERS}")
    has_width = "embedding_size" in _ASSUMED.get(kind, {})
    has_buckets = kind == "mpnet"
    return TransformerShape(
        str(config.get("_name_or_path") or where),
        **sizes,
        labels=_labels(where, known),
        kind=kind,
        embedding=_size(where, known, "embedding_size") if has_width else None,
        positions=_size(where, known, "max_position_embeddings"),
        types=_size(where, known, "type_vocab_size"),
        distinct_layers=groups,
        position_buckets=_size(where, known, "relative_attention_num_buckets")
        if has_buckets
        else 0,
        has_exp_activation=_has_exp(where, config, spelled),
    )


def _refuse_other_layers(where: str, config: Mapping[str, object]) -> None:
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise InputError(
            f"{where}: position_embedding_type is {positions!r}; only 'absolute' is "
            "counted; else export the model to ONNX and count that"
        )
    for key in _REFUSED:
        if config.get(key):
            raise InputError(
                f"{where}: {key} is {config[key]!r}; only whole encoders are counted; "
                "else export the model to ONNX and count that"
            )


def _layer_groups(
    where: str, config: Mapping[str, object], kind: str
) -> tuple[int, int | None]:
    """Return how many layers a group of ALBERT has, and how many are stored."""
    if kind != "albert":
        return 1, None
    inner = _size(where, config, "inner_group_num")
    return inner, inner * _size(where, config, "num_hidden_groups")


def _has_exp(
    where: str, config: Mapping[str, object], spelled: Mapping[str, str]
) -> bool:
    key = spelled.get("hidden_act", "hidden_act")
    name = config.get(key, "gelu")
    if isinstance(name, str) and name in {*_EXPONENTIAL, *_PLAIN}:
        return name in _EXPONENTIAL
    known = ", ".join(sorted(_EXPONENTIAL | _PLAIN))
    raise InputError(f"{where}: '{key}' is {name!r}; allowed: {known}")


def _labels(where: str, config: Mapping[str, object]) -> int:
    labels = config.get("id2label")
    if isinstance(labels, Mapping):
        return len(labels)
    return _size(where, config, "num_labels")


def _size(where: str, config: Mapping[str, object], key: str) -> int:
    if key not in config:
        keys = _DISTILBERT if key in _DISTILBERT.values() else _KEYS
        known = ", ".join(keys.values())
        raise InputError(f"{where}: '{key}' is missing; a BERT config has {known}")
    value = config[key]
    most = _MOST_LAYERS if "layers" in key or "group" in key else _MOST
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(
            f"{where}: '{key}' is {value!r:.40}, must be a positive integer up to "
            f"{most}"
        )
    return value
