"""More unlabeled texts from few: word dropout, words replaced, and spliced pieces.

After Tang et al. 2019 (arXiv 1903.12136): the teacher labels what comes out, so a text
need not be well-formed, only near those that the student will meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikewright.train.settings.config import AugmentConfig
from spikewright.train.texts.replace import Replace


def augment(
    texts: Sequence[str],
    config: AugmentConfig,
    rng: np.random.Generator,
    *,
    replace: Replace | None = None,
) -> list[str]:
    """Return up to `config.rounds` new texts for each text, each once.

    A text of `long_words` or more yields `long_rounds`, if they are more. None is
    empty or an original; a text without a word yields nothing.

    Args:
        texts: the originals.
        config: how.
        rng: decides.
        replace: what a word may become, with `replace_probability`.
    """
    known = {" ".join(text.split()) for text in texts}
    words = [each for text in texts if (each := text.split())]
    made: dict[str, None] = {}
    for turn in range(max(config.rounds, config.long_rounds)):
        for each in words:
            if turn < config.rounds or len(each) >= config.long_words:
                new = _new_words(each, words, config, rng)
                if replace is not None and config.replace_probability:
                    new = _replaced(new, config, rng, replace)
                made[" ".join(new)] = None
    return [text for text in made if text and text not in known]


def _new_words(
    words: Sequence[str],
    others: Sequence[Sequence[str]],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> list[str]:
    if rng.random() >= config.splice_probability:
        return _drop(words, config, rng)
    other = others[int(rng.integers(len(others)))]
    return _piece(words, config, rng) + _piece(other, config, rng)


def _replaced(
    words: Sequence[str],
    config: AugmentConfig,
    rng: np.random.Generator,
    replace: Replace,
) -> list[str]:
    drawn = rng.random(len(words)) < config.replace_probability
    return [
        replace(word, rng) if change else word
        for word, change in zip(words, drawn, strict=True)
    ]


def _piece(
    words: Sequence[str], config: AugmentConfig, rng: np.random.Generator
) -> list[str]:
    length = int(rng.integers(1, min(len(words), config.longest_piece) + 1))
    start = int(rng.integers(len(words) - length + 1))
    return list(words[start : start + length])


def _drop(
    words: Sequence[str], config: AugmentConfig, rng: np.random.Generator
) -> list[str]:
    kept = rng.random(len(words)) >= config.drop_probability
    return [word for word, keep in zip(words, kept, strict=True) if keep]
