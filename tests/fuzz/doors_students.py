"""Doors of students: deployment folders and texts."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from array_attacks import attack
from commands import command
from documents import json_file
from engine import Door, Maker, Way
from mutate import damage, plain_values, texts
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from spikewright.cli.report.texts import read_texts
from spikewright.export.deployment.encoder import EncoderTables
from spikewright.export.deployment.folder import (
    Deployment,
    read_deployment,
    write_deployment,
)
from spikewright.export.deployment.texts import encode_texts
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import IF, Flatten, Input, Linear, Output
from spikewright.train.texts.data import read_split

DT_S = 1e-4
SLOTS = 5
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film", "##s", "a", ".")


def _tokenizer() -> str:
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    made = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    return str(made.to_str())


def _deploy(folder: Path) -> None:
    rng = np.random.default_rng(0)
    ones = np.ones(4)
    nodes = {
        "input": Input((16, SLOTS)),
        "flat": Flatten((16, SLOTS), (16 * SLOTS,)),
        "fc": Linear(rng.integers(-8, 9, (4, 16 * SLOTS)) / 8),
        "if": IF(ones / DT_S, ones, 0 * ones),
        "head": Linear(rng.integers(-8, 9, (2, 4)) / 8),
        "output": Output((2,)),
    }
    edges = tuple(Edge(a, b) for a, b in itertools.pairwise(nodes))
    tables = EncoderTables(
        rng.integers(0, 256, (len(WORDS), 1), dtype=np.uint8),
        rng.integers(0, 256, (SLOTS, 1), dtype=np.uint8),
    )
    teacher = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 2}
    teacher |= {"num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 10}
    card = {"tokens": 4, "steps": 3, "dt_s": DT_S, "labels": ["no", "yes"]}
    graph = Graph(nodes, edges, Stage.CONTINUOUS)
    write_deployment(folder, graph, tables, _tokenizer(), {**card, "teacher": teacher})


def files_of(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir())}


def put(folder: Path, held: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in held.items():
        (folder / name).write_bytes(content)
    return folder


def _deployments() -> Maker:
    plain_values(), texts()
    with tempfile.TemporaryDirectory() as place:
        _deploy(Path(place) / "d")
        held = files_of(Path(place) / "d")
        with np.load(Path(place) / "d" / "encoder.npz") as tables:
            arrays = dict(tables)
    card, tokenizer = (
        json.loads(held[f"{each}.json"]) for each in ("card", "tokenizer")
    )

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        student = put(folder / "d", held)
        name = dice.choice(("card.json", "tokenizer.json", "encoder.npz", "model.nir"))
        if name.endswith(".json"):
            document = card if name == "card.json" else tokenizer
            content = json_file(dice, document)
        elif name == "encoder.npz":
            content = attack(dice, arrays)
        else:
            content = damage(dice, held[name], list(held.values()))
        (student / name).write_bytes(content)
        if dice.random() < 0.05:
            (student / name).unlink()
        return _ways_of_student(dice, student)

    return make


def _ways_of_student(dice: Random, student: Path) -> Sequence[Way]:
    read: list[Deployment] = []
    ways: list[Way] = [
        ("read_deployment", lambda: read.append(read_deployment(student))),
        ("encode", lambda: [encode_texts(each, ["a good film."]) for each in read]),
    ]
    if dice.random() < 0.2:
        words = ("simulate", student, "--text", "a good film", "--json")
        ways.append(("simulate", lambda: command(*words)))
        ways.append(("report", lambda: command("report", student, "--json")))
    return ways


# --- texts ---------------------------------------------------------------------------


def _texts() -> Maker:
    longest = (
        "good " * 20_000,
        "👩‍👩‍👧‍👦" * 10_000,
        "." * 100_000,
        "我" * 99_999,
        "a" * 99_999,
    )
    long = (
        *longest,
        "good " * 200_000,
        "a" * 1_000_000,
        "👩‍👩‍👧‍👦" * 40_000,
        "\0" * 10**6,
        "." * 10**6,
    )
    pool = [*texts(), *texts(), *long]
    home = Path(tempfile.mkdtemp())
    try:
        _deploy(home / "d")
        student = read_deployment(home / "d")
        held = files_of(home / "d")
    finally:
        shutil.rmtree(home)

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        given = [dice.choice(pool) for _ in range(dice.choice((1, 1, 3)))]
        ways: list[Way] = [("encode_texts", lambda: encode_texts(student, given))]
        if dice.random() < 0.15:
            place = put(folder / "d", held)
            options = [word for text in given for word in ("--text", text)]
            way = ("simulate", place, *options, *dice.choice(([], ["--json"])))
            ways.append(("simulate", lambda: command(*way)))
        return ways

    return make


def _text_files() -> Maker:
    pool = [*texts(), "good film", "a film ."]
    plain_values()
    home = Path(tempfile.mkdtemp())
    try:
        _deploy(home / "d")
        held = files_of(home / "d")
    finally:
        shutil.rmtree(home)

    def make(dice: Random, folder: Path) -> Sequence[Way]:
        is_json = dice.random() < 0.6
        lines = []
        for _ in range(dice.choice((0, 1, 3, 50))):
            row = {"text": dice.choice(pool), "label": dice.choice((0, 1, "no"))}
            line = dice.choice(pool).encode("utf-8", "surrogatepass")
            lines.append(json_file(dice, row) if is_json else line)
        path = folder / ("test.jsonl" if is_json else "test.txt")
        path.write_bytes(dice.choice((b"\n", b"\n", b"\r\n", b"\r")).join(lines))
        ways: list[Way] = [("read_texts", lambda: read_texts(path))]
        if is_json:
            ways.append(("read_split", lambda: read_split(folder, "test")))
        if dice.random() < 0.1:
            place = put(folder / "d", held)
            ways.append(("report", lambda: command("report", place, "--text", path)))
            ways.append(
                (
                    "sweep",
                    lambda: command("plot", "sweep", place, "--text", path, "--json"),
                )
            )
        return ways

    return make


DOORS = (
    Door("deployments", 12, _deployments),
    Door("texts", 10, _texts),
    Door("text-files", 10, _text_files),
)
