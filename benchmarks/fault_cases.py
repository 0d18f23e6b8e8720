"""Commands to be disturbed: what each needs, what it leaves, what there is a clock."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.cli.networks.lowering import STUDENT_DT_S
from spikewright.cli.student import export_student
from spikewright.export.nir.io import write_nir
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import LIF, Affine, Input, Output
from spikewright.train.settings.stage_tables import TeacherTable
from spikewright.train.student import load_student, shipped_student
from spikewright.train.teachers.fresh_bert import make_fresh_bert

PROGRAM = [sys.executable, "-m", "spikewright.cli"]
GOOD, BAD = ("fine", "lovely", "warm", "bright"), ("dull", "sour", "cold", "grim")
OTHER = ("the", "soup", "road", "tale", "was", "and", "very", "quite")
TEXTS = ("the acting is superb", "a tedious film", "not bad at all", "dull and cold")
CLOCKS = frozenset({"seconds", "seconds_of_slices"})
CLOCK_ENDS = ("_runtime", "_per_second")
NOT_RESULTS = frozenset({"checkpoints", "slices.jsonl"})
"""names of what a training goes on from, and of its clock"""

CHIP = """
[data]
train = ["tiny"]
validation = "tiny"
labels = ["bad", "good"]
max_tokens = 10
[teacher]
base = "ENCODER"
epochs = 3
learning_rate = 5e-3
batch_size = 16
[student]
channels = 16
position_channels = 8
hidden = 16
blocks = 1
steps = 2
beta = 0.5
[distill]
epochs = 4
learning_rate = 2e-2
batch_size = 16
average = 0.9
dropout = 0.1
compile = "never"
[quantize]
epochs = 2
learning_rate = 5e-3
batch_size = 16
compile = "never"
"""
SPIKEBERT = """
family = "spikebert"
[data]
train = ["tiny"]
validation = "tiny"
labels = ["bad", "good"]
max_tokens = 10
[teacher]
base = "fresh"
fresh_width = 16
fresh_layers = 2
fresh_heads = 2
epochs = 3
learning_rate = 5e-3
batch_size = 16
[student]
width = 24
blocks = 2
heads = 2
steps = 2
classifier_dropout = 0.1
[augment]
rounds = 1
replacement = "vocabulary"
[stage1]
text = ["tiny"]
held_out = 32
compile = "never"
epochs = 1
learning_rate = 1e-2
batch_size = 16
[stage2]
epochs = 2.5
patience = 2
learning_rate = 1e-2
batch_size = 16
compile = "never"
"""
ROAD = """
folder = "out"
[export]
tokens = 6
[lower]
[simulate]
backend = "integer"
text = ["the acting is superb", "a tedious film"]
[report]
profile = ["cmos45"]
"""


@dataclass(frozen=True)
class Case:
    """A command, run in a folder of its own where `out` receives its results."""

    name: str
    words: Callable[[Path], list[str]]
    """of the folder of the inputs: the command line after the program's name"""


def cases() -> list[Case]:
    """Return every command that is disturbed."""
    return [
        Case("train chip", lambda p: _train(p, "chip.toml")),
        Case("train spikebert", lambda p: _train(p, "spikebert.toml")),
        Case("lower", lambda p: ["lower", f"{p}/student", "-o", "out/low.npz"]),
        Case("simulate integer", lambda p: [*_simulate(p), "--workers", "2"]),
        Case("simulate lava", lambda p: [*_net(p), "--runtime", "local"]),
        Case("simulate lava processes", lambda p: [*_net(p), "--runtime", "lava"]),
        Case("report", _report),
        Case("run", lambda p: ["run", f"{p}/road.toml", "-o", "out"]),
    ]


def _train(place: Path, config: str) -> list[str]:
    return ["train", f"{place}/{config}", "--data", f"{place}/data", "-o", "out/run"]


def _simulate(place: Path) -> list[str]:
    texts = [word for text in TEXTS for word in ("--text", text)]
    given = ["simulate", f"{place}/student", "--backend", "integer", "--batch", "1"]
    return [*given, *texts, "-o", "out/trace.npz"]


def _net(place: Path) -> list[str]:
    given = ["simulate", f"{place}/net.nir", "--dt", "1e-3", "--backend", "lava"]
    return [*given, "--inputs", f"{place}/net.npy", "-o", "out/trace.npz"]


def _report(place: Path) -> list[str]:
    outputs = ["-o", "out/report.html", "-o", "out/report.json"]
    given = ["report", f"{place}/student", "--text", f"{place}/texts.txt"]
    return [*given, *outputs, "--profile", "cmos45"]


# --- what they need ------------------------------------------------------------------


def write_inputs(place: Path) -> None:
    """Write a tiny task, a network and the shipped student as a deployment."""
    drawn = random.Random(0)  # noqa: S311 - sentences
    (place / "data" / "tiny").mkdir(parents=True)
    sentences = {
        "train": _sentences(drawn, 192),
        "validation": _sentences(drawn, 40),
    }
    for split, rows in sentences.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / "data" / "tiny" / f"{split}.jsonl").write_text(lines)
    texts = [str(row["text"]) for row in sentences["train"]]
    table = TeacherTable(
        base="fresh",
        fresh_width=16,
        fresh_layers=1,
        fresh_heads=2,
        epochs=1,
        learning_rate=1e-3,
        batch_size=16,
    )
    make_fresh_bert(texts, table, place / "encoder", max_tokens=16, seed=0)
    encoder = str(place / "encoder")
    (place / "chip.toml").write_text(CHIP.replace("ENCODER", encoder))
    (place / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    (place / "spikebert.toml").write_text(SPIKEBERT)
    (place / "road.toml").write_text(ROAD)
    folder = shipped_student()
    student = load_student(folder)
    export_student(student, folder, place / "student", tokens=6, dt_s=STUDENT_DT_S)
    write_net(place)


def _sentences(drawn: random.Random, count: int) -> list[dict[str, object]]:
    """Return sentences whose class is that of their one good or bad word."""
    rows = []
    for i in range(count):
        words = drawn.choices(OTHER, k=drawn.randint(2, 5))
        telling = drawn.choice(GOOD if i % 2 else BAD)
        words.insert(drawn.randrange(len(words) + 1), telling)
        rows.append({"text": " ".join(words), "label": i % 2})
    return rows


def write_net(place: Path) -> None:
    """Write 6 -> 8 leaky neurons, and spikes of 40 samples for them."""
    rng = np.random.default_rng(0)
    tau, ones, zeros = np.full(8, 2e-3), np.ones(8), np.zeros(8)
    nodes = {
        "input": Input((6,)),
        "fc": Affine(rng.integers(-8, 9, (8, 6)) / 8, rng.integers(-8, 9, 8) / 8),
        "lif": LIF(tau, 2 * ones, zeros, ones, zeros),
        "output": Output((8,)),
    }
    names = list(nodes)
    edges = tuple(Edge(a, b) for a, b in pairwise(names))
    write_nir(Graph(nodes, edges, Stage.CONTINUOUS), place / "net.nir")
    spikes = rng.random((40, 20, 6)) < 0.5
    np.save(place / "net.npy", spikes.astype(np.uint8))


# --- what they leave -----------------------------------------------------------------


def results(folder: Path) -> dict[str, str]:
    """Return a hash of each file that counts as a result, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not NOT_RESULTS & set(path.relative_to(folder).parts)
    }


def parts(folder: Path) -> list[str]:
    """Return what a killed process left half-written."""
    return [str(each.relative_to(folder)) for each in folder.rglob(".*.part")]


def _content(path: Path) -> bytes:
    """Return a file's bytes, a JSON document's without clocks."""
    if path.suffix != ".json":
        return path.read_bytes()
    return json.dumps(_timeless(json.loads(path.read_text())), sort_keys=True).encode()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: _timeless(v)
            for k, v in value.items()
            if k not in CLOCKS and not k.endswith(CLOCK_ENDS)
        }
    return [_timeless(each) for each in value] if isinstance(value, list) else value
