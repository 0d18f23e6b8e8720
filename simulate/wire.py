"""Messages between processes of ours: plain values as JSON, then arrays as bytes.

Unlike a pickle, a message cannot name code that its reader would run.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_LENGTH = struct.Struct("<Q")
_LONGEST_HEAD = 2**31


@dataclass(frozen=True, eq=False)
class Message:
    """What one process tells another."""

    plain: Mapping[str, Any]
    """what JSON can say"""
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """numbers or texts, of any shape"""


def send(message: Message, stream: IO[bytes]) -> None:
    """Write a message, and do not wait until the stream's buffer is full."""
    arrays = {k: np.asarray(v, order="C") for k, v in message.arrays.items()}
    described = [(k, each.dtype.str, each.shape) for k, each in arrays.items()]
    head = json.dumps({"plain": message.plain, "arrays": described}).encode()
    stream.write(_LENGTH.pack(len(head)) + head)
    for each in arrays.values():
        stream.write(_raw(each))
    stream.flush()


def receive(stream: IO[bytes]) -> Message | None:
    """Read a message; None if the stream ends before one.

    Raises:
        EOFError: it ends within one.
        ValueError: this is no message.
    """
    first = stream.read(1)
    if not first:
        return None
    (size,) = _LENGTH.unpack(first + _exactly(stream, _LENGTH.size - 1))
    if size > _LONGEST_HEAD:
        raise ValueError(f"a head of {size} bytes")
    head = json.loads(_exactly(stream, size))
    arrays = {
        str(name): _array(stream, kind, shape) for name, kind, shape in head["arrays"]
    }
    return Message(head["plain"], arrays)


def _raw(array: npt.NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _array(stream: IO[bytes], kind: str, shape: list[int]) -> npt.NDArray[Any]:
    array = np.empty(shape, np.dtype(kind))
    room, filled = _raw(array), 0
    while filled < len(room):
        got = stream.readinto(room[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("the other process ended within a message")
        filled += got
    return array


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError("the other process ended within a message")
    return found
