"""How long and how large is an export? `python benchmarks/export.py`.

A student as large as BERT: 12 layers, 768 channels, spike-driven attention, perceptrons
of 3,072, skips, 85 million weights, 16 tokens. Each way in a process of its own, so
that its peak memory is its own: the module as it is trained (states in its neurons, one
step a call), exported with its proof and without.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import snntorch as snn
import torch
from machine import describe_machine
from torch import nn

from spikewright import write_nir
from spikewright.export.from_snntorch import export_snntorch

CHANNELS, HIDDEN, TOKENS, LAYERS = 768, 3072, 16, 12
NEURONS = ("lq", "lk", "lv", "gate", "lo", "lu", "ld")
KIB = 1024


class Block(nn.Module):
    """Spike-driven attention and a perceptron of two layers, with skips."""

    def __init__(self) -> None:
        super().__init__()
        for name in "qkvo":
            setattr(self, name, nn.Linear(CHANNELS, CHANNELS))
        self.up, self.down = nn.Linear(CHANNELS, HIDDEN), nn.Linear(HIDDEN, CHANNELS)
        for name in NEURONS:
            neuron = snn.Leaky(
                0.5, threshold=0.3, init_hidden=True, reset_mechanism="zero"
            )
            setattr(self, name, neuron)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map spikes (samples, tokens, channels) to spikes."""
        q, k, v = self.lq(self.q(x)), self.lk(self.k(x)), self.lv(self.v(x))
        gate = self.gate(0.4 * (k * v).sum(dim=1, keepdim=True))
        h = self.lo(self.o(q * gate) + x)
        out: torch.Tensor = self.ld(self.down(self.lu(self.up(h))) + h)
        return out


def measure(verify: bool) -> dict[str, float]:
    """Build, run once, export and write in this process."""
    torch.manual_seed(0)
    net = nn.Sequential(*(Block() for _ in range(LAYERS)))
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    sample = (torch.rand(1, TOKENS, CHANNELS) < 0.3).float()
    forward_s = _seconds(lambda: net(sample))
    before = _peak_bytes()
    start = time.perf_counter()
    graph = export_snntorch(net, sample, dt_s=1e-3, verify=verify)
    export_s, peak = time.perf_counter() - start, _peak_bytes() - before
    with tempfile.TemporaryDirectory() as folder:
        write_s = _seconds(lambda: write_nir(graph, Path(folder) / "net.nir"))
    return {
        "weights_mb": weights / 1e6,
        "nodes": len(graph.nodes),
        "forward_s": forward_s,
        "export_s": export_s,
        "write_s": write_s,
        "peak": peak / weights,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def main() -> None:
    """Measure each way in a child."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1] == "proof")))
        return
    print(describe_machine())
    for way in ("no proof", "proof"):
        command = [sys.executable, __file__, way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found = json.loads(done.stdout)
        ratio = found["export_s"] / found["forward_s"]
        print(
            f"{way}: {found['weights_mb']:.0f} MB of float32 weights, {found['nodes']} "
            f"nodes: {found['export_s']:.1f} s ({ratio:.0f} x one step of the module), "
            f"and {found['write_s']:.1f} s to write; {found['peak']:.2f} x its weights "
            "in memory beside the module"
        )


if __name__ == "__main__":
    main()
