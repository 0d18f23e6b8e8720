"""New texts for stage 2, after Tang et al. 2019 (arXiv 1903.12136).

A round: each word becomes the mask with p = mask_probability, else another word with
p = replace_probability; then, with p = ngram_probability, only a random n-gram stays.
The teacher labels what comes out, so a text need only be near those of the task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from spikewright.errors import InputError
from spikewright.train.settings.stage_tables import AugmentTable

Replace = Callable[[str, np.random.Generator], str]
NEIGHBORS = 8
_IDEOGRAPH = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_IDEOGRAPH}]|[^\\s{_IDEOGRAPH}]+")


def split_words(text: str) -> list[str]:
    """Split at spaces and around each Chinese character, as BERT's tokenizer does."""
    return _WORD.findall(text)


def make_texts(
    texts: Sequence[str],
    table: AugmentTable,
    rng: np.random.Generator,
    *,
    replace: Replace,
    mask: str,
) -> list[str]:
    """Return up to `table.rounds` new texts of each, none twice and no original."""
    known = {" ".join(split_words(text)) for text in texts}
    sentences = [words for text in texts if (words := split_words(text))]
    made: dict[str, None] = {}
    for _ in range(table.rounds):
        for words in sentences:
            changed = _change(words, table, rng, replace, mask)
            made[" ".join(_shorten(changed, table, rng))] = None
    return [text for text in made if text not in known]


def _change(
    words: Sequence[str],
    table: AugmentTable,
    rng: np.random.Generator,
    replace: Replace,
    mask: str,
) -> list[str]:
    out = []
    for word, drawn in zip(words, rng.random((len(words), 2)), strict=True):
        if drawn[0] < table.mask_probability:
            out.append(mask)
        elif drawn[1] < table.replace_probability:
            out.append(replace(word, rng))
        else:
            out.append(word)
    return out


def _shorten(
    words: list[str], table: AugmentTable, rng: np.random.Generator
) -> list[str]:
    if rng.random() >= table.ngram_probability:
        return words
    length = int(rng.integers(1, table.longest_ngram + 1))
    if length >= len(words):
        return words
    start = int(rng.integers(len(words) - length + 1))
    return words[start : start + length]


# --- what a word may become ----------------------------------------------------------


def by_vocabulary(texts: Sequence[str]) -> Replace:
    """Return a replacement by any word of the texts, as often as it stands there."""
    words = [word for text in texts for word in split_words(text)]

    def replace(word: str, rng: np.random.Generator) -> str:
        del word
        return words[int(rng.integers(len(words)))]

    return replace


def by_groups(path: Path) -> Replace:
    """Return a replacement by another word of the same line of a file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    groups: dict[str, list[str]] = {}
    for line in lines:
        for word in (group := line.split()):
            groups.setdefault(word, []).extend(w for w in group if w != word)
    return _among(groups)


def by_neighbors(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, table: torch.Tensor
) -> Replace:
    """Return a replacement by a word of the texts that the teacher embeds alike.

    Only words of one token are replaced, and replace.

    Args:
        texts: whose words take part.
        tokenizer: the teacher's.
        table: its word embedding, (words, width).
    """
    words = sorted({word for text in texts for word in split_words(text)})
    ids: list[list[int]] = tokenizer(words, add_special_tokens=False)["input_ids"]
    single = {
        word: own[0]
        for word, own in zip(words, ids, strict=True)
        if len(own) == 1 and word.isalpha() and own[0] != tokenizer.unk_token_id
    }
    if not single:
        return _among({})
    names = list(single)
    rows = torch.nn.functional.normalize(table[list(single.values())].float(), dim=-1)
    groups: dict[str, list[str]] = {}
    for start in range(0, len(names), 1024):
        alike = rows[start : start + 1024] @ rows.T
        nearest = alike.topk(min(NEIGHBORS + 1, len(names))).indices.tolist()
        for word, found in zip(names[start:], nearest, strict=False):
            groups[word] = [names[i] for i in found if names[i] != word]
    return _among(groups)


def _among(groups: Mapping[str, Sequence[str]]) -> Replace:
    def replace(word: str, rng: np.random.Generator) -> str:
        others = groups.get(word)
        return others[int(rng.integers(len(others)))] if others else word

    return replace
