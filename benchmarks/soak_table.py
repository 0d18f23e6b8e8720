"""What soaks have found: answers that agree, and the slope of memory with its error."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import stats

from spikewright.plots.picture import Table
from spikewright.plots.style import SERIES, WIDTH_IN, head, light_grid
from spikewright.plots.write import write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIB = 2**20
WARM_UP = 0.1
"""share of a slice's samples that is left out: pools fill, libraries load"""
POINTS = 25
"""groups of neighboring rows of a life, each of which becomes its median: half seconds
beside each other are no independent measurements, and a moment between two children,
when outputs are put together, is told as the peak"""
GROWTH = 0.05
"""of the memory, over all that a process lives for: what counts as flat"""
OWN, CHILDREN = "the process", "its children"


@dataclass(frozen=True)
class Memory:
    """Memory by samples done."""

    slices: np.ndarray
    """number of the slice: this process lives for one"""
    chunks: np.ndarray
    """samples done before the chunk at work: a child lives for one"""
    done: np.ndarray
    own_mib: np.ndarray
    children_mib: np.ndarray


@dataclass(frozen=True)
class Slope:
    """A line through memory: MiB for each 1,000 samples, and half its 95 % interval."""

    mib: float
    half: float
    median_mib: float

    def is_flat(self, samples: int) -> bool:
        """Say whether it is surely less than the allowed growth over so many."""
        return (self.mib + self.half) * samples / 1000 <= GROWTH * self.median_mib


def read_memory(path: Path) -> Memory:
    """Read what `Watch` wrote."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    table = np.array(rows, dtype=np.float64).T
    return Memory(table[0], table[1], table[2], table[3] / MIB, table[4] / MIB)


def slope_of(lives: np.ndarray, done: np.ndarray, mib: np.ndarray) -> Slope:
    """Fit one line to all lives, each with a height of its own, without warm-up."""
    xs, ys = [], []
    for life in np.unique(lives):
        here = (lives == life) & (mib > 0)
        x, y = done[here], mib[here]
        warm = x >= x.min(initial=0) + WARM_UP * np.ptp(x) if len(x) else here[here]
        groups = np.array_split(np.arange(int(warm.sum())), POINTS)
        x, y = (
            np.array([np.median(each[warm][g]) for g in groups if len(g)])
            for each in (x, y)
        )
        if len(x) > 2:
            xs.append(x - x.mean())
            ys.append(y - y.mean())
    if not xs:
        return Slope(float("nan"), float("nan"), float(np.median(mib)))
    x, y = np.concatenate(xs), np.concatenate(ys)
    slope = float(x @ y / (x @ x))
    free = len(x) - len(xs) - 1
    error = float(np.sqrt(np.square(y - slope * x).sum() / free / (x @ x)))
    half = float(stats.t.ppf(0.975, free)) * error
    return Slope(1000 * slope, 1000 * half, float(np.median(mib[mib > 0])))


# --- what is told --------------------------------------------------------------------


def write_table(runs: Sequence[Path], picture: Path | None) -> int:
    """Print the table, and draw; 1 if answers differ or memory grows."""
    states = {run: json.loads((run / "state.json").read_text()) for run in runs}
    memories = {run: read_memory(run / "memory.csv") for run in runs}
    heads = "backend | sentences | s each | right | memory of | median, peak MiB"
    print(f"| {heads} | MiB / 1,000 | verdict |\n|{'---|' * 8}")
    flat = [_row(states[run], memories[run]) for run in runs]
    same = [_compare(states, a, b) for a, b in itertools.combinations(runs, 2)]
    if picture is not None:
        labels = [f"{run.name}: {states[run]['done']:,} sentences" for run in runs]
        write_picture(
            SoakPicture(dict(zip(labels, memories.values(), strict=True))), picture
        )
    return 0 if all(flat) and all(same) else 1


def _row(state: Mapping[str, Any], memory: Memory) -> bool:
    done, flat = state["done"], []
    told = f"{state['backend']} | {done:,} | {state['seconds'] / done:.4f}"
    told += f" | {state['right'] / done:.4f}"
    every = {
        OWN: (memory.slices, memory.own_mib),
        CHILDREN: (memory.chunks, memory.children_mib),
    }
    for name, (lives, mib) in every.items():
        if not mib.any():
            continue
        slope = slope_of(lives, memory.done, mib)
        flat.append(slope.is_flat(done if name == OWN else state["chunk"]))
        said = f"{slope.median_mib:.0f}, {mib.max():.0f} | "
        said += f"{slope.mib:+.2f} ± {slope.half:.2f}"
        print(f"| {told} | {name} | {said} | {'flat' if flat[-1] else 'grows'} |")
    return all(flat)


def _compare(states: Mapping[Path, Mapping[str, Any]], a: Path, b: Path) -> bool:
    """Compare the longest part that both have; hashes are of all samples before."""
    left, right = states[a]["hashes"], states[b]["hashes"]
    shared = left.keys() & right.keys()
    alike = all(states[a][key] == states[b][key] for key in ("tokens", "student"))
    if not shared or not alike:
        print(f"\n{a.name} and {b.name}: nothing to compare")
        return True
    last = max(shared, key=int)
    same = bool(left[last] == right[last])
    said = "equal to the bit" if same else "NOT equal"
    print(f"\n{a.name} and {b.name}: outputs of {int(last):,} sentences are {said}")
    return same


@dataclass(frozen=True)
class SoakPicture:
    """Memory against sentences."""

    kind: ClassVar[str] = "soak"
    memories: Mapping[str, Memory]

    @property
    def title(self) -> str:
        """What it shows."""
        return "Memory while sentences go through"

    @property
    def alt(self) -> str:
        """What is to be seen."""
        said = [
            f"{name}: {len(m.done)} measurements up to {m.done[-1]:.0f} sentences, own "
            f"memory {m.own_mib.min():.0f} to {m.own_mib.max():.0f} MiB, children's up "
            f"to {m.children_mib.max():.0f} MiB"
            for name, m in self.memories.items()
        ]
        return "; ".join(said) + "."

    @property
    def size_in(self) -> tuple[float, float]:
        """A panel for each run."""
        return WIDTH_IN, 2.4 * len(self.memories) + 0.4

    def paint(self, figure: Figure) -> None:
        """Draw each run in a panel of its own."""
        head(figure, self.title)
        panels = figure.subplots(len(self.memories), 1, squeeze=False)[:, 0]
        for axes, (name, memory) in zip(panels, self.memories.items(), strict=True):
            every = {OWN: memory.own_mib, CHILDREN: memory.children_mib}
            thin = slice(None, None, max(1, len(memory.done) // 250))
            for color, (label, mib) in zip(SERIES, every.items(), strict=False):
                x, y = memory.done[thin], mib[thin]
                axes.plot(x, y, ".", ms=2, color=color, label=label)
            axes.set_title(name)
            axes.set_ylim(bottom=0)
            axes.set_ylabel("MiB")
            axes.legend(loc="best", markerscale=4)
            light_grid(axes, "y")
        panels[-1].set_xlabel("sentences")

    def data(self) -> Mapping[str, object]:
        """Return the measurements."""
        return {
            name: {"done": m.done.tolist(), "own_mib": m.own_mib.tolist()}
            for name, m in self.memories.items()
        }

    def table(self) -> Table:
        """Return no rows: there are too many."""
        return []
