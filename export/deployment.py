"""A deployment folder: what the chip runs, and what the host keeps.

model.nir        the network
encoder.npz      the spike encoder's tables, bits packed eight to a byte
tokenizer.json   text to token ids
card.json        sizes, labels, accuracy, where it came from
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from spikewright.errors import InputError
from spikewright.export.nir_io import read_nir, write_nir
from spikewright.files import cannot_write, part_of, read_arrays, write_arrays
from spikewright.graph import Graph
from spikewright.nodes import Input

Bits = npt.NDArray[np.uint8]

FILES = frozenset({"model.nir", "encoder.npz", "tokenizer.json", "card.json"})


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_time(value: object) -> bool:
    return isinstance(value, float | int) and 0 < value < math.inf


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_CARD: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "tokens": (_is_count, "a positive integer"),
    "steps": (_is_count, "a positive integer"),
    "dt_s": (_is_time, "a positive number of seconds"),
    "labels": (_is_texts, "a list of texts"),
    "teacher": (lambda value: isinstance(value, dict), "a BERT configuration"),
}
"""what a card must say, and what that is"""


@dataclass(frozen=True, eq=False)
class EncoderTables:
    """One bit a channel; a token's bits are its word's followed by its position's."""

    words: Bits
    """(vocabulary, word channels / 8), packed"""
    positions: Bits
    """(tokens, position channels / 8), packed"""


@dataclass(frozen=True, eq=False)
class Deployment:
    """A student ready to run: the graph for the chip, the rest for the host."""

    graph: Graph
    """CONTINUOUS"""
    tables: EncoderTables
    tokenizer: Tokenizer
    card: Mapping[str, Any]
    """has dt_s, steps, tokens, labels and teacher (a BERT configuration)"""


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """Sentences as spikes."""

    inputs: Bits
    """(samples, steps, channels, token slots), 0 or 1"""
    token_ids: Sequence[Sequence[int]]
    """of each sentence, as far as they entered"""
    cut: npt.NDArray[np.int64]
    """tokens of each sentence that did not fit"""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each sentence that entered."""
        return np.array([len(ids) for ids in self.token_ids], dtype=np.int64)


def write_deployment(
    folder: Path,
    graph: Graph,
    tables: EncoderTables,
    tokenizer_json: str,
    card: Mapping[str, Any],
) -> None:
    """Write a deployment folder, whole or not at all; an older one is replaced.

    Raises:
        InputError: `folder` exists and holds something else than a deployment, or
            cannot be written.
        GraphError: NIR cannot say the graph.
    """
    part = part_of(folder)
    _refuse_other_contents(folder)
    try:
        part.mkdir()
        write_nir(graph, part / "model.nir", dt_s=float(card["dt_s"]))
        write_arrays(
            part / "encoder.npz", {"words": tables.words, "positions": tables.positions}
        )
        (part / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
        (part / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        _put_in_place(part, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _refuse_other_contents(folder: Path) -> None:
    """Raise `InputError` if more than a deployment would be lost."""
    if not folder.exists():
        return
    if not folder.is_dir() or not {each.name for each in folder.iterdir()} <= FILES:
        raise InputError(
            f"{folder}: exists and is no deployment folder; choose another"
        )


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename `part` to `folder`; the old one goes last, or comes back."""
    if not folder.exists():
        part.rename(folder)
        return
    old = part.with_name(f"{part.name}.old")
    folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


# --- reading -------------------------------------------------------------------------


def read_deployment(folder: Path) -> Deployment:
    """Read a deployment folder and check that its files fit each other.

    Raises:
        InputError: a file is missing or corrupt, or two do not fit.
        GraphError: `model.nir` holds what we cannot run.
    """
    graph = read_nir(folder / "model.nir")
    card = _read_card(folder / "card.json")
    tables = _read_tables(folder / "encoder.npz")
    _check_fit(folder, graph, tables, int(card["tokens"]))
    return Deployment(graph, tables, _read_tokenizer(folder / "tokenizer.json"), card)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; export again") from error
    except ValueError as error:
        raise InputError(f"{path}: not UTF-8 text; export again") from error


def _read_card(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        card = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); export again") from error
    if not isinstance(card, dict):
        raise InputError(f"{path}: holds no JSON object; export again")
    for key, (is_valid, meaning) in _CARD.items():
        if not is_valid(card.get(key)):
            got = repr(card.get(key))[:40]
            raise InputError(f"{path}: '{key}' is {got}; must be {meaning}")
    return card


def _read_tables(path: Path) -> EncoderTables:
    arrays = read_arrays(path)
    tables = []
    for name in ("words", "positions"):
        table = arrays.get(name)
        if table is None or table.ndim != 2 or table.dtype != np.uint8:
            raise InputError(
                f"{path}: needs a table '{name}' of bits packed into uint8; "
                "export again"
            )
        tables.append(table.astype(np.uint8))
    return EncoderTables(*tables)


def _check_fit(folder: Path, graph: Graph, tables: EncoderTables, tokens: int) -> None:
    node = graph.nodes[graph.input_name]
    assert isinstance(node, Input)  # noqa: S101 - the name says so
    bits = 8 * (tables.words.shape[1] + tables.positions.shape[1])
    if len(node.shape) != 2 or node.shape[0] != bits or node.shape[1] < tokens:
        raise InputError(
            f"{folder}: model.nir takes {node.shape}, but encoder.npz makes {bits} "
            f"channels of up to {tokens} tokens; export again"
        )
    if len(tables.positions) < tokens:
        raise InputError(
            f"{folder}: encoder.npz has {len(tables.positions)} positions for "
            f"{tokens} tokens; export again"
        )


def _read_tokenizer(path: Path) -> Tokenizer:
    text = _read_text(path)
    with _refusing(f"{path}: not a tokenizer"):
        tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn what the tokenizers library raises into an `InputError`."""
    try:
        yield
    except Exception as error:  # it raises Exception itself, nothing narrower
        raise InputError(f"{what}: {' '.join(str(error).split())}") from error


# --- texts in, logits out ------------------------------------------------------------


def encode_texts(deployment: Deployment, texts: Sequence[str]) -> EncodedTexts:
    """Turn sentences into spikes; the same bits at every step.

    A sentence longer than the deployment's tokens is cut at its end; `cut` says by how
    much. Slots without a token are silent.

    Raises:
        InputError: a sentence holds no token, or one that the encoder lacks.
    """
    tokens, steps = int(deployment.card["tokens"]), int(deployment.card["steps"])
    ids = [_token_ids(deployment, text) for text in texts]
    kept = [each[:tokens] for each in ids]
    node = deployment.graph.nodes[deployment.graph.input_name]
    assert isinstance(node, Input)  # noqa: S101 - the name says so
    inputs = np.zeros((len(ids), *node.shape), dtype=np.uint8)
    for sample, each in enumerate(kept):
        inputs[sample, :, : len(each)] = _bits(deployment.tables, each)
    cut = np.array([max(0, len(each) - tokens) for each in ids], dtype=np.int64)
    return EncodedTexts(np.repeat(inputs[:, None], steps, axis=1), kept, cut)


def _token_ids(deployment: Deployment, text: str) -> list[int]:
    where = f"sentence {text[:40]!r}"
    with _refusing(f"{where}: cannot be split into tokens"):
        encoded = deployment.tokenizer.encode(text, add_special_tokens=False)
    ids: list[int] = encoded.ids
    if not ids:
        raise InputError(f"{where}: holds no token; give at least one word")
    known = len(deployment.tables.words)
    if max(ids) >= known:
        raise InputError(
            f"{where}: token {max(ids)}, but the encoder knows {known}; "
            "tokenizer.json and encoder.npz are of different models"
        )
    return ids


def _bits(tables: EncoderTables, ids: Sequence[int]) -> Bits:
    """Return (channels, tokens)."""
    words = np.unpackbits(tables.words[ids], axis=1)
    positions = np.unpackbits(tables.positions[: len(ids)], axis=1)
    return np.concatenate([words, positions], axis=1).T


def logits_of(
    output: npt.NDArray[np.float64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return logits (samples, classes) from the output (samples, steps, classes).

    The chip sums over tokens and the host over steps; both sums become means here.
    """
    steps = output.shape[1]
    means: npt.NDArray[np.float64] = output.sum(axis=1) / (steps * lengths[:, None])
    return means
