"""The tables of docs/attention.md: what attention costs, and that its spikes are right.

python benchmarks/attention.py              sizes, from formulas, at once
python benchmarks/attention.py --measure    blocks built, written, lowered and run
"""

from __future__ import annotations

import argparse
import tempfile
import time
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import spikewright as sw
from spikewright.export.passes.discretize import discretize
from spikewright.nodes import LIF, Threshold

DT_S = 2.0**-10
CHANNELS = 64
"""of one head"""
Array = np.ndarray[Any, Any]


def lif(threshold: float) -> LIF:
    """Neurons of decay 0.5."""
    values = (2 * DT_S, 2.0, 0.0, threshold, 0.0)
    return LIF(*(np.array(value) for value in values))


def projections(heads: int, seed: int = 0) -> sw.Projections:
    """Random weights in eighths, with biases."""
    rng, size = np.random.default_rng(seed), heads * CHANNELS
    q, k, v = (
        sw.Projection(
            rng.integers(-1, 3, (size, 16)) / 8.0, rng.integers(-2, 3, size) / 8, lif(1)
        )
        for _ in range(3)
    )
    return sw.Projections(q, k, v, heads)


def block(model: str, tokens: int, heads: int = 1) -> sw.Graph:
    """Build one of the three models."""
    given = projections(heads)
    if model == "spike-driven":
        return sw.spike_driven_attention(
            given, gate=Threshold(np.array(1.0)), tokens=tokens
        )
    if model == "respiked":
        return sw.respiked_attention(given, context=lif(2), out=lif(1), tokens=tokens)
    return sw.coincidence_attention(given, out=lif(1), tokens=tokens, max_bytes=2**33)


# --- sizes ---------------------------------------------------------------------------


def print_sizes() -> None:
    """Print what exact attention costs, in both orders."""
    print("| heads | tokens | order | units | synapses | dense MB | sparse MB |")
    print("|---|---|---|---|---|---|---|")
    for heads in (1, 12):
        for tokens in (16, 32, 64, 128):
            chosen = sw.coincidence_size(tokens, heads * CHANNELS, heads).order
            for order in ("scores", "contexts"):
                size = sw.coincidence_size(tokens, heads * CHANNELS, heads, order=order)
                name = f"**{order}**" if order == chosen else order
                print(
                    f"| {heads} | {tokens} | {name} | {size.units:,} | "
                    f"{size.synapses:,} | {size.dense_bytes / 1e6:,.1f} | "
                    f"{size.sparse_bytes / 1e6:,.1f} |"
                )


# --- spikes --------------------------------------------------------------------------


def equation(model: str, x: Array) -> Array:
    """Run (samples, steps, channels, tokens) as the equations say, one head."""
    given, states = projections(1), dict[str, Array]()

    def fire(name: str, a: Array, threshold: float) -> Array:
        v = 0.5 * states.get(name, np.zeros(a.shape)) + a
        states[name] = np.where(v > threshold, 0.0, v)
        return (v > threshold).astype(float)

    steps = []
    for t in range(x.shape[1]):
        tokens = np.swapaxes(x[:, t], 1, 2)
        q, k, v = (
            fire(name, tokens @ each.weight.T + each.bias, 1.0)
            for name, each in given.named().items()
        )
        if model == "spike-driven":
            steps.append(q * ((k * v).sum(1, keepdims=True) > 1.0))
        elif model == "respiked":
            contexts = fire("context", np.swapaxes(k, 1, 2) @ v, 2.0)
            steps.append(fire("out", 0.125 * (q @ contexts), 1.0))
        else:
            scores = q @ np.swapaxes(k, 1, 2)
            steps.append(fire("out", 0.125 * (scores @ v), 1.0))
    return np.swapaxes(np.stack(steps, axis=1), 2, 3)


def measure(model: str, tokens: int, path: Path) -> None:
    """Print how large a file is, how long all takes, and how many spikes differ."""
    rng = np.random.default_rng(1)
    x = (rng.random((2, 8, 16, tokens)) < 0.4).astype(float)
    start = time.perf_counter()
    graph = block(model, tokens)
    sw.write_nir(graph, path, dt_s=DT_S)
    written = time.perf_counter()
    again = sw.read_nir(path)
    got = sw.run(discretize(again, dt_s=DT_S), x).output
    wanted = equation(model, x)
    lowered = sw.lower(again, dt_s=DT_S).graph
    done = time.perf_counter()
    chip = sw.run(lowered, x, backend="integer").output
    print(
        f"| {model} | {tokens} | {path.stat().st_size / 1e6:.2f} | "
        f"{written - start:.1f} | {done - written:.1f} | {int(wanted.sum()):,} | "
        f"{np.count_nonzero(got != wanted)} | {np.count_nonzero(chip != wanted)} of "
        f"{prod(wanted.shape):,} |",
        flush=True,
    )


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 32, 64])
    given = parser.parse_args()
    if not given.measure:
        print_sizes()
        return
    print(
        "| model | tokens | file MB | write s | lower s | spikes | floats | integers |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for model in ("spike-driven", "respiked", "exact"):
            for tokens in given.tokens:
                measure(model, tokens, Path(folder) / "block.nir")


if __name__ == "__main__":
    main()
