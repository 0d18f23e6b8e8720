"""Deployment folders: text in, bits to the chip, logits out; whole or refused."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from spikewright.errors import GraphError, InputError
from spikewright.export.deployment.encoder import MAX_CHARACTERS, EncoderTables
from spikewright.export.deployment.folder import (
    FILES,
    Deployment,
    read_deployment,
    write_deployment,
)
from spikewright.export.deployment.texts import encode_texts, logits_of
from spikewright.export.nir.io import write_nir
from spikewright.files import read_arrays, write_arrays
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import Flatten, Input, Linear, Output

WORDS = np.array([[0b00000000], [0b10000001], [0b11110000]], dtype=np.uint8)
POSITIONS = np.array([[0b00000001], [0b00000010], [0b01000000]], dtype=np.uint8)
CARD = {
    "tokens": 2,
    "steps": 3,
    "dt_s": 1e-3,
    "labels": ["no", "yes"],
    "teacher": {"model_type": "bert"},
}
Edit = Callable[[Path], object]


def _tokenizer() -> str:
    vocabulary = {"[UNK]": 0, "good": 1, "film": 2}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    return str(tokenizer.to_str())


def _graph(slots: int = 3) -> Graph:
    """16 bits for each of 2 tokens and a slot that stays silent."""
    nodes = {
        "input": Input((16, slots)),
        "flat": Flatten((16, slots), (16 * slots,)),
        "head": Linear(np.ones((2, 16 * slots))),
        "output": Output((2,)),
    }
    names = list(nodes)
    edges = tuple(Edge(a, b) for a, b in itertools.pairwise(names))
    return Graph(nodes, edges, Stage.CONTINUOUS)


def _write(folder: Path, **changes: Any) -> None:
    given: dict[str, Any] = {
        "graph": _graph(),
        "tables": EncoderTables(WORDS, POSITIONS),
        "tokenizer_json": _tokenizer(),
        "card": CARD,
    }
    write_deployment(folder, **(given | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write(tmp_path / "deployment")
    return tmp_path / "deployment"


@pytest.fixture
def deployment(folder: Path) -> Deployment:
    return read_deployment(folder)


# --- texts in ------------------------------------------------------------------------


def test_a_sentence_becomes_bits(deployment: Deployment) -> None:
    encoded = encode_texts(deployment, ["film good"])
    assert encoded.inputs.shape == (1, 3, 16, 3)  # samples, steps, bits, slots
    # word 2 at position 0, word 1 at position 1, silence
    expected = np.zeros((16, 3), dtype=np.uint8)
    expected[:, 0] = [1, 1, 1, 1, 0, 0, 0, 0, *(0, 0, 0, 0, 0, 0, 0, 1)]
    expected[:, 1] = [1, 0, 0, 0, 0, 0, 0, 1, *(0, 0, 0, 0, 0, 0, 1, 0)]
    for step in range(3):
        np.testing.assert_array_equal(encoded.inputs[0, step], expected)
    assert encoded.token_ids == [[2, 1]]
    assert encoded.lengths.tolist() == [2]
    assert encoded.cut.tolist() == [0]


def test_an_unknown_word_is_a_token_too(deployment: Deployment) -> None:
    assert encode_texts(deployment, ["bad film"]).token_ids == [[0, 2]]


def test_a_long_sentence_is_cut_at_its_end_and_says_so(deployment: Deployment) -> None:
    encoded = encode_texts(deployment, ["good", "film good film film film"])
    assert encoded.token_ids == [[1], [2, 1]]
    assert encoded.cut.tolist() == [0, 3]
    assert encoded.lengths.tolist() == [1, 2]
    assert not encoded.inputs[:, :, :, 2].any()  # the slot beyond the tokens


def test_padding_and_truncation_of_the_tokenizer_are_off(folder: Path) -> None:
    tokenizer = Tokenizer.from_str(_tokenizer())
    tokenizer.enable_padding(length=8)
    tokenizer.enable_truncation(1)
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    encoded = encode_texts(read_deployment(folder), ["good film film"])
    assert (encoded.token_ids, encoded.cut.tolist()) == ([[1, 2]], [1])


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_text_without_tokens_is_refused(deployment: Deployment, text: str) -> None:
    with pytest.raises(InputError, match="holds no token; give at least one word"):
        encode_texts(deployment, ["good", text])


def test_a_text_that_is_no_unicode_is_refused(deployment: Deployment) -> None:
    with pytest.raises(InputError, match="cannot be split into tokens"):
        encode_texts(deployment, ["good \udcff"])


def test_a_token_without_a_row_is_refused(deployment: Deployment) -> None:
    tables = EncoderTables(WORDS[:2], POSITIONS)
    small = Deployment(deployment.graph, tables, deployment.tokenizer, deployment.card)
    with pytest.raises(InputError, match="token 2, but the encoder knows 2"):
        encode_texts(small, ["good film"])


# --- logits out ----------------------------------------------------------------------


def test_logits_are_means_over_steps_and_tokens() -> None:
    output = np.array([[[6.0, 0.0], [0.0, -3.0], [3.0, 0.0]], [[1.0, 2.0]] * 3])
    # 9 / (3 steps x 2 tokens), -3 / 6; then 3 / (3 x 4), 6 / 12
    logits = logits_of(output, np.array([2, 4]))
    assert logits.tolist() == [[1.5, -0.5], [0.25, 0.5]]


# --- writing -------------------------------------------------------------------------


def test_a_deployment_comes_back(folder: Path, deployment: Deployment) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    assert deployment.card == CARD
    np.testing.assert_array_equal(deployment.tables.words, WORDS)
    np.testing.assert_array_equal(deployment.tables.positions, POSITIONS)
    assert deployment.graph.edges == _graph().edges


def test_an_older_deployment_is_replaced_whole(folder: Path) -> None:
    _write(folder, card={**CARD, "steps": 7})
    assert read_deployment(folder).card["steps"] == 7
    assert list(folder.parent.iterdir()) == [folder]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    _write(tmp_path / "new")
    read_deployment(tmp_path / "new")


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"card": {**CARD, "steps": 0}}, InputError, "'steps' is 0; must be a positiv"),
        ({"card": {**CARD, "teacher": None}}, InputError, "'teacher' is None; must be"),
        ({"tokenizer_json": "junk"}, InputError, "not a tokenizer: expected value"),
        ({"graph": _graph(slots=1)}, InputError, r"takes \(16, 1\), .* 2 tokens"),
        (
            {"tables": EncoderTables(WORDS, POSITIONS[:1])},
            InputError,
            "1 positions for 2 tokens",
        ),
        (
            {"graph": Graph(_graph().nodes, (), Stage.CONTINUOUS)},
            GraphError,
            "node 'input': leads nowhere",
        ),
    ],
)
def test_a_refused_deployment_leaves_the_old_one(
    folder: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = _contents(folder)
    with pytest.raises(error, match=message):
        _write(folder, **changes)
    assert _contents(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_a_failing_rename_brings_the_old_one_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = _contents(folder), Path.rename

    def fail_once(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(InputError, match="cannot be written: Input/output error"):
        _write(folder, card={**CARD, "steps": 7})
    assert _contents(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_with_anything_else_is_not_touched(folder: Path) -> None:
    (folder / "model.safetensors").write_text("precious")  # a checkpoint has a card too
    before = _contents(folder)
    with pytest.raises(InputError, match="exists and is no deployment folder; choose"):
        _write(folder)
    assert _contents(folder) == before


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InputError, match="exists and is no deployment folder"):
        _write(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*nope; make it first"):
        _write(tmp_path / "nope" / "deployment")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        _write(tmp_path / ("x" * 300))


# --- reading -------------------------------------------------------------------------


def _text(name: str, text: str) -> Edit:
    return lambda folder: (folder / name).write_text(text)


def _card(**changes: Any) -> Edit:
    return _text("card.json", json.dumps(CARD | changes))


def _tables(**changes: Any) -> Edit:
    def edit(folder: Path) -> None:
        arrays = {**read_arrays(folder / "encoder.npz"), **changes}
        write_arrays(
            folder / "encoder.npz", {k: v for k, v in arrays.items() if v is not None}
        )

    return edit


DAMAGES: list[tuple[Edit, str]] = [
    *((lambda f, name=name: (f / name).unlink(), name) for name in sorted(FILES)),
    *((_text(name, "junk"), name) for name in sorted(FILES)),
    *((_text(name, ""), name) for name in sorted(FILES)),
    (_text("card.json", "[" * 100_000), "card.json: not JSON .*recursion"),
    (_text("card.json", "[]"), "card.json: holds no JSON object"),
    (_text("card.json", "{}"), "card.json: 'tokens' is None; must be a positive int"),
    (lambda f: (f / "card.json").write_bytes(b"\xff\xfe"), "not UTF-8 text"),
    (lambda f: (f / "tokenizer.json").write_bytes(b"\xff\xfe"), "not UTF-8 text"),
    (_text("tokenizer.json", "{}"), "not a tokenizer: Model missing"),
    (_card(tokens=True), "'tokens' is True"),
    (_card(tokens=4), r"takes \(16, 3\), but encoder.npz makes 16 channels of up to 4"),
    (_card(dt_s=10**400), r"'dt_s' is 1000\d*; must be a positive number"),
    (_card(steps="3"), "'steps' is '3'; must be a positive integer"),
    (_card(steps=10**400), "'steps' is 1000*; must be a positive integer below 2..31"),
    # 16 bits x 3 slots x 10**9 steps
    (_card(steps=10**9), r"sentence of 1000000000 steps: would take 48000000000 bytes"),
    (_card(dt_s=float("nan")), "'dt_s' is nan; must be a positive number of seconds"),
    (_card(dt_s=2e-3), "made for a time step of 0.001 s, got 0.002 s"),
    (_card(labels="no"), "'labels' is 'no'; must be a list of texts"),
    (_card(teacher=[]), "'teacher' is \\[\\]; must be a BERT configuration"),
    (_tables(words=None), "needs a table 'words'"),
    (_tables(words=WORDS.astype(float)), "needs a table 'words'"),
    (_tables(positions=POSITIONS[0]), "needs a table 'positions'"),
    (_tables(positions=POSITIONS[:1]), "1 positions for 2 tokens"),
    (_tables(words=np.repeat(WORDS, 2, 1)), "makes 24 channels of up to 2 tokens"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_damaged_deployment_is_refused(
    folder: Path, damage: Edit, message: str
) -> None:
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        read_deployment(folder)
    assert "\n" not in str(caught.value)


def test_the_network_of_another_model_is_refused(folder: Path) -> None:
    nodes = {"input": Input((5,)), "output": Output((5,))}
    graph = Graph(nodes, (Edge("input", "output"),), Stage.CONTINUOUS)
    write_nir(graph, folder / "model.nir", dt_s=CARD["dt_s"])
    with pytest.raises(InputError, match=r"model.nir takes \(5,\), but encoder.npz"):
        read_deployment(folder)


def test_a_folder_can_be_moved(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder, tmp_path / "elsewhere")
    assert read_deployment(tmp_path / "elsewhere").card == CARD


def test_a_sentence_of_a_megabyte_is_refused(deployment: Deployment) -> None:
    # the tokenizer takes hundreds of bytes for each of its characters
    encoded = encode_texts(deployment, ["a" * MAX_CHARACTERS])
    assert encoded.lengths.tolist() == [1]
    with pytest.raises(InputError, match="has 1000000 characters; allowed: 100000"):
        encode_texts(deployment, ["a" * 10**6])
