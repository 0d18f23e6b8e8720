"""`spikewright export FILE.py:NAME`: from a user's snnTorch module to a NIR file."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import Any

from spikewright.cli.networks.lowering import check_outputs
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.progress import progress
from spikewright.cli.output.screen import show
from spikewright.errors import InputError
from spikewright.export.from_snntorch import STAGES, ProvenGraph, export_proven
from spikewright.export.nir.io import write_nir
from spikewright.export.snntorch.files import load_weights, read_sample
from spikewright.export.snntorch.target import (
    Target,
    UsersCode,
    load_module,
    read_target,
)
from spikewright.graph import Graph
from spikewright.nodes import Affine, Conv1d, Conv2d, Linear, Scale

NIR = ".nir"


def run_export_module(args: Namespace) -> int:
    """Run the user's code, export its module and write it once it is proven."""
    target = read_target(args.target)
    _check(args, target)
    with UsersCode(target):
        made = _export(args, target)
    write_nir(made.graph, args.output, dt_s=args.dt)
    summary = _summary(args, made)
    if args.json:
        print_document(args, summary)
    else:
        show(_lines(summary))
    return 0


def _check(args: Namespace, target: Target) -> None:
    """Check what needs no work before the work begins."""
    if args.output.suffix != NIR:
        raise InputError(
            f"{args.output}: a module is exported to a file that ends in {NIR}"
        )
    if args.sample is None:
        raise InputError(
            f"{target}: needs --sample X.npy, what its forward takes, to run it on"
        )
    if args.dt is None:
        raise InputError(
            f"{target}: needs --dt SECONDS, the length of a step: a module does not "
            "say, and its decays become time constants by it"
        )
    check_outputs((args.output,), (args.sample, args.weights, target.file))


def _export(args: Namespace, target: Target) -> ProvenGraph:
    with progress(len(STAGES), "export", unit="stage") as advance:
        module = load_module(target, seed=args.seed or 0)
        if args.weights is not None:
            load_weights(module, args.weights)
        made = export_proven(
            module,
            read_sample(args.sample, module),
            dt_s=args.dt,
            dialect=args.dialect or "chip",
            verify=not args.no_verify,
            outputs=_outputs(args.outputs),
            on_stage=lambda stage: advance(STAGES.index(stage)),
        )
        advance(len(STAGES))
    return made


def _outputs(text: str | None) -> list[int | str] | None:
    if text is None:
        return None
    return [int(each) if each.isdecimal() else each for each in text.split(",")]


# --- what was done -------------------------------------------------------------------


def _summary(args: Namespace, made: ProvenGraph) -> dict[str, Any]:
    return {
        "output": str(args.output),
        "dialect": args.dialect or "chip",
        "dt_s": args.dt,
        "nodes": len(made.graph.nodes),
        "edges": len(made.graph.edges),
        "weights": _weights(made.graph),
        "proof": None if made.proof is None else {**asdict(made.proof), "wrong": 0},
    }


def _weights(graph: Graph) -> int:
    """Count weights and biases of synapses."""
    total = 0
    for node in graph.nodes.values():
        match node:
            case Affine() | Conv1d() | Conv2d():
                total += node.weight.size + node.bias.size
            case Linear():
                total += node.weight.size
            case Scale():
                total += node.scale.size
            case _:
                pass
    return total


def _lines(summary: dict[str, Any]) -> str:
    first = (
        "{output}: {nodes} nodes, {edges} edges, {weights:,} weights and biases, "
        "{dialect} dialect, time step {dt_s:g} s"
    ).format(**summary)
    return f"{first}\n{_proven(summary['proof'])}"


def _proven(proof: dict[str, Any] | None) -> str:
    if proof is None:
        return "not proven: --no-verify"
    line = (
        "proven on {samples} samples of {steps} steps ({listed}): {entries:,} entries "
        "compared, {spikes:,} of them spikes, {wrong} wrong; {values:,} output values, "
        "largest difference {largest_difference:.2g}"
    ).format(**proof, listed=", ".join(proof["trials"]))
    if proof["entries"] and not proof["spikes"]:
        line += "\nbut no neuron fired, so this shows little: give a stronger sample"
    return line
