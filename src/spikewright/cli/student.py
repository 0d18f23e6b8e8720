"""A trained student as a deployment folder: what its host and its chip need.

Here, since neither `train` nor `export` may see the other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spikewright.errors import InputError
from spikewright.export.deployment.encoder import EncoderTables
from spikewright.export.deployment.folder import write_deployment
from spikewright.graph import Graph
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.graphs.chip import student_graph
from spikewright.train.student import ChipStudent, encoder_tables


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
