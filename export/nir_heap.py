"""Find damage in a HDF5 file that makes the HDF5 library loop for ever.

Strings of a HDF5 file lie in global heap collections (HDF5 File Format Specification
3.0, III.E). The library walks through the objects of a collection by their sizes; a
free object of size 0, as zeroed blocks of a broken download contain, never moves it on
(seen with HDF5 as in h5py 3.16). So the walk is made here first.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from spikewright.errors import InputError

_HEADER = struct.Struct("<4sB3sQ")
"""signature, version, reserved, size of the collection"""
_OBJECT = struct.Struct("<HH4xQ")
"""index (0: free space), references, size of the object"""
_START = b"GCOL\x01\x00\x00\x00"


def check_heaps(path: Path) -> None:
    """Walk through all global heap collections of a file.

    Raises:
        InputError: the file is empty, unreadable, or a collection is damaged.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            place = content.find(_START)
            while place >= 0:
                _check_collection(path, content, place)
                place = content.find(_START, place + len(_START))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be read ({error}); check the path and its permissions"
        ) from error


def _check_collection(path: Path, content: mmap.mmap, start: int) -> None:
    if start + _HEADER.size > len(content):
        raise _damaged(path, start)
    size = _HEADER.unpack_from(content, start)[3]
    end = start + size
    if end > len(content):
        raise _damaged(path, start)
    place = start + _HEADER.size
    while place + _OBJECT.size <= end:
        index, _, length = _OBJECT.unpack_from(content, place)
        step = _OBJECT.size + (length + 7) // 8 * 8 if index else length
        if step < _OBJECT.size or place + step > end:
            raise _damaged(path, place)
        place += step


def _damaged(path: Path, place: int) -> InputError:
    return InputError(
        f"{path}: damaged at byte {place}, a heap of strings is broken; export the "
        "model again, or fetch the file again if it was copied"
    )
