"""Find damage in a HDF5 file that makes the HDF5 library loop for ever.

The library follows lists in a file without noticing that they lead back (seen with HDF5
as in h5py 3.16). So they are followed here first (HDF5 File Format Specification 3.0):

- III.E, global heap collections, which hold strings: the library walks through their
  objects by their sizes, and a free object of size 0, as zeroed blocks of a broken
  download contain, never moves it on;
- III.D, local heaps, which hold names: each free block says where the next one is, and
  one that points back fills all memory.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from spikewright.errors import InputError

_COLLECTION = struct.Struct("<4sB3sQ")
"""signature, version, reserved, size of the collection"""
_OBJECT = struct.Struct("<HH4xQ")
"""index (0: free space), references, size of the object"""
_COLLECTION_START = b"GCOL\x01\x00\x00\x00"
_LOCAL = struct.Struct("<8xQQQ")
"""size of the data, offset of the first free block in it, its place in the file"""
_FREE = struct.Struct("<Q")
"""offset of the next free block; its size follows"""
_LOCAL_START = b"HEAP\x00\x00\x00\x00"


def check_heaps(path: Path) -> None:
    """Walk through all heaps of a file.

    Raises:
        InputError: the file is empty, unreadable, or a heap is damaged.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            for place in _places(content, _COLLECTION_START):
                _check_collection(path, content, place)
            for place in _places(content, _LOCAL_START):
                _check_local(path, content, place)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be read ({error}); check the path and its permissions"
        ) from error


def _places(content: mmap.mmap, start: bytes) -> Iterator[int]:
    place = content.find(start)
    while place >= 0:
        yield place
        place = content.find(start, place + len(start))


def _check_collection(path: Path, content: mmap.mmap, start: int) -> None:
    if start + _COLLECTION.size > len(content):
        raise _damaged(path, start)
    size = _COLLECTION.unpack_from(content, start)[3]
    end = start + size
    if end > len(content):
        raise _damaged(path, start)
    place = start + _COLLECTION.size
    while place + _OBJECT.size <= end:
        index, _, length = _OBJECT.unpack_from(content, place)
        step = _OBJECT.size + (length + 7) // 8 * 8 if index else length
        if step < _OBJECT.size or place + step > end:
            raise _damaged(path, place)
        place += step


def _check_local(path: Path, content: mmap.mmap, start: int) -> None:
    if start + _LOCAL.size > len(content):
        raise _damaged(path, start)
    size, free, data = _LOCAL.unpack_from(content, start)
    seen: set[int] = set()
    # A list that leads outside is an error to the library itself, if it ever reads
    # it: files that were edited in place keep such heaps, and never do.
    while free + _FREE.size <= size and data + free + _FREE.size <= len(content):
        if free in seen:
            raise _damaged(path, start)
        seen.add(free)
        (free,) = _FREE.unpack_from(content, data + free)


def _damaged(path: Path, place: int) -> InputError:
    return InputError(
        f"{path}: damaged at byte {place}, a heap of strings is broken; export the "
        "model again, or fetch the file again if it was copied"
    )
