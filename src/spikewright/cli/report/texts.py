"""Sentences from a file, for reports over whole sets."""

from __future__ import annotations

import json
from pathlib import Path

from spikewright.errors import InputError

JSONL = ".jsonl"


def read_texts(path: Path) -> list[str]:
    """Read a sentence a line, or a JSON object with `text` a line.

    Raises:
        InputError: the file is missing, unreadable or empty, or a line has no word.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read: {reason}") from error
    # Not splitlines: JSON strings may hold U+2028, U+0085 and other line ends.
    lines = content.removesuffix("\n").split("\n")
    is_json = path.suffix == JSONL
    texts = [
        _parse(line, f"{path}:{i}") if is_json else line.rstrip("\r")
        for i, line in enumerate(lines, start=1)
    ]
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise InputError(f"{path}:{number}: holds no word; remove the line")
    return texts


def _parse(line: str, where: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from error
    match row:
        case {"text": str(text)}:
            return text
    raise InputError(f'{where}: expected {{"text": "…"}}, got {line[:60]!r}')
