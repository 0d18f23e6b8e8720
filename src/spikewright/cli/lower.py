"""`spikewright lower`: pass by pass to the chip, dumping or checking each result."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.cli.lowering import read_network
from spikewright.cli.progress import say
from spikewright.cli.simulate import read_inputs
from spikewright.export.lower import lower
from spikewright.files import cannot_write, check_place, write_graph
from spikewright.graph import Graph, Stage
from spikewright.simulate.compare import Comparison, compare_traces
from spikewright.simulate.registers import register_use
from spikewright.simulate.run import run
from spikewright.trace import SpikeTrace

ROUNDS = ("fold_connections", "align_weights", "quantize")
"""the passes that round: a neuron on its threshold may go the other way"""


@dataclass
class _Watch:
    """Looks at the graph after each pass."""

    inputs: npt.NDArray[np.generic] | None
    dump: Path | None
    before: SpikeTrace | None = None
    found: dict[str, Comparison] = field(default_factory=dict)

    def __call__(self, name: str, graph: Graph) -> None:
        """Dump and verify the graph that the pass `name` made."""
        if self.dump is not None:
            write_graph(graph, self.dump / f"{name}.npz")
        if self.inputs is not None:
            trace = run(graph, self.inputs)
            if self.before is not None:
                self.found[name] = compare_traces(self.before, trace)
            self.before = trace


def run_lower(args: Namespace) -> int:
    """Lower and write the graph; 1 if a pass that rounds nothing changed a spike."""
    check_place(args.output)
    network = read_network(args.file, dt_s=args.dt)
    watch = _Watch(None if args.verify is None else read_inputs(args.verify), args.dump)
    if args.dump is not None:
        _make(args.dump)
    lowering = lower(
        network.graph, dt_s=network.dt_s, to=Stage[args.to.upper()], after_pass=watch
    )
    write_graph(lowering.graph, args.output)
    summary = {
        "output": str(args.output),
        "stage": lowering.graph.stage.name,
        "nodes": len(lowering.graph.nodes),
        "arrival": dict(lowering.graph.arrival),
        "passes": {each.name: round(each.seconds, 4) for each in lowering.log},
        "verified": {name: _agreement(each) for name, each in watch.found.items()},
        "registers": _registers(lowering.graph),
    }
    print(json.dumps(summary, indent=2) if args.json else _lines(summary))
    return _judge(watch.found)


def _judge(found: Mapping[str, Comparison]) -> int:
    """Return 1, and say why, if a pass that rounds nothing changed anything."""
    for name, same in found.items():
        if name not in ROUNDS and not same.is_equal:
            where = f", first at {same.first}" if same.first else " of the output"
            say(f"spikewright lower: {name} changed {same.mismatches} spikes{where}")
            return 1
    return 0


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _agreement(same: Comparison) -> dict[str, object]:
    return {
        "compared": same.compared,
        "mismatches": same.mismatches,
        "first": same.first,
    }


def _lines(summary: dict[str, Any]) -> str:
    lines = []
    for name, seconds in summary["passes"].items():
        line = f"{name:<18} {seconds:8.3f} s"
        if checked := summary["verified"].get(name):
            line += "  {mismatches} of {compared} spikes differ".format(**checked)
            line += f", first at {checked['first']}" if checked["first"] else ""
        lines.append(line)
    if summary["registers"]:
        width = max(map(len, summary["registers"]))
        lines.append(f"{'population':<{width}}     scale  threshold  input at most")
        for name, use in summary["registers"].items():
            lines.append(
                f"{name:<{width}} {use['scale']:9g}  {use['threshold']:9}  "
                f"{use['largest_input']:9g} ({use['share']:.0%} of the register)"
            )
    return "\n".join([*lines, "{stage}, {nodes} nodes -> {output}".format(**summary)])


def _registers(graph: Graph) -> dict[str, dict[str, float]]:
    if graph.stage is not Stage.QUANTIZED:
        return {}
    return {name: asdict(use) for name, use in register_use(graph).items()}
