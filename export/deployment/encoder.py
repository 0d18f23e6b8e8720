"""The spike encoder of a deployed student: text to token ids to bits, on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from spikewright.errors import InputError

Bits = npt.NDArray[np.uint8]
MAX_CHARACTERS = 100_000
"""of a sentence: beyond it the tokenizer takes hundreds of bytes for each"""


@dataclass(frozen=True, eq=False)
class EncoderTables:
    """One bit a channel; a token's bits are its word's followed by its position's."""

    words: Bits
    """(vocabulary, word channels / 8), packed"""
    positions: Bits
    """(tokens, position channels / 8), packed"""


def parse_tokenizer(where: str, text: str) -> Tokenizer:
    """Build a tokenizer from its `tokenizer.json`; it neither pads nor cuts.

    Raises:
        InputError: the text describes no tokenizer; names `where`.
    """
    with _refusing(f"{where}: not a tokenizer"):
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


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the token ids of a sentence, without special tokens.

    Raises:
        InputError: the sentence holds no token, is too long, or cannot be split.
    """
    where = f"sentence {text[:40]!r}"
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"{where}: has {len(text)} characters; allowed: {MAX_CHARACTERS}; give "
            "sentences one by one"
        )
    with _refusing(f"{where}: cannot be split into tokens"):
        encoded = tokenizer.encode(text, add_special_tokens=False)
    ids: list[int] = encoded.ids
    if not ids:
        raise InputError(f"{where}: holds no token; give at least one word")
    return ids


def bits_of(tables: EncoderTables, ids: Sequence[int]) -> Bits:
    """Return the bits of a sentence, (channels, tokens).

    Raises:
        InputError: the tables lack a token.
    """
    known = len(tables.words)
    if max(ids) >= known:
        raise InputError(
            f"token {max(ids)}, but the encoder knows {known}; "
            "tokenizer.json and encoder.npz are of different models"
        )
    words = np.unpackbits(tables.words[ids], axis=1)
    positions = np.unpackbits(tables.positions[: len(ids)], axis=1)
    return np.concatenate([words, positions], axis=1).T
