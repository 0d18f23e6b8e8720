"""Open a netx file (HDF5), and read what is in it only after looking at it.

Names, types, shapes and sizes are checked before a value is read or memory is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikewright.errors import GraphError, InputError
from spikewright.export.nir.check import RAISED
from spikewright.export.nir.fields import is_text, stray_link
from spikewright.export.nir.heap import check_heaps
from spikewright.export.nir.stored import check_stored, check_total
from spikewright.values import IntArray

MAX_LAYERS = 4096
_LFS = b"version https://git-lfs.github.com/"
_BESIDES = ("simulation",)
"""groups that netx files have and netx does not read"""
_CURE = "export the network again, or fetch the file again if it was copied"


@contextmanager
def opened_layers(path: Path) -> Iterator[list[Any]]:
    """Yield the groups `/layer/0`, `/layer/1`, … of a file.

    Raises:
        InputError: the file is missing, damaged or no netx file; so is whatever h5py
            raises while it is open.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    _refuse_pointer(path)
    check_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            yield _layers(path, file)
    except (GraphError, InputError):
        raise
    except RAISED as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{path}: not a readable HDF5 file ({words}); {_CURE}"
        ) from error


def _refuse_pointer(path: Path) -> None:
    """lava-dl keeps some of its networks in Git LFS."""
    with path.open("rb") as file:
        is_pointer = file.read(len(_LFS)) == _LFS
    if is_pointer:
        raise InputError(
            f"{path}: only a pointer to a file in Git LFS; run: git lfs pull"
        )


def _layers(path: Path, file: Any) -> list[Any]:
    check_links("the file", file)
    layers = file.get("layer")
    if not isinstance(layers, h5py.Group):
        raise InputError(
            f"{path}: HDF5, but not a netx file: it has no group '/layer', but "
            f"{', '.join(file) or 'nothing'}; export it with lava-dl"
        )
    strange = sorted(set(file) - {"layer", *_BESIDES})
    if strange:
        raise InputError(
            f"{path}: holds '{strange[0]}'; a netx file has 'layer' and may have "
            f"{', '.join(_BESIDES)}; {_CURE}"
        )
    check_links("'/layer'", layers)
    count = len(layers)
    if not 1 <= count <= MAX_LAYERS:
        raise InputError(f"{path}: {count} layers; allowed: 1 to {MAX_LAYERS}; {_CURE}")
    names = [str(index) for index in range(count)]
    if set(layers) != set(names):
        wrong = sorted(set(layers) - set(names))[0]
        raise InputError(
            f"{path}: {count} layers, one of them '{wrong[:60]}'; allowed: 0 to "
            f"{count - 1}, each once; {_CURE}"
        )
    groups = [layers[name] for name in names]
    check_total(str(path), chain(*map(_datasets, groups)))
    return groups


def _datasets(group: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the datasets of a layer and of its neurons; no link is followed."""
    for name in group if isinstance(group, h5py.Group) else ():
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            member = group[name]
            if isinstance(member, h5py.Dataset) and member.shape is not None:
                yield member
            elif depth == 0:
                yield from _datasets(member, depth + 1)


def check_links(where: str, group: Any) -> None:
    """Refuse a member that is a link: h5py would follow it, out of the file, too.

    Raises:
        GraphError: there is one.
    """
    if stray := stray_link(group):
        raise GraphError(
            f"{where}: {stray}; allowed: values in the file itself; {_CURE}"
        )


def check_fields(where: str, group: Any, known: frozenset[str]) -> None:
    """Refuse fields that nobody would look at.

    Raises:
        GraphError: `group` is no group, has an unknown field, or a link.
    """
    if not isinstance(group, h5py.Group):
        raise GraphError(f"{where}: is no group of fields; {_CURE}")
    check_links(where, group)
    strange = sorted(set(group) - known)
    if strange:
        raise GraphError(
            f"{where}: unknown field '{strange[0][:60]}'; known: "
            f"{', '.join(sorted(known))}; {_CURE}"
        )


def word(where: str, group: Any, field: str) -> str:
    """Return a word: a scalar string, or the only one of a list.

    Raises:
        GraphError: it is missing, or no such string.
    """
    dataset = group.get(field)
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.shape not in {(), (1,)}
        or not is_text(dataset)
    ):
        raise GraphError(f"{where}: {field} is no single word; {_CURE}")
    check_stored(f"{where}: {field}", dataset)
    value = np.asarray(dataset[()]).reshape(-1)[0]
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.rstrip("\x00")


def integers(where: str, group: Any, field: str) -> IntArray:
    """Return the whole numbers of a field, of any number type.

    Raises:
        GraphError: it is missing, holds no numbers, or one that is not whole or above
            2**31.
    """
    dataset = group.get(field)
    if isinstance(dataset, h5py.Group):
        raise GraphError(
            f"{where}: {field} has parts ({', '.join(dataset)[:60]}), as complex "
            "weights do; allowed: real ones; train with real weights"
        )
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise GraphError(f"{where}: {field} is missing or holds no value; {_CURE}")
    if not _is_number(dataset) or 0 in dataset.shape:
        raise GraphError(
            f"{where}: {field} is {dataset.dtype} of shape {dataset.shape}; allowed: "
            f"numbers of up to 64 bits, one at least; {_CURE}"
        )
    check_stored(f"{where}: {field}", dataset)
    values = np.asarray(dataset[()]).astype(np.float64)
    wrong = values[~(np.rint(values) == values) | (np.abs(values) > 2**31)]
    if wrong.size:
        raise GraphError(
            f"{where}: {field} holds {wrong.flat[0]:g}; allowed: whole numbers up to "
            "2**31, as Loihi's registers do; quantize before the export"
        )
    whole: IntArray = values.astype(np.int64)
    return whole


def _is_number(dataset: Any) -> bool:
    """Say whether a dataset holds plain numbers, or h5py's booleans, by its type."""
    kind, size = dataset.dtype.kind, dataset.dtype.itemsize
    return kind in "iufb" and size <= 8


def integer(where: str, group: Any, field: str) -> int:
    """Return the single whole number of a field.

    Raises:
        GraphError: it is missing, or no single whole number.
    """
    values = integers(where, group, field)
    if values.size != 1:
        raise GraphError(
            f"{where}: {field} holds {values.size} numbers; allowed: one for the "
            "layer; make them agree"
        )
    return int(values.reshape(-1)[0])
