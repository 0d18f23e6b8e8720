"""Doors of weights, and of the checkpoints of each family of students."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import transformers
from documents import json_file
from doors_students import files_of, put
from engine import Door, Maker, Way
from mutate import damage, plain_values, texts
from safetensors.torch import load_file, save_file

from spikewright.export.snntorch.files import load_weights
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.model import ChipStudent
from spikewright.train.graphs.checkpoint import checkpoint_graph
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification

DT_S = 1e-4
SMALL: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "intermediate_size": 16,
    "max_position_embeddings": 4,
    "steps": 2,
}


def _header(dice: Random, content: bytes) -> bytes:
    """Change the header of a safetensors file, and say its length rightly."""
    (size,) = struct.unpack_from("<Q", content)
    made = json_file(dice, json.loads(content[8 : 8 + size]))
    length = dice.choice((len(made),) * 6 + (0, 1, 2**40, 2**63, len(made) + 9))
    return struct.pack("<Q", length) + made + content[8 + size :]


def _tensors(dice: Random, path: Path) -> None:
    """Save other tensors: of another type, shape or value, more or fewer."""
    held = load_file(path)
    name = dice.choice(list(held))
    kinds = (torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64)
    match dice.randrange(6):
        case 0:
            held[name] = held[name].to(dice.choice(kinds))
        case 1:
            held[name] = torch.full_like(
                held[name].float(), dice.choice((np.nan, np.inf, -1e38))
            )
        case 2:
            held[name] = held[name].reshape(-1).clone()
        case 3:
            del held[name]
        case 4:
            held[dice.choice(texts()).encode("utf-8", "replace").decode()] = torch.ones(
                1
            )
        case _:
            held[name] = torch.zeros(dice.choice(((0,), (), (2**20,), (3, 0, 2))))
    save_file(held, path, metadata={"format": "pt"})


def _break_weights(dice: Random, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    chance = dice.random()
    if chance < 0.4:
        _tensors(dice, path)
    elif chance < 0.75:
        path.write_bytes(_header(dice, content))
    else:
        path.write_bytes(damage(dice, content, [content]))


def _weights() -> Maker:
    plain_values(), texts()
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "x.safetensors"
        save_file(module.state_dict(), path)
        content = path.read_bytes()

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        path = folder / "x.safetensors"
        _break_weights(dice, path, content)
        return [("load_weights", lambda: load_weights(module, path))]

    return make


# --- checkpoints ---------------------------------------------------------------------


def _chip() -> transformers.PreTrainedModel:
    sizes: dict[str, Any] = {"vocab_size": 10, "max_tokens": 4, "channels": 16}
    sizes |= {"position_channels": 8, "hidden": 16, "blocks": 1, "steps": 2}
    return ChipStudent(ChipStudentConfig(**sizes)).pack_encoder()


def _spikebert() -> transformers.PreTrainedModel:
    config = SpikeBertConfig(norm="channel", attention="sdsa", **SMALL)
    return SpikeBertForSequenceClassification(config)


def _spikingbert() -> transformers.PreTrainedModel:
    return SpikingBertForSequenceClassification(SpikingBertConfig.for_chip(**SMALL))


def _checkpoints(student: Callable[[], transformers.PreTrainedModel]) -> Maker:
    plain_values(), texts()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as place:
        student().save_pretrained(place)
        checkpoint_graph(Path(place), tokens=None, dt_s=DT_S)  # it fits undamaged
        held = files_of(Path(place))
    config = json.loads(held["config.json"])

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        student = put(folder / "d", held)
        if dice.random() < 0.5:
            (student / "config.json").write_bytes(json_file(dice, config))
        else:
            path = student / "model.safetensors"
            _break_weights(dice, path, held["model.safetensors"])
        return [
            ("load", lambda: checkpoint_graph(student, tokens=None, dt_s=DT_S)),
        ]

    return make


DOORS = (
    Door("weights", 6, _weights),
    Door("checkpoints", 5, lambda: _checkpoints(_chip)),
    Door("checkpoints-spikebert", 5, lambda: _checkpoints(_spikebert)),
    Door("checkpoints-spikingbert", 5, lambda: _checkpoints(_spikingbert)),
)
