"""A deployment folder: what the chip runs, and what the host keeps.

model.nir        the network
encoder.npz      the spike encoder's tables, bits packed eight to a byte
tokenizer.json   text to token ids
card.json        sizes, labels, accuracy, where it came from
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from spikewright.errors import InputError
from spikewright.export.nir_io import read_nir, write_nir
from spikewright.files import read_arrays, write_arrays
from spikewright.graph import Graph
from spikewright.nodes import Input

Bits = npt.NDArray[np.uint8]


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
    """Write a deployment folder, whole or not at all.

    Raises:
        InputError: `folder` exists and holds something else than a deployment.
        GraphError: NIR cannot say the graph.
    """
    if (
        folder.exists()
        and not (folder / "card.json").is_file()
        and any(folder.iterdir())
    ):
        raise InputError(
            f"{folder}: exists and is no deployment folder; choose another"
        )
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        write_nir(graph, part / "model.nir", dt_s=float(card["dt_s"]))
        write_arrays(
            part / "encoder.npz", {"words": tables.words, "positions": tables.positions}
        )
        (part / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
        (part / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_deployment(folder: Path) -> Deployment:
    """Read a deployment folder.

    Raises:
        InputError: a file is missing or corrupt.
        GraphError: `model.nir` holds what we cannot run.
    """
    graph = read_nir(folder / "model.nir")
    arrays = read_arrays(folder / "encoder.npz")
    try:
        tables = EncoderTables(
            arrays["words"].astype(np.uint8), arrays["positions"].astype(np.uint8)
        )
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        missing = {"tokens", "steps", "dt_s", "labels", "teacher"} - set(card)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: not a deployment folder ({error!r})") from error
    if missing:
        raise InputError(f"{folder}/card.json: lacks {', '.join(sorted(missing))}")
    return Deployment(graph, tables, _tokenizer(text, folder), card)


def _tokenizer(text: str, folder: Path) -> Tokenizer:
    try:
        json.loads(text)
        tokenizer = Tokenizer.from_str(text)
    except ValueError as error:
        raise InputError(f"{folder}/tokenizer.json: not readable: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def encode_texts(deployment: Deployment, texts: Sequence[str]) -> EncodedTexts:
    """Turn sentences into spikes; the same bits at every step.

    A sentence longer than the deployment's tokens is cut at its end; `cut` says by how
    much. Slots without a token are silent.

    Raises:
        InputError: a sentence holds no token.
    """
    tokens, steps = int(deployment.card["tokens"]), int(deployment.card["steps"])
    ids = [_token_ids(deployment.tokenizer, text) for text in texts]
    kept = [each[:tokens] for each in ids]
    node = deployment.graph.nodes[deployment.graph.input_name]
    assert isinstance(node, Input)  # noqa: S101 - the name says so
    inputs = np.zeros((len(ids), *node.shape), dtype=np.uint8)
    for sample, each in enumerate(kept):
        inputs[sample, :, : len(each)] = _bits(deployment.tables, each)
    cut = np.array([max(0, len(each) - tokens) for each in ids], dtype=np.int64)
    return EncodedTexts(np.repeat(inputs[:, None], steps, axis=1), kept, cut)


def _token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    if not ids:
        raise InputError(
            f"sentence {text[:40]!r}: holds no token; give at least one word"
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
