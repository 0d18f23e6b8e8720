"""How strongly each token of a sentence reads each other, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import MAP, WIDTH_IN, head
from spikewright.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
COLUMNS = 2
"""blocks beside each other"""


@dataclass(frozen=True, eq=False)
class AttentionScores:
    """q_i . k_j of one sentence, mean over steps and heads."""

    kind: ClassVar[str] = "attention"
    words: tuple[str, ...]
    scores: tuple[Floats, ...]
    """of each block, (tokens i, tokens j): how strongly i reads j"""

    @property
    def title(self) -> str:
        """What it shows."""
        return "Attention of each token to each other"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        said = []
        for place, scores in enumerate(self.scores):
            i, j = np.unravel_index(int(scores.argmax()), scores.shape)
            read = scores.mean(axis=0)
            said.append(
                f"Block {place}: {self.words[i]} reads {self.words[j]} most "
                f"({scores[i, j]:.2f}); the most read on average is "
                f"{self.words[int(read.argmax())]} ({read.max():.2f})."
            )
        return (
            f"Scores q k of {len(self.words)} tokens, mean over steps and heads. "
            + " ".join(said)
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """A square for each block, two in a row."""
        side = max(WIDTH_IN / COLUMNS, 1.2 + 0.24 * len(self.words))
        rows = -(-len(self.scores) // COLUMNS)
        return side * min(COLUMNS, len(self.scores)) + 0.6, 0.5 + side * rows

    def paint(self, figure: Figure) -> None:
        """Draw a heat map for each block, all in one scale of colors."""
        head(figure, self.title)
        columns = min(COLUMNS, len(self.scores))
        rows = -(-len(self.scores) // columns)
        panels = figure.subplots(rows, columns, squeeze=False).flatten()
        most = max(float(each.max()) for each in self.scores) or 1.0
        for place, axes in enumerate(panels):
            if place >= len(self.scores):
                axes.set_axis_off()
                continue
            drawn = axes.pcolormesh(
                self.scores[place], cmap=MAP, vmin=0.0, vmax=most, linewidth=0
            )
            self._name(axes, f"block {place}")
        figure.colorbar(drawn, ax=list(panels), label="q · k, mean of steps and heads")

    def _name(self, axes: Axes, title: str) -> None:
        """Write the tokens beside a map: readers down, what they read along."""
        places = np.arange(len(self.words)) + 0.5
        axes.set_title(title)
        axes.set_aspect("equal")
        axes.set_ylim(len(self.words), 0)
        words = [one_line(each) for each in self.words]
        axes.set_yticks(places, words, fontsize=8)
        axes.set_xticks(places, words, rotation=90, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    def data(self) -> Mapping[str, object]:
        """Return tokens and scores."""
        return {
            "tokens": list(self.words),
            "scores": [each.tolist() for each in self.scores],
        }

    def table(self) -> Table:
        """Return how much each token is read in each block, a row a token."""
        blocks = range(len(self.scores))
        return [
            ("token", *(f"read in block {place}" for place in blocks)),
            *(
                (word, *(f"{each[:, j].mean():.3f}" for each in self.scores))
                for j, word in enumerate(self.words)
            ),
        ]


def attention_scores(
    words: Sequence[str], scores: Sequence[npt.NDArray[np.floating]]
) -> AttentionScores:
    """Take the mean over steps and heads of each block's scores.

    Args:
        words: the tokens.
        scores: of each block, (steps, heads, tokens i, tokens j).

    Raises:
        InputError: no block, or one of another number of tokens.
    """
    count = len(words)
    if not scores or any(each.shape[2:] != (count, count) for each in scores):
        shapes = ", ".join(str(each.shape) for each in scores) or "none"
        raise InputError(
            f"scores of {shapes}; need (steps, heads, {count}, {count}) of each block "
            f"for {count} tokens"
        )
    means = tuple(each.astype(np.float64).mean(axis=(0, 1)) for each in scores)
    return AttentionScores(tuple(words), means)
