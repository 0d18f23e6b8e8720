"""`spikewright export`: from a student checkpoint to a deployment folder."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from spikewright.cli.common_arguments import STUDENT_DT_S
from spikewright.cli.documents import print_document
from spikewright.cli.screen import show
from spikewright.errors import InputError
from spikewright.export.deployment.encoder import EncoderTables
from spikewright.export.deployment.folder import write_deployment
from spikewright.export.nir.io import write_nir
from spikewright.graph import Graph
from spikewright.train.checkpoint_graph import checkpoint_graph, is_spikebert
from spikewright.train.load import encoder_tables, load_student, read_json
from spikewright.train.student import ChipStudent
from spikewright.train.to_graph import student_graph


def run_export(args: Namespace) -> int:
    """Write the network, and all that the host needs unless only a .nir is wanted."""
    checkpoint = Path(args.target)
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
            "spikewright.train.spikebert_graph.spikebert_inputs"
        )


def _sentence(summary: dict[str, Any]) -> str:
    return (
        "{output}: {nodes} nodes, {edges} edges, up to {tokens} tokens, "
        "time step {dt_s:g} s"
    ).format(**summary)


def export_student(
    student: ChipStudent, checkpoint: Path, folder: Path, *, tokens: int, dt_s: float
) -> Graph:
    """Write the deployment folder of a loaded checkpoint; return its graph."""
    graph = student_graph(student, tokens=tokens, dt_s=dt_s)
    words, positions = encoder_tables(student)
    tokenizer = json.dumps(read_json(checkpoint / "tokenizer.json"))
    card = _card(student, checkpoint / "card.json", tokens, dt_s)
    write_deployment(folder, graph, EncoderTables(words, positions), tokenizer, card)
    return graph


def _card(student: ChipStudent, path: Path, tokens: int, dt_s: float) -> dict[str, Any]:
    card = read_json(path)
    if "teacher_config" not in card:
        raise InputError(f"{path}: lacks 'teacher_config'; train the student again")
    labels = student.config.id2label or {}
    return {
        "tokens": tokens,
        "steps": student.config.steps,
        "dt_s": dt_s,
        "labels": [name for _, name in sorted(labels.items())],
        "teacher": card.pop("teacher_config"),
        "training": card,
    }
