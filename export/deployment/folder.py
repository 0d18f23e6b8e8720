"""A deployment folder: what the chip runs, and what the host keeps.

model.nir        the network
encoder.npz      the spike encoder's tables, bits packed eight to a byte
tokenizer.json   text to token ids
card.json        sizes, labels, accuracy, where it came from
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from spikewright.array_limit import check_array_bytes
from spikewright.errors import InputError
from spikewright.export.deployment.encoder import EncoderTables, parse_tokenizer
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.files import read_arrays, write_arrays
from spikewright.graph import Graph
from spikewright.nodes import Input
from spikewright.whole_files import cannot_write, check_name, private_folder, usual_mode

FILES = frozenset({"model.nir", "encoder.npz", "tokenizer.json", "card.json"})
CHECKPOINT = "model.safetensors"
"""what a student of train has instead of `model.nir`"""


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < 2**31


_CARD: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "tokens": (_is_count, "a positive integer below 2**31"),
    "steps": (_is_count, "a positive integer below 2**31"),
    "dt_s": (
        lambda x: isinstance(x, float | int) and 0 < x <= sys.float_info.max,
        "a positive number of seconds",
    ),
    "labels": (
        lambda x: isinstance(x, list) and all(isinstance(each, str) for each in x),
        "a list of texts",
    ),
    "teacher": (lambda x: isinstance(x, dict), "a BERT configuration"),
}
"""what a card must say, and what that is"""


@dataclass(frozen=True, eq=False)
class Deployment:
    """A student ready to run: the graph for the chip, the rest for the host."""

    graph: Graph
    """CONTINUOUS"""
    tables: EncoderTables
    tokenizer: Tokenizer
    card: Mapping[str, Any]
    """has dt_s, steps, tokens, labels and teacher (a BERT configuration)"""


def write_deployment(
    folder: str | Path,
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
    folder = Path(folder)
    check_name(folder)
    _check_card(f"card of {folder}", card)
    _check_fit(folder, graph, tables, card)
    parse_tokenizer(f"tokenizer of {folder}", tokenizer_json)
    try:
        _refuse_other_contents(folder)
        with private_folder(folder) as part:
            write_nir(graph, part / "model.nir", dt_s=float(card["dt_s"]))
            write_arrays(
                part / "encoder.npz",
                {"words": tables.words, "positions": tables.positions},
            )
            (part / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
            (part / "card.json").write_text(json.dumps(card, indent=2) + "\n")
            _put_in_place(part, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


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
    part.chmod(usual_mode(0o777))
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
    if old.is_symlink():
        old.unlink()  # what it led to is not ours
    else:
        shutil.rmtree(old, ignore_errors=True)


# --- reading -------------------------------------------------------------------------


def read_deployment(folder: str | Path) -> Deployment:
    """Read a deployment folder and check that its files fit each other.

    Raises:
        InputError: a file is missing or corrupt, or two do not fit.
        GraphError: `model.nir` holds what we cannot run.
    """
    folder = Path(folder)
    if (folder / CHECKPOINT).exists():
        raise InputError(
            f"{folder}: is a checkpoint of train, not a deployment; run "
            f"`spikewright export {folder} -o NEW_FOLDER` and give that"
        )
    card = _read_card(folder / "card.json")
    tables = _read_tables(folder / "encoder.npz")
    graph = read_nir(folder / "model.nir", dt_s=float(card["dt_s"]))
    _check_fit(folder, graph, tables, card)
    path = folder / "tokenizer.json"
    tokenizer = parse_tokenizer(str(path), _read_text(path))
    return Deployment(graph, tables, tokenizer, card)


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
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); export again") from error
    if not isinstance(card, dict):
        raise InputError(f"{path}: holds no JSON object; export again")
    _check_card(str(path), card)
    return card


def _check_card(where: str, card: Mapping[str, Any]) -> None:
    for key, (is_valid, meaning) in _CARD.items():
        if not is_valid(card.get(key)):
            got = repr(card.get(key))[:40]
            raise InputError(f"{where}: '{key}' is {got}; must be {meaning}")


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


def _check_fit(
    folder: Path, graph: Graph, tables: EncoderTables, card: Mapping[str, Any]
) -> None:
    node, tokens = graph.nodes[graph.input_name], int(card["tokens"])
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
    sentence = prod(node.shape) * int(card["steps"])
    check_array_bytes(f"{folder}: a sentence of {card['steps']} steps", sentence)
