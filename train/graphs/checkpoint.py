"""A trained student of any family, from its folder to a CONTINUOUS graph."""

from __future__ import annotations

from pathlib import Path

from spikewright.graph import Graph
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.graphs.chip import student_graph
from spikewright.train.graphs.spikebert import spikebert_graph
from spikewright.train.graphs.spikingbert import spikingbert_graph
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.load import load_spikebert
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.load import load_spikingbert
from spikewright.train.student import load_student


def family_of(checkpoint: Path) -> str:
    """Return the model type that a folder holds, empty if its config names none.

    Raises:
        InputError: it has no readable `config.json`.
    """
    return str(read_json(checkpoint / "config.json").get("model_type") or "")


def checkpoint_graph(
    checkpoint: Path, *, tokens: int | None, dt_s: float
) -> tuple[Graph, int]:
    """Return the graph of a checkpoint, and for how long sentences it is.

    Args:
        checkpoint: a student's folder.
        tokens: of the longest sentence; None: as many as the student has places for.
        dt_s: length of a step, in seconds.

    Raises:
        GraphError: a SpikeBERT or SpikingBERT with an option that no graph of spikes
            can say, or a time step of no length.
        InputError: no checkpoint of ours, or more tokens than it has places for.
    """
    match family_of(checkpoint):
        case SpikeBertConfig.model_type:
            model = load_spikebert(checkpoint)
            longest = model.config.max_position_embeddings if tokens is None else tokens
            return spikebert_graph(model, tokens=longest, dt_s=dt_s), longest
        case SpikingBertConfig.model_type:
            settled = load_spikingbert(checkpoint)
            most = settled.config.max_position_embeddings
            longest = most if tokens is None else tokens
            return spikingbert_graph(settled, tokens=longest, dt_s=dt_s), longest
    student = load_student(checkpoint)
    longest = student.config.max_tokens if tokens is None else tokens
    return student_graph(student, tokens=longest, dt_s=dt_s), longest
