"""`spikewright lower`: pass by pass to the chip, dumping or checking each result."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spikewright.cli.networks.lowering import (
    Network,
    check_outputs,
    read_network,
    read_signals,
)
from spikewright.cli.networks.quantizing import (
    as_document,
    choices_of,
    quantize_network,
    tables_of,
)
from spikewright.cli.output.documents import document, print_document
from spikewright.cli.output.progress import say
from spikewright.cli.output.screen import Table, show
from spikewright.export.lower import Lowering, lower
from spikewright.export.passes.rounding import Quantization
from spikewright.files import write_graph
from spikewright.graph import Graph, Stage
from spikewright.simulate.compare import Comparison, compare_traces
from spikewright.simulate.inputs import Inputs
from spikewright.simulate.run import run
from spikewright.trace import SpikeTrace
from spikewright.whole_files import cannot_write, write_json

ROUNDS = ("merge_soft_resets", "fold_connections", "align_weights", "quantize")
"""the passes that round: a neuron on its threshold may go the other way"""


@dataclass
class _Watch:
    """Looks at the graph after each pass."""

    inputs: Inputs | None
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
                self.found[name] = _compare_shared(self.before, trace)
            self.before = trace


def _compare_shared(left: SpikeTrace, right: SpikeTrace) -> Comparison:
    """Compare the populations that a pass neither made nor removed."""
    shared = left.spikes.keys() & right.spikes.keys()
    return compare_traces(_only(left, shared), _only(right, shared))


def _only(trace: SpikeTrace, names: Collection[str]) -> SpikeTrace:
    kept = {name: each for name, each in trace.spikes.items() if name in names}
    return replace(trace, spikes=kept)


def run_lower(args: Namespace) -> int:
    """Lower and write the graph; 1 if a pass that rounds nothing changed a spike."""
    choices = choices_of(args)
    check_outputs((args.output, args.report), (args.file, args.verify, args.calibrate))
    network = read_network(args.file, dt_s=args.dt)
    watch = _Watch(_signals(args.verify, network), args.dump)
    if args.dump is not None:
        _make(args.dump)
    lowering, report = _lower(args, network, choices, watch)
    if args.output is not None:
        write_graph(lowering.graph, args.output)
    if args.report is not None and report is not None:
        write_json(args.report, document(args, report))
    summary = {
        "output": None if args.output is None else str(args.output),
        "stage": lowering.graph.stage.name,
        "nodes": len(lowering.graph.nodes),
        "arrival": dict(lowering.graph.arrival),
        "passes": [each.name for each in lowering.log],
        "verified": {name: _agreement(each) for name, each in watch.found.items()},
        "quantization": report,
        "seconds": {each.name: round(each.seconds, 4) for each in lowering.log},
    }
    if args.json:
        print_document(args, summary)
    else:
        _show(summary)
    return _judge(watch.found)


def _lower(
    args: Namespace, network: Network, choices: Quantization, watch: _Watch
) -> tuple[Lowering, dict[str, Any] | None]:
    """Return the lowered graph, and the report if it is QUANTIZED."""
    stage = Stage[args.to.upper()]
    if stage is Stage.QUANTIZED:
        inputs = _signals(args.calibrate, network)
        done = quantize_network(network, choices, inputs, watch)
        return done.lowering, as_document(done)
    return lower(network.graph, dt_s=network.dt_s, to=stage, after_pass=watch), None


def _signals(path: Path | None, network: Network) -> Inputs | None:
    return None if path is None else read_signals(path, network.graph)


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


def _show(summary: dict[str, Any]) -> None:
    head, rows = ("pass", "seconds", "verified"), []
    for name, seconds in summary["seconds"].items():
        rows.append(
            (name, f"{seconds:8.3f} s", _verified(summary["verified"].get(name)))
        )
    quantization = summary["quantization"]
    to = "not written, for want of -o" if summary["output"] is None else "-> {output}"
    show(
        Table(head, rows, left=(0, 2), has_plain_head=False),
        *([] if quantization is None else tables_of(quantization)),
        f"{{stage}}, {{nodes}} nodes {to}".format(**summary),
    )


def _verified(checked: Mapping[str, Any] | None) -> str:
    if not checked:
        return ""
    line = "{mismatches} of {compared} spikes differ".format(**checked)
    return line + (f", first at {checked['first']}" if checked["first"] else "")
