"""A trained student of either family, from its folder to a CONTINUOUS graph."""

from __future__ import annotations

from pathlib import Path

from spikewright.graph import Graph
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.graphs.chip import student_graph
from spikewright.train.graphs.spikebert import spikebert_graph
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.load import load_spikebert
from spikewright.train.student import load_student


def is_spikebert(checkpoint: Path) -> bool:
    """Return whether a folder holds a SpikeBERT.

    Raises:
        InputError: it has no readable `config.json`.
    """
    kind = read_json(checkpoint / "config.json").get("model_type")
    return bool(kind == SpikeBertConfig.model_type)


def checkpoint_graph(
    checkpoint: Path, *, tokens: int | None, dt_s: float
) -> tuple[Graph, int]:
    """Return the graph of a checkpoint, and for how long sentences it is.

    Args:
        checkpoint: a student's folder.
        tokens: of the longest sentence; None: as many as the student has places for.
        dt_s: length of a step, in seconds.

    Raises:
        GraphError: a SpikeBERT with an option that no graph of spikes can say, or a
            time step of no length.
        InputError: no checkpoint of ours, or more tokens than it has places for.
    """
    if is_spikebert(checkpoint):
        model = load_spikebert(checkpoint)
        longest = model.config.max_position_embeddings if tokens is None else tokens
        return spikebert_graph(model, tokens=longest, dt_s=dt_s), longest
    student = load_student(checkpoint)
    longest = student.config.max_tokens if tokens is None else tokens
    return student_graph(student, tokens=longest, dt_s=dt_s), longest
