"""Does the order of words matter to a trained student? Pairs of sentences tell.

The two of a pair hold the same words in another order: a negation moved, so that praise
becomes blame, or the two sides of a verb swapped. A student that counts words answers
both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError

ROUNDING = 1e-4
"""logits no farther apart differ by the order of sums, not by that of words"""
Logits = Callable[[Sequence[str]], npt.NDArray[np.float64]]
"""texts -> (texts, classes)"""


@dataclass(frozen=True)
class Pair:
    """Two sentences of the same words."""

    kind: str
    first: str
    second: str


_NEGATIONS = (
    ("it is not boring , it is good", "it is not good , it is boring"),
    ("the film is funny and never dull", "the film is dull and never funny"),
    ("not a bad film , a great one", "not a great film , a bad one"),
    ("a warm story without cold moments", "a cold story without warm moments"),
    ("it fails to bore and manages to charm", "it fails to charm and manages to bore"),
    ("the plot is clever and not stupid", "the plot is not clever and stupid"),
    ("i did love it and do not regret it", "i do regret it and did not love it"),
    ("a fresh idea that is never tired", "a tired idea that is never fresh"),
    ("it is more smart than silly", "it is more silly than smart"),
    ("it has wit instead of noise", "it has noise instead of wit"),
    ("too much joy to allow any boredom", "too much boredom to allow any joy"),
    ("the acting is strong , hardly weak", "the acting is weak , hardly strong"),
    ("you will love it and not hate it", "you will hate it and not love it"),
    ("far from awful , it is wonderful", "far from wonderful , it is awful"),
    ("i expected a mess and got a gem", "i expected a gem and got a mess"),
    ("less a chore than a pleasure", "less a pleasure than a chore"),
    ("nothing is lazy and all is bright", "nothing is bright and all is lazy"),
    ("the end is no disaster but a triumph", "the end is no triumph but a disaster"),
)
"""praise, then blame"""
_SWAPS = (
    (
        "the critics loved what the crowd hated",
        "the crowd loved what the critics hated",
    ),
    ("the hero saves a dull film", "a dull film saves the hero"),
    ("the film beats the book", "the book beats the film"),
    ("good actors ruin a bad script", "bad actors ruin a good script"),
    ("the joke outlives the plot", "the plot outlives the joke"),
    ("a great director meets a poor story", "a poor director meets a great story"),
    ("the music helps the weak scene", "the weak scene helps the music"),
    ("the father forgives the son", "the son forgives the father"),
    (
        "the sequel makes the original look cheap",
        "the original makes the sequel look cheap",
    ),
    ("the actress outshines a tired script", "a tired script outshines the actress"),
    ("terror gives way to laughter", "laughter gives way to terror"),
    ("a young cast rescues the old director", "the old director rescues a young cast"),
)
"""subject and object, or what is said of them"""

PAIRS = (
    *(Pair("negation", *each) for each in _NEGATIONS),
    *(Pair("swap", *each) for each in _SWAPS),
)


@dataclass(frozen=True, eq=False)
class WordOrder:
    """What a student made of the pairs."""

    pairs: tuple[Pair, ...]
    distances: npt.NDArray[np.float64]
    """largest difference of a logit, of each pair"""
    answers: npt.NDArray[np.int64]
    """answer to the first and to the second, (pairs, 2)"""

    @property
    def logits_differ(self) -> float:
        """Share of the pairs with a logit that differs by more than rounding."""
        return float((self.distances > ROUNDING).mean())

    @property
    def answers_change(self) -> float:
        """Share of the pairs that are answered differently."""
        return float((self.answers[:, 0] != self.answers[:, 1]).mean())

    def of(self, kind: str) -> WordOrder:
        """Return the part of one kind.

        Raises:
            InputError: there is no pair of it.
        """
        kept = [i for i, pair in enumerate(self.pairs) if pair.kind == kind]
        if not kept:
            known = ", ".join(dict.fromkeys(pair.kind for pair in self.pairs))
            raise InputError(f"no pair of kind '{kind}'; there are {known}")
        pairs = tuple(self.pairs[i] for i in kept)
        return WordOrder(pairs, self.distances[kept], self.answers[kept])


def word_order(logits: Logits, pairs: Sequence[Pair] = PAIRS) -> WordOrder:
    """Ask a student both sentences of each pair.

    Args:
        logits: its answers, such as `load_trained(folder).logits`.
        pairs: ours, or others of the same form.

    Raises:
        InputError: no pair, or one whose sentences do not hold the same words.
    """
    if not pairs:
        raise InputError("no pair of sentences; give at least one")
    for pair in pairs:
        if sorted(pair.first.split()) != sorted(pair.second.split()):
            raise InputError(
                f"{pair.first!r} and {pair.second!r} hold other words, not only "
                "another order; write both with the same"
            )
    texts = [text for pair in pairs for text in (pair.first, pair.second)]
    # Two by two, so that a batch gives both of a pair the same rounding.
    found = np.stack([logits(texts[i : i + 2]) for i in range(0, len(texts), 2)])
    return WordOrder(
        tuple(pairs),
        np.abs(found[:, 0] - found[:, 1]).max(axis=-1),
        found.argmax(axis=-1),
    )
