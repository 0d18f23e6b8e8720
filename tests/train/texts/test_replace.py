"""New texts from old: masks, other words, n-grams; filled by a masked model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from spikewright.errors import InputError
from spikewright.train.settings.stage_tables import AugmentTable
from spikewright.train.teachers.mask_fill import fill_masks, load_filler
from spikewright.train.teachers.teacher import load_tokenizer
from spikewright.train.texts.replace import (
    Replace,
    by_groups,
    by_neighbors,
    by_vocabulary,
    make_texts,
    split_words,
)

TEXTS = ("the soup was very fine", "a dull road", "lovely and quite warm tale of two")


def _make(
    *texts: str, seed: int = 0, replace: Replace | None = None, **options: Any
) -> list[str]:
    chosen = {"rounds": 50, "mask_probability": 0.0, "replace_probability": 0.0}
    chosen |= {"ngram_probability": 0.0, **options}
    table, rng = AugmentTable(**chosen), np.random.default_rng(seed)
    return make_texts(
        texts, table, rng, replace=replace or by_vocabulary(texts), mask="[MASK]"
    )


def test_nothing_new_is_made_of_nothing() -> None:
    assert _make(*TEXTS) == []


def test_masks_stand_for_words() -> None:
    made = _make(TEXTS[0], mask_probability=0.3)
    words = TEXTS[0].split()
    for text in made:
        pairs = list(zip(text.split(), words, strict=True))
        assert any(new == "[MASK]" for new, _ in pairs)
        assert all(new in ("[MASK]", old) for new, old in pairs)
    # Of 2^5 - 1 patterns nearly all turn up once in 50 rounds, none twice.
    assert len(set(made)) == len(made) > 15


def test_words_are_masked_or_else_replaced_at_the_published_rates() -> None:
    words = [f"w{i}" for i in range(4000)]
    (made,) = _make(
        " ".join(words),
        rounds=1,
        replace=lambda word, rng: f"{word}x",
        mask_probability=0.1,
        replace_probability=0.1,
    )
    masked = made.split().count("[MASK]")
    replaced = sum(word.endswith("x") for word in made.split())
    # 400 masked, then 0.1 of 3600: 360 replaced; three deviations are 57 and 54.
    assert abs(masked - 400) < 57
    assert abs(replaced - 360) < 54


def test_n_grams_are_pieces_of_one_to_five_words() -> None:
    made = _make(*TEXTS, ngram_probability=1.0, rounds=200)
    assert all(any(text in whole for whole in TEXTS) for text in made)
    lengths = {len(text.split()) for text in made}
    assert lengths == {1, 2, 3, 4, 5}
    # Skipped if n is not below the length: of three words at most two stay.
    assert "a dull road" not in made


def test_originals_and_repeats_are_left_out() -> None:
    made = _make("a b", "b", "a", ngram_probability=1.0)
    assert made == []


def test_the_seed_decides() -> None:
    options = {"mask_probability": 0.2, "replace_probability": 0.2}
    assert _make(*TEXTS, **options) == _make(*TEXTS, **options)
    assert _make(*TEXTS, **options) != _make(*TEXTS, seed=1, **options)


def test_chinese_is_split_by_character() -> None:
    assert split_words("菜很好吃,ok 了") == ["菜", "很", "好", "吃", ",ok", "了"]


# --- replacements --------------------------------------------------------------------


def _drawn(replace: Replace, word: str) -> set[str]:
    rng = np.random.default_rng(0)
    return {replace(word, rng) for _ in range(200)}


def test_a_group_holds_words_for_one_another(tmp_path: Path) -> None:
    (tmp_path / "groups.txt").write_text("fine good lovely\ngood kind\n")
    replace = by_groups(tmp_path / "groups.txt")
    assert _drawn(replace, "fine") == {"good", "lovely"}
    assert _drawn(replace, "good") == {"fine", "lovely", "kind"}
    assert _drawn(replace, "road") == {"road"}
    with pytest.raises(InputError, match="none: cannot be read"):
        by_groups(tmp_path / "none")


def test_any_word_of_the_texts() -> None:
    assert _drawn(by_vocabulary(TEXTS[:2]), "x") == set(" ".join(TEXTS[:2]).split())


def test_neighbors_are_those_of_the_teachers_embedding(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikewright.train.texts.replace.NEIGHBORS", 2)
    tokenizer = load_tokenizer(str(place / "encoder"))
    table = torch.zeros(21, 2)
    ids = tokenizer.convert_tokens_to_ids(["fine", "lovely", "warm", "dull", "sour"])
    angles = torch.tensor([0.0, 0.1, 0.2, 2.0, 2.1])
    table[ids] = 3 * torch.stack([angles.cos(), angles.sin()], dim=1)
    texts = ["fine lovely warm dull sour unknown"]
    replace = by_neighbors(texts, tokenizer, table)
    assert _drawn(replace, "fine") == {"lovely", "warm"}
    assert _drawn(replace, "dull") == {"sour", "warm"}
    assert _drawn(replace, "unknown") == {"unknown"}
    assert _drawn(by_neighbors(["unknown"], tokenizer, table), "fine") == {"fine"}


# --- filling -------------------------------------------------------------------------


@pytest.fixture
def filler(place: Path, tmp_path: Path) -> str:
    """A masked model whose every place says soup, or else road."""
    tokenizer = AutoTokenizer.from_pretrained(place / "encoder")
    tokenizer.add_special_tokens({"mask_token": "[MASK]", "cls_token": "[CLS]"})
    tokenizer.save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForMaskedLM(
        BertConfig(vocab_size=len(tokenizer), intermediate_size=8, **sizes)
    )
    with torch.no_grad():
        decoder = model.cls.predictions
        decoder.bias.fill_(-50.0)
        soup, road, cls = tokenizer.convert_tokens_to_ids(["soup", "road", "[CLS]"])
        decoder.bias[[soup, road]] = 0.0
        decoder.bias[cls] = 50.0  # no word, so it must not come
    model.save_pretrained(tmp_path)
    return str(tmp_path)


def test_masks_are_filled_with_words_of_the_model(filler: str) -> None:
    model, tokenizer = load_filler(filler)
    texts = ["the [MASK] was [MASK]", "a tale", "[MASK]"] * 20
    filled = fill_masks(
        texts,
        model,
        tokenizer,
        np.random.default_rng(0),
        mask="[MASK]",
        max_tokens=16,
    )
    assert set(filled[1::3]) == {"a tale"}
    assert set(filled[2::3]) == {"soup", "road"}
    assert all(re.fullmatch("the (soup|road) was (soup|road)", t) for t in filled[::3])


def test_a_mask_beyond_the_longest_text_stays(filler: str) -> None:
    model, tokenizer = load_filler(filler)
    rng = np.random.default_rng(0)
    (filled,) = fill_masks(
        ["[MASK] the was [MASK]"], model, tokenizer, rng, mask="[MASK]", max_tokens=4
    )
    assert re.fullmatch(r"(soup|road) the was \[MASK\]", filled)


def test_refuses_an_encoder_as_a_masked_model(place: Path) -> None:
    with pytest.raises(
        InputError, match="lacks a mask or a trained head; name another"
    ):
        load_filler(str(place / "encoder"))
