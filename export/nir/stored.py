"""What a HDF5 dataset says of its size and place, looked at before a value is read.

HDF5 lets a file declare any shape, name other files for its values, and unpack a
thousandfold; h5py gives the memory, opens the files and unpacks as it is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from spikewright.array_limit import check_array_bytes
from spikewright.errors import GraphError

_COMPRESSION = 1032
"""the most that deflate shrinks anything (zlib, Technical Details)"""
_WIDEST = 8
"""bytes of a number once it is float64 or int64, whatever it is in the file"""
_CURE = "export the model again"


def check_stored(where: str, dataset: Any) -> None:
    """Refuse an array whose values are not in the file, before memory is given to it.

    Raises:
        GraphError: the values lie in other files, or the array is larger than anything
            that its bytes could unpack to.
        InputError: the array, or a part of it that is unpacked at once, is larger than
            the limit for a file.
    """
    if dataset.is_virtual or dataset.external:
        way = "virtual dataset" if dataset.is_virtual else "dataset stored outside"
        raise GraphError(
            f"{where} keeps its values in other files (it is a {way}); allowed: "
            f"values in the file itself; {_CURE}"
        )
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > _COMPRESSION * stored:
        raise GraphError(
            f"{where} has shape {dataset.shape}, {dataset.nbytes} bytes, but only "
            f"{stored} bytes are in the file; {_CURE}"
        )
    check_array_bytes(where, _in_memory(dataset))


def check_total(where: str, datasets: Iterable[Any]) -> None:
    """Raise `InputError` if datasets together are larger than the limit for a file."""
    check_array_bytes(where, sum(map(_in_memory, datasets)))


def _in_memory(dataset: Any) -> int:
    """Return the bytes of all values, or of a chunk, if that is larger."""
    width = max(_WIDEST, dataset.dtype.itemsize)
    chunk = prod(dataset.chunks or ()) * dataset.dtype.itemsize
    size: int = max(prod(dataset.shape) * width, chunk)
    return size
