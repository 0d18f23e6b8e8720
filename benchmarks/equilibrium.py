"""Peak memory of a training update against T: implicit differentiation and unrolled.

python benchmarks/equilibrium.py             T = 16, 64, 256 of each, in own processes
python benchmarks/equilibrium.py --steps 64 --way implicit      one of them
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch
from machine import describe_machine, peak_bytes

from spikewright.train.spikebert.layout import Layout
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification

STEPS = (16, 64, 256)
IDLE = "idle"
"""a process that has everything loaded and does nothing"""
WAYS = ("implicit", "implicit-feedback", "unrolled")
SAMPLES, TOKENS, MIB = 16, 32, 2**20
WITHIN = 0.05
SIZES = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}


def update(way: str, steps: int) -> None:
    """Do one forward and backward pass."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    is_fed = way == "implicit-feedback"
    # The slopes of norms leave a new net of four blocks no equilibrium with feedback.
    make = SpikingBertConfig.for_chip if is_fed else SpikingBertConfig
    config = make(
        **SIZES,
        vocab_size=1000,
        steps=steps,
        feedback="learned" if is_fed else "none",
        norm="none" if is_fed else "layer",
        training_rates="spikes",
        num_labels=2,
    )
    model = SpikingBertForSequenceClassification(config).train()
    ids = torch.randint(0, 1000, (SAMPLES, TOKENS))
    labels = torch.randint(0, 2, (SAMPLES,))
    if way == "unrolled":
        logits = unrolled(model, ids, steps)
        torch.nn.functional.cross_entropy(logits, labels).backward()
    else:
        model(ids, labels=labels).loss.backward()


def unrolled(
    model: SpikingBertForSequenceClassification, ids: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return logits of the mean of `steps` passes, each of which is kept."""
    encoder = model.spikingbert
    layout: Layout = encoder.lay_out(ids, None)
    x, network = encoder.current(ids, layout), encoder.network
    last = network.streams[-1]
    rates = [network.rates(layout, x)[last] for _ in range(steps)]
    return model.read({last: torch.stack(rates).mean(dim=0)}, layout)


def measure(way: str, steps: int) -> int:
    """Return the peak of a process that does one update, in bytes."""
    here = Path(__file__)
    command = [sys.executable, str(here), "--way", way, "--steps", str(steps)]
    # mmap at once, so that what is freed is given back and peaks are the program's.
    done = subprocess.run(  # noqa: S603 - ourselves
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    return int(done.stdout)


def main() -> int:
    """Print the table; 1 if memory of implicit differentiation grows with T."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--way", choices=(IDLE, *WAYS))
    args = parser.parse_args()
    if args.steps is not None and args.way is not None:
        if args.way != IDLE:
            update(args.way, args.steps)
        print(peak_bytes())
        return 0
    print(describe_machine())
    print(f"{SAMPLES} x {TOKENS} tokens, {SIZES}")
    idle, is_flat = measure(IDLE, 1), True
    print(f"idle: {idle / MIB:.0f} MiB; above it:")
    for way in WAYS:
        chosen = STEPS[:2] if way == "unrolled" else STEPS
        peaks = [measure(way, steps) - idle for steps in chosen]
        told = ", ".join(
            f"T {steps}: {peak / MIB:.0f} MiB"
            for steps, peak in zip(chosen, peaks, strict=True)
        )
        spread = max(peaks) / min(peaks) - 1
        print(f"{way}: {told}; spread {spread:.1%}")
        is_flat &= way == "unrolled" or spread <= WITHIN
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
