"""What can be done to .npy and .npz files: their headers, their zip, their arrays."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from tokenize import TokenError
from typing import Any

import numpy as np
from mutate import arrays, damage, texts

Arrays = Mapping[str, Any]
_SHAPES = (
    *("(3,)", "()", "(-1,)", "(-2, -2)", "(0, 1152921504606846976)", "(2147483648,)"),
    *("(1099511627776,)", "(9223372036854775808,)", "(3, 4611686018427387904)"),
    *("3", "[3]", "None", "(3.0,)", "(True,)", "(1,)*99", "__import__('os')"),
)
_TYPES = (
    *("'|O'", "'<f8'", "'<U1000000000'", "'<U0'", "'|V0'", "'|S4294967296'", "'<m8'"),
    *(
        "'|u1'",
        "'>i8'",
        "'<f2'",
        "'<c16'",
        "[('a', '<f8')]",
        "[('a', '|O')]",
        "'f8,f8'",
    ),
    *("('<f8', (1073741824,))", "None", "'x'", "[]", "'|b1'", "'<M8[s]'"),
)


def npy(array: Any) -> bytes:
    """Return an array as a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def npz(members: Mapping[str, bytes]) -> bytes:
    """Return a .npz of such files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def _header(dice: Random, content: bytes) -> bytes:
    """Let a header declare another shape or type."""
    body = content[10 + struct.unpack_from("<H", content, 8)[0] :]
    shape = dice.choice((*_SHAPES, "(3,)", "(2, 3)"))
    text = (
        f"{{'descr': {dice.choice(_TYPES)}, 'fortran_order': False, 'shape': {shape}}}"
    )
    if dice.random() < 0.1:
        text = dice.choice(("", "{}", "[" * 9000, text * 99, "1" * 9000))
    version = dice.choice((1, 1, 2, 3, 9))
    size = struct.pack("<H" if version == 1 else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + b"\n" + body


def _array(dice: Random, content: bytes) -> bytes:
    pickled = np.array([print, {"a": 1}], dtype=object)
    return npy(dice.choice((dice.choice(arrays()), pickled, np.zeros((0, 3)))))


def _read(content: bytes) -> np.ndarray:
    """Return the array of a .npy, which may be none any more: it was changed before."""
    try:
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False).copy()
    except MemoryError as error:
        raise ValueError("it declares more than there is") from error


def _value(dice: Random, content: bytes) -> bytes:
    array = _read(content)
    strange = (float("nan"), float("inf"), -1, 2, 255, 1e308, 2**31)
    if array.dtype.kind in "iuf" and array.size:
        with np.errstate(all="ignore"):
            array.reshape(-1)[dice.randrange(array.size)] = np.array(
                dice.choice(strange)
            ).astype(array.dtype)
    return npy(array)


def _shape(dice: Random, content: bytes) -> bytes:
    array = _read(content)
    if not array.ndim:
        return npy(array[None])
    ways = (array[None], array[..., None], array[:1], array.reshape(-1), array[..., :0])
    return npy(dice.choice(ways))


def _type(dice: Random, content: bytes) -> bytes:
    array = _read(content)
    with np.errstate(all="ignore"):
        try:
            return npy(array.astype(dice.choice("?bBhHiIlLefdFDSU")))
        except ValueError:
            return npy(array)


def _bytes(dice: Random, content: bytes) -> bytes:
    return damage(dice, content, [content])


_CHANGES = (_header, _header, _array, _value, _value, _shape, _type, _bytes)


def attack(dice: Random, given: Arrays) -> bytes:
    """Return a .npz of arrays with one to three of them, or the zip itself, changed."""
    members = {name: npy(array) for name, array in given.items()}
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        name = dice.choice(list(members))
        try:
            members[name] = dice.choice(_CHANGES)(dice, members[name])
        except (EOFError, SyntaxError, TypeError, ValueError, TokenError):
            # changed before, and no .npy any more
            members[name] = damage(dice, members[name], [members[name]])
    chance = dice.random()
    if chance < 0.1:
        del members[dice.choice(list(members))]
    elif chance < 0.2:
        name = dice.choice(texts()).encode("utf-8", "replace").decode()
        name = name.replace("\0", "")
        members[name] = npy(dice.choice(arrays()))
    if chance > 0.95 and members:
        members[dice.choice(list(members))] = _zeros(dice)
    content = npz(members)
    return damage(dice, content, [content]) if dice.random() < 0.15 else content


def attack_one(dice: Random, array: Any) -> bytes:
    """Return a .npy of an array after a change."""
    return dice.choice(_CHANGES)(dice, npy(array))


def _zeros(dice: Random) -> bytes:
    """Return what unpacks to a hundred mebibytes."""
    return npy(np.zeros(100 * 2**20, np.uint8))


def odd_zip(dice: Random, given: Arrays, path: Path) -> None:
    """Write a zip that numpy does not write: other packing, a name twice, no arrays."""
    way = dice.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED))
    with zipfile.ZipFile(path, "w", way) as archive:
        for name, array in given.items():
            archive.writestr(f"{name}.npy", npy(array))
        for _ in range(dice.choice((0, 1, 5000))):
            name = dice.choice((*given, "../../x", "/etc/x", "a\\b", "é"))
            end = dice.choice((".npy", "", ".npz"))
            info = zipfile.ZipInfo(f"{name}{end}")
            archive.writestr(
                info, dice.choice((b"", b"text", npy(dice.choice(arrays()))))
            )
