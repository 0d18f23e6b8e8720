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
from spikewright.train.graphs.checkpoint import checkpoint_graph, family_of
from spikewright.train.student import load_student, student_folder


def run_export(args: Namespace) -> int:
    """Write the network, and all that the host needs unless only a .nir is wanted."""
    checkpoint = student_folder(args.target)
    dt_s = STUDENT_DT_S if args.dt is None else args.dt
    if args.output.suffix == ".nir":
        graph, tokens = checkpoint_graph(checkpoint, tokens=args.tokens, dt_s=dt_s)
        write_nir(graph, args.output, dt_s=dt_s)
    else:
        _refuse_real_inputs(checkpoint, args.output)
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


_INPUTS = {
    "spikebert": (
        "a SpikeBERT adds its words and places as real numbers before their signs "
        "become spikes, and a deployment folder holds signs only",
        "spikewright.train.graphs.spikebert.spikebert_inputs",
    ),
    "spikingbert": (
        "a SpikingBERT's encoder integrates real numbers into spikes, and a deployment "
        "folder holds signs only",
        "spikewright.train.graphs.spikingbert.spikingbert_inputs",
    ),
}
"""family -> why the host of a deployment cannot encode for it, and what can"""


def _refuse_real_inputs(checkpoint: Path, output: Path) -> None:
    why = _INPUTS.get(family_of(checkpoint))
    if why is not None:
        raise InputError(
            f"{output}: {why[0]}; export {output}.nir, and encode sentences by {why[1]}"
        )


def _sentence(summary: dict[str, Any]) -> str:
    return (
        "{output}: {nodes} nodes, {edges} edges, up to {tokens} tokens, "
        "time step {dt_s:g} s"
    ).format(**summary)
