"""New texts from old ones."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.train.settings.config import AugmentConfig
from spikewright.train.texts.augment import augment

WORDS = [f"w{i}" for i in range(40)]


def _texts(seed: int, count: int = 60) -> list[str]:
    rng = np.random.default_rng(seed)
    return [
        " ".join(rng.permutation(WORDS)[: rng.integers(1, 20)]) for _ in range(count)
    ]


def _augmented(seed: int, texts: list[str], **values: float) -> list[str]:
    config = AugmentConfig(**values)  # type: ignore[arg-type]
    return augment(texts, config, np.random.default_rng(seed))


def test_the_seed_decides() -> None:
    texts = _texts(0)
    assert _augmented(1, texts) == _augmented(1, texts)
    assert _augmented(1, texts) != _augmented(2, texts)


@pytest.mark.parametrize("seed", range(5))
def test_no_text_is_empty_an_original_or_there_twice(seed: int) -> None:
    texts = _texts(seed)
    made = _augmented(seed, texts, rounds=4, drop_probability=0.6)
    assert 100 < len(made) <= 4 * len(texts)
    assert len(set(made)) == len(made)
    assert all(text.strip() for text in made)
    assert not set(made) & set(texts)


def test_an_original_with_other_spaces_is_an_original() -> None:
    texts = ["a  b ", " c"]
    assert not _augmented(0, texts, drop_probability=0.0, splice_probability=0.0)


def test_one_word_and_empty_texts_do_no_harm() -> None:
    made = _augmented(0, ["one", "", "  "], rounds=20)
    assert set(made) <= {"one one"}
    assert _augmented(0, [], rounds=3) == []


@pytest.mark.parametrize("longest", [1, 3])
def test_a_splice_is_two_pieces_no_longer_than_allowed(longest: int) -> None:
    texts = _texts(3)
    made = _augmented(0, texts, rounds=3, splice_probability=1.0, longest_piece=longest)
    assert made
    for text in made:
        words = text.split()
        assert 2 <= len(words) <= 2 * longest
        # Somewhere it splits into two pieces of originals, each in one run.
        assert any(
            len(words[:cut]) <= longest
            and len(words[cut:]) <= longest
            and any(" ".join(words[:cut]) in each for each in texts)
            and any(" ".join(words[cut:]) in each for each in texts)
            for cut in range(1, len(words))
        )
    assert max(len(text.split()) for text in made) == 2 * longest


def test_pieces_reach_both_ends_of_a_text() -> None:
    text = "a b c d e f"
    made = _augmented(0, [text], rounds=300, splice_probability=1.0, longest_piece=2)
    assert {word for each in made for word in each.split()} == set(text.split())


def test_words_drop_at_the_rate_and_keep_their_order() -> None:
    text = " ".join(f"w{i}" for i in range(1000))
    made = _augmented(
        0, [text], rounds=20, splice_probability=0.0, drop_probability=0.3
    )
    assert len(made) == 20
    kept = np.mean([len(each.split()) for each in made])
    # 20 x 1000 draws: standard deviation of the mean below 4 words.
    assert kept == pytest.approx(700, abs=16)
    for each in made:
        numbers = [int(word[1:]) for word in each.split()]
        assert numbers == sorted(numbers)


def test_long_texts_yield_more() -> None:
    short, long = "a b c", " ".join(f"w{i}" for i in range(8))
    made = _augmented(
        0, [short, long], rounds=0, long_rounds=50, long_words=8, splice_probability=0.0
    )
    assert len(made) > 20
    assert all(word.startswith("w") for text in made for word in text.split())


def test_words_are_replaced_at_the_rate() -> None:
    text = " ".join(["old"] * 1000)
    config = AugmentConfig(
        rounds=1,
        drop_probability=0.0,
        splice_probability=0.0,
        replace_probability=0.2,
    )
    rng = np.random.default_rng(0)
    (made,) = augment([text], config, rng, replace=lambda word, rng: f"new-{word}")
    words = made.split()
    assert set(words) == {"old", "new-old"}
    # 1000 draws: deviation sqrt(1000 * 0.2 * 0.8) = 13.
    assert words.count("new-old") == pytest.approx(200, abs=40)
