"""How much memory the arrays of a file may take; asked before any is given to them.

numpy makes room for whatever shape a header declares, and unpacks whatever a zip file
holds: a megabyte of either can ask for all memory.
"""

from __future__ import annotations

import os
import zipfile
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from spikewright.errors import InputError

MAX_ARRAY_BYTES = 2**32
"""of all arrays of a file, unpacked: 4 GiB"""
VARIABLE = "SPIKEWRIGHT_MAX_ARRAY_BYTES"
"""names the environment variable with another limit"""
_COMPRESSION = 1032
"""the most that deflate shrinks anything (zlib, Technical Details)"""
_PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_CURE = "save it again"


def max_array_bytes() -> int:
    """Return the limit for the arrays of a file.

    Raises:
        InputError: the environment variable holds no number of bytes.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return MAX_ARRAY_BYTES
    if not (said.isascii() and said.isdecimal()) or len(said) > 18 or int(said) < 1:
        raise InputError(
            f"{VARIABLE} is {said[:40]!r}; allowed: a number of bytes, 1 or more; "
            f"correct it, or unset it for {MAX_ARRAY_BYTES}"
        )
    return int(said)


def check_array_bytes(where: str, size: int) -> None:
    """Raise `InputError` if arrays of `size` bytes are more than a file may hold."""
    limit = max_array_bytes()
    if size > limit:
        raise InputError(
            f"{where}: would take {size} bytes of memory; allowed: {limit} for a file; "
            f"if you trust it, set the environment variable {VARIABLE} higher"
        )


# --- .npy and .npz -------------------------------------------------------------------


def check_array_file(path: Path) -> None:
    """Check that a .npy or .npz holds the arrays that its headers declare.

    Raises:
        InputError: an array is larger than what is stored, holds Python objects, or is
            there twice; or all are larger than the limit for a file.
        OSError, ValueError, RuntimeError, zipfile.BadZipFile: the file is damaged.
    """
    if not zipfile.is_zipfile(path):
        size = path.stat().st_size
        check_array_bytes(str(path), size)
        with path.open("rb") as file:
            _check_header(f"{path}", file, size)
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_array_bytes(str(path), sum(each.file_size for each in members))
        seen: set[str] = set()
        for each in members:
            where = f"{path}: {each.filename[:60]!r}"
            _check_member(where, each, seen)
            with archive.open(each) as member:
                _check_header(where, member, each.file_size)


def _check_member(where: str, member: zipfile.ZipInfo, seen: set[str]) -> None:
    if member.filename in seen:
        raise InputError(f"{where} is in it twice; {_CURE}")
    seen.add(member.filename)
    if member.compress_type not in _PACKED_BY:
        raise InputError(
            f"{where} is packed in way {member.compress_type} of zip; allowed: stored "
            f"or deflated, as numpy.savez does; {_CURE}"
        )
    if member.file_size > _COMPRESSION * member.compress_size:
        raise InputError(
            f"{where} is said to unpack to {member.file_size} bytes, but only "
            f"{member.compress_size} are stored; {_CURE}"
        )


def _check_header(where: str, file: IO[bytes], size: int) -> None:
    """Compare what a header declares with the bytes that are there."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise InputError(f"{where} has version {version} of .npy; allowed: 1 and 2")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise InputError(
            f"{where} holds Python objects; save it as an array of numbers"
        )
    declared = prod(shape) * max(1, dtype.itemsize)
    stored = size - file.tell()
    if min(shape, default=1) < 0 or declared > stored:
        raise InputError(
            f"{where} has shape {shape} of {dtype}, {declared} bytes, but {stored} "
            f"are stored; it is damaged; {_CURE}"
        )
