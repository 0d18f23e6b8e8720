"""What a student looks at: spikes of each token in the populations of attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from spikewright.errors import InputError
from spikewright.plots.picture import Table
from spikewright.plots.style import MAP, ON_DARK, ON_LIGHT, WIDTH_IN, head
from spikewright.plots.units import share
from spikewright.printable import one_line, printable
from spikewright.trace import SpikeTrace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARTS: Mapping[str, str] = {
    "_kv": "k AND v: raises the gate",
    "_passed": "q AND gate: passes",
}
"""ends of the names of a chip student's populations with a neuron a token"""
GATE = "_gate"
LIGHT = 0.47
"""of the largest value: cells beyond it are light"""


@dataclass(frozen=True, eq=False)
class Attention:
    """Spikes per channel and step of each token, of one sentence."""

    kind: ClassVar[str] = "attention"
    words: tuple[str, ...]
    names: tuple[str, ...]
    """populations, a row each"""
    labels: tuple[str, ...]
    rates: npt.NDArray[np.float64]
    """(populations, tokens)"""
    gates: Mapping[str, float]
    """population of gates -> share of channels and steps in which it is open"""

    @property
    def title(self) -> str:
        """What it shows."""
        return "Attention by token"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        said = []
        for label, row in zip(self.labels, self.rates, strict=True):
            first = np.argsort(-row, kind="stable")[:3]
            tops = ", ".join(f"{self.words[i]} ({share(row[i])})" for i in first)
            said.append(f"{label.replace(chr(10), ', ')}: most at {tops}.")
        opened = [f"{name} is open {share(each)}" for name, each in self.gates.items()]
        gates = f" {'; '.join(opened)}." if opened else ""
        return f"Spikes per channel and step of {len(self.words)} tokens. " + (
            " ".join(said) + gates
        )

    @property
    def size_in(self) -> tuple[float, float]:
        """A column for each token, a row for each population."""
        wide = 3.0 + 0.33 * len(self.words)
        return max(WIDTH_IN, wide), 2.0 + 0.42 * len(self.names)

    def paint(self, figure: Figure) -> None:
        """Draw a cell for each token and population."""
        head(figure, self.title)
        axes = figure.subplots()
        most = self.rates.max(axis=1, keepdims=True)
        shown = np.divide(
            self.rates, most, out=np.zeros_like(self.rates), where=most > 0
        )
        axes.pcolormesh(shown, cmap=MAP, vmin=0.0, vmax=1.0, linewidth=0)
        for (row, column), rate in np.ndenumerate(self.rates):
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * rate:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color=ON_LIGHT if shown[row, column] > LIGHT else ON_DARK,
            )
        axes.set_ylim(len(self.names), 0)
        axes.set_yticks(
            np.arange(len(self.names)) + 0.5, [printable(each) for each in self.labels]
        )
        places = np.arange(len(self.words)) + 0.5
        words = [one_line(each) for each in self.words]
        axes.set_xticks(places, words, rotation=50, ha="right")
        for tick in axes.get_xticklabels():
            tick.set_rotation_mode("anchor")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(
            "spikes per channel and step, %; each row in colors of its own",
            fontsize=8.5,
            fontweight="normal",
        )

    def data(self) -> Mapping[str, object]:
        """Return tokens and rates."""
        return {
            "tokens": list(self.words),
            "populations": list(self.names),
            "rates": self.rates.tolist(),
            "gates_open": dict(self.gates),
        }

    def table(self) -> Table:
        """Return a row a token."""
        return [
            ("token", *(each.replace("\n", " ") for each in self.labels)),
            *(
                (word, *(f"{each:.4f}" for each in self.rates[:, place]))
                for place, word in enumerate(self.words)
            ),
        ]


def attention(
    trace: SpikeTrace,
    words: Sequence[str],
    *,
    sample: int = 0,
    populations: Sequence[str] = (),
) -> Attention:
    """Return what each token of a sentence sends in the populations of attention.

    Args:
        trace: with their spikes, (samples, steps, channels, token slots).
        words: the tokens of the sentence, as they lie in the first slots.
        sample: which sentence of the trace.
        populations: instead of those of a chip student.

    Raises:
        InputError: no such sample or population, or one without a slot a token.
    """
    if not 0 <= sample < trace.samples:
        raise InputError(
            f"sample {sample}: the trace has samples 0 to {trace.samples - 1}"
        )
    names = list(populations) or [
        name for name in trace.spikes if name.endswith(tuple(PARTS))
    ]
    if not names:
        raise InputError(
            "no population is called *_kv or *_passed, as those of a chip student are; "
            f"name some with --population: {', '.join(trace.spikes) or 'none is kept'}"
        )
    rows = [_row(trace, name, sample, len(words)) for name in names]
    gates = {
        name: float(spikes[sample].mean())
        for name, spikes in trace.spikes.items()
        if name.endswith(GATE)
    }
    return Attention(
        tuple(words), tuple(names), tuple(map(_label, names)), np.stack(rows), gates
    )


def _row(
    trace: SpikeTrace, name: str, sample: int, tokens: int
) -> npt.NDArray[np.float64]:
    if name not in trace.spikes:
        raise InputError(
            f"no spikes of population '{name}'; the trace has "
            f"{', '.join(trace.spikes) or 'none'}"
        )
    spikes = trace.spikes[name][sample]
    if spikes.ndim != 3 or spikes.shape[2] < tokens:
        raise InputError(
            f"population '{name}': {spikes.shape[1:]} neurons; need (channels, slots) "
            f"with a slot for each of {tokens} tokens"
        )
    rates: npt.NDArray[np.float64] = spikes[:, :, :tokens].mean(axis=(0, 1))
    return rates


def _label(name: str) -> str:
    for end, meaning in PARTS.items():
        if name.endswith(end):
            return f"{name.removesuffix(end)}\n{meaning}"
    return name
