"""`spikewright export`: from a student checkpoint to a deployment folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from spikewright.cli.networks.lowering import STUDENT_DT_S
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.screen import show
from spikewright.cli.student import export_student
from spikewright.errors import InputError
from spikewright.export.nir.io import write_nir
from spikewright.train.graphs.checkpoint import checkpoint_graph, is_spikebert
from spikewright.train.student import load_student, student_folder


def run_export(args: Namespace) -> int:
    """Write the network, and all that the host needs unless only a .nir is wanted."""
    checkpoint = student_folder(args.target)
    dt_s = STUDENT_DT_S if args.dt is None else args.dt
    if args.output.suffix == ".nir":
        graph, tokens = checkpoint_graph(checkpoint, tokens=args.tokens, dt_s=dt_s)
        write_nir(graph, args.output, dt_s=dt_s)
    else:
        _refuse_spikebert(checkpoint, args.output)
        student = load_student(checkpoint)
        tokens = student.config.max_tokens if args.tokens is None else args.tokens
        graph = export_student(
            student, checkpoint, args.output, tokens=tokens, dt_s=dt_s
        )
    summary = {
        "output": str(args.output),
        "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        "tokens": tokens,
        "dt_s": dt_s,
    }
    if args.json:
        print_document(args, summary)
    else:
        show(_sentence(summary))
    return 0


def _refuse_spikebert(checkpoint: Path, output: Path) -> None:
    if is_spikebert(checkpoint):
        raise InputError(
            f"{output}: a SpikeBERT adds its words and places as real numbers before "
            "their signs become spikes, and a deployment folder holds signs only; "
            f"export {output}.nir, and encode sentences by "
            "spikewright.train.graphs.spikebert.spikebert_inputs"
        )


def _sentence(summary: dict[str, Any]) -> str:
    return (
        "{output}: {nodes} nodes, {edges} edges, up to {tokens} tokens, "
        "time step {dt_s:g} s"
    ).format(**summary)
