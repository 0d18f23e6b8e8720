"""How long and how large is an export? `python benchmarks/export.py`.

A student as large as BERT: 12 layers, 768 channels, spike-driven attention, perceptrons
of 3,072, skips, 85 million weights, 16 tokens. Each way in a process of its own, so
that its peak memory is its own: the module as it is trained (states in its neurons, one
step a call), exported with its proof and without.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from large_student import large_student, spikes_for
from machine import describe_machine, peak_bytes, seconds_of

from spikewright import write_nir
from spikewright.export.from_snntorch import export_snntorch


def measure(verify: bool) -> dict[str, float]:
    """Build, run once, export and write in this process."""
    net = large_student()
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    sample = spikes_for()
    forward_s = seconds_of(lambda: net(sample))
    before = peak_bytes()
    start = time.perf_counter()
    graph = export_snntorch(net, sample, dt_s=1e-3, verify=verify)
    export_s, peak = time.perf_counter() - start, peak_bytes() - before
    with tempfile.TemporaryDirectory() as folder:
        write_s = seconds_of(lambda: write_nir(graph, Path(folder) / "net.nir"))
    return {
        "weights_mb": weights / 1e6,
        "nodes": len(graph.nodes),
        "forward_s": forward_s,
        "export_s": export_s,
        "write_s": write_s,
        "peak": peak / weights,
    }


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
