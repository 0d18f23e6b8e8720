"""More unlabeled texts from few: word dropout and spliced pieces.

After Tang et al. 2019 (arXiv 1903.12136): the teacher labels what comes out, so a text
need not be well-formed, only near those that the student will meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikewright.train.config import AugmentConfig


def augment(
    texts: Sequence[str], config: AugmentConfig, rng: np.random.Generator
) -> list[str]:
    """Return up to `config.rounds` new texts for each text, each once.

    None is empty or an original; a text without a word yields nothing.
    """
    known = {" ".join(text.split()) for text in texts}
    words = [each for text in texts if (each := text.split())]
    made: dict[str, None] = {}
    for _ in range(config.rounds):
        for each in words:
            if rng.random() < config.splice_probability:
                other = words[int(rng.integers(len(words)))]
                new = _piece(each, config, rng) + _piece(other, config, rng)
            else:
                new = _drop(each, config, rng)
            made[" ".join(new)] = None
    return [text for text in made if text and text not in known]


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
