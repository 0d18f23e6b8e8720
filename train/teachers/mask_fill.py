"""Fill the masks of augmented texts with a masked language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from transformers import (
    AutoModelForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from spikewright.errors import InputError
from spikewright.train.meter import Meter, Say, ignore
from spikewright.train.teachers.teacher import find_encoder, load_tokenizer, loading
from spikewright.train.texts.data import pad_batch

BATCH = 64
CHOICES = 10
"""words, the likeliest of a place, among which one is drawn by its probability"""


def load_filler(base: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a masked language model and its tokenizer.

    Raises:
        BackendMissingError: its package is not installed.
        InputError: there is none, it has no head that was trained, or no mask.
    """
    folder, tokenizer = find_encoder(base), load_tokenizer(base)
    with loading(base):
        model, info = AutoModelForMaskedLM.from_pretrained(
            folder,
            output_loading_info=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    if info["missing_keys"] or tokenizer.mask_token is None:
        raise InputError(
            f"masked language model '{base}': it lacks a mask or a trained head; name "
            "another as [augment] fill, or none"
        )
    return model.eval(), tokenizer


def fill_masks(
    texts: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rng: np.random.Generator,
    *,
    mask: str,
    max_tokens: int,
    say: Say = ignore,
) -> list[str]:
    """Return the texts with each `mask` replaced by a word drawn from the model.

    A mask beyond `max_tokens` stays.
    """
    filled = list(texts)
    order = [i for i, text in enumerate(texts) if mask in text.split()]
    order.sort(key=lambda i: len(texts[i]))
    meter = Meter("masks: text", max(1, len(order)), say)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        own = [texts[i].replace(mask, str(tokenizer.mask_token)) for i in chosen]
        words = _draw(own, model, tokenizer, rng, max_tokens)
        for i, drawn in zip(chosen, words, strict=True):
            filled[i] = _put(texts[i], mask, drawn)
        meter.show(start)
    return filled


def _put(text: str, mask: str, drawn: Iterator[str]) -> str:
    return " ".join(next(drawn, mask) if w == mask else w for w in text.split())


def _draw(
    texts: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rng: np.random.Generator,
    max_tokens: int,
) -> list[Iterator[str]]:
    """Return the words for the masks of each text, in order."""
    encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens)
    rows: list[list[int]] = encoded["input_ids"]
    batch = pad_batch([{"input_ids": row} for row in rows])
    with torch.no_grad():
        logits = model(**batch).logits.float()
    logits[..., _unfit(tokenizer, logits.shape[-1])] = -torch.inf
    best, words = logits.softmax(dim=-1).topk(CHOICES)
    places = batch["input_ids"] == tokenizer.mask_token_id
    return [
        iter(
            str(tokenizer.convert_ids_to_tokens(_pick(best[i, j], words[i, j], rng)))
            for j in places[i].nonzero()[:, 0].tolist()
        )
        for i in range(len(rows))
    ]


def _pick(share: torch.Tensor, words: torch.Tensor, rng: np.random.Generator) -> int:
    chance = share.double().numpy()
    return int(words[rng.choice(len(chance), p=chance / chance.sum())])


def _unfit(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> torch.Tensor:
    """Return which tokens are no whole words."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(vocabulary)))
    special = set(tokenizer.all_special_tokens)
    return torch.tensor(
        [t is None or t in special or t.startswith("##") for t in tokens]
    )
