"""What can be done to a valid HDF5 file with HDF5 itself."""

from __future__ import annotations

import math
import zlib
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
from mutate import arrays, texts

Hdf5 = Any
_BLOCK = 2**20


def attack(dice: Random, path: Path, beside: Path) -> None:
    """Change a file at one to three places; `beside` is another HDF5 file."""
    with h5py.File(path, "r+") as file:
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            groups, values = _members(file)
            change = dice.choice(_CHANGES)
            try:
                change(dice, file, dice.choice(groups), dice.choice(values), beside)
            except (
                AttributeError,
                KeyError,
                MemoryError,
                OSError,
                RuntimeError,
                TypeError,
                ValueError,
            ):
                continue  # such a file cannot be written, or was made too large before


def _members(file: Hdf5) -> tuple[list[Hdf5], list[Hdf5]]:
    groups, values = [file], []

    def look(name: str, member: Hdf5) -> None:
        (groups if isinstance(member, h5py.Group) else values).append(member)

    file.visititems(look)
    return groups, values or [None]


def _replace(value: Hdf5, **given: Any) -> Hdf5:
    """Write a dataset anew in its place."""
    parent, name = value.parent, value.name.rpartition("/")[2]
    del parent[name]
    return parent.create_dataset(name, **given)


# --- values --------------------------------------------------------------------------


def _numbers(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    strange = (math.nan, math.inf, -math.inf, 1e308, -1.0, 0.0, 5e-324, 2.0**60)
    shape, kind = value.shape, value.dtype
    made = np.zeros(shape) if kind.kind not in "iuf" else value[()].astype(float)
    flat = made.reshape(-1)
    if flat.size:
        flat[dice.randrange(flat.size)] = dice.choice(strange)
    if dice.random() < 0.3:
        made = np.full(shape, dice.choice(strange))
    _replace(value, data=made)


def _whole(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    strange = (0, -1, 1, 2, 3, 2**31, 2**40, 2**62, -(2**63), 2**63 - 1)
    made = np.full(value.shape, dice.choice(strange), dtype=np.int64)
    _replace(value, data=made.reshape(value.shape))


def _type(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    kinds = ("f2", "f4", "f8", ">f8", "i1", "u8", "?", "c16", "S5", "longdouble")
    made = np.resize(np.arange(7), value.shape).astype(dice.choice(kinds))
    _replace(value, data=made)


def _array(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    _replace(value, data=dice.choice(arrays()))


def _word(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    text = dice.choice(texts())
    kinds = sorted({v[()].decode() for v in _members(file)[1] if _is_word(v)})
    words = (text, dice.choice(kinds or [text]), "same", "valid", "NIRGraph", "LIF")
    made = dice.choice(words)
    _replace(value, data=dice.choice((made, made.encode("utf-8", "replace"), [made])))


def _is_word(value: Hdf5) -> bool:
    return value.shape == () and h5py.check_string_dtype(value.dtype) is not None


def _empty(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    _replace(value, data=h5py.Empty(dice.choice(("f8", "i8", "S3"))))


def _odd_type(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    odd = (
        h5py.special_dtype(ref=h5py.Reference),
        h5py.special_dtype(enum=("i4", {"a": 1})),
        h5py.special_dtype(vlen=np.dtype("f8")),
        np.dtype([("a", "f8"), ("b", "i4")]),
        np.dtype(("f8", (3,))),
        np.dtype("V8"),
    )
    _replace(value, shape=value.shape, dtype=dice.choice(odd))


def _edges(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Draw other edges between names that there are, and some that there are not."""
    known = [*file.get("node/nodes", {}), *texts()[:12]]
    pairs = [
        [dice.choice(known).replace("\0", "") for _ in range(dice.choice((2, 2, 2, 3)))]
        for _ in range(dice.choice((1, 3, 30, 300)))
    ]
    del file["node/edges"]
    text = h5py.string_dtype()
    file["node"].create_dataset("edges", data=np.array(pairs, object), dtype=text)


# --- sizes ---------------------------------------------------------------------------

_HUGE = (2**20, 2**31, 2**33, 2**40, 2**62)


def _huge(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Declare a huge shape of which nothing, or little, is stored."""
    ndim = max(len(value.shape), 1)
    shape = [dice.choice((1, 3, *_HUGE[: 5 if ndim == 1 else 2])) for _ in range(ndim)]
    kind = value.dtype if value.dtype.kind in "iuf" else np.dtype("f8")
    chunks = tuple(min(each, 64) for each in shape)
    packed = dice.choice((None, "gzip"))
    made = _replace(value, shape=shape, dtype=kind, chunks=chunks, compression=packed)
    if dice.random() < 0.5:
        made[tuple(0 for _ in shape)] = 1


def _bomb(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Really store what packs a thousandfold: up to 1 GiB of zeros."""
    blocks = dice.choice((1, 16, 128))
    kind = np.dtype(dice.choice(("i1", "u1", "f8")))
    packed = {"compression": "gzip", "chunks": (_BLOCK,)}
    made = _replace(value, shape=(blocks * _BLOCK,), dtype=kind, **packed)
    for block in range(blocks):
        made.id.write_direct_chunk((block * _BLOCK,), _zeros(kind.itemsize))


@cache
def _zeros(width: int) -> bytes:
    return zlib.compress(bytes(width * _BLOCK), 9)


def _chunk(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Keep the shape, in one chunk that is far larger."""
    shape = value.shape or (1,)
    given = {"chunks": (dice.choice((2**20, 2**26, 2**30)), *[1] * (len(shape) - 1))}
    given |= {"maxshape": (None,) * len(shape), "compression": "gzip"}
    made = _replace(value, shape=shape, dtype="i1", **given)
    made.id.write_direct_chunk((0,) * len(shape), zlib.compress(bytes(2**20)))


def _filters(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    options = ({"shuffle": True}, {"fletcher32": True}, {"compression": "lzf"})
    made = np.resize(np.arange(5.0), value.shape or (1,))
    _replace(value, data=made, chunks=True, **dice.choice(options))


def _long_name(
    dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path
) -> None:
    """Let many edges say one long name, which is stored once."""
    names = np.array([["n" * dice.choice((60_000, 10**6)), "a"]], object)
    pairs = np.concatenate([names, np.full((dice.choice((9, 2000)), 2), "a", object)])
    del file["node/edges"]
    made = file["node"].create_dataset("edges", data=pairs, dtype=h5py.string_dtype())
    file.flush()
    with open(file.filename, "r+b") as raw:
        raw.seek(made.id.get_offset())
        reference = raw.read(16)
        raw.seek(made.id.get_offset())
        raw.write(reference * (2 * len(pairs)))


# --- structure -----------------------------------------------------------------------


def _link(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    other = dice.choice((str(beside), beside.name, "/etc/passwd", "missing.h5"))
    target = dice.choice((value.name, "/node", "/", "/nowhere"))
    links = (h5py.ExternalLink(other, target), h5py.SoftLink(target))
    holder, name = _seat(dice, group, value)
    holder[name] = dice.choice(links)


def _seat(dice: Random, group: Hdf5, value: Hdf5) -> tuple[Hdf5, str]:
    """Return a place for a member: of a value, of a group, or a new one."""
    chosen = dice.choice((value, group, None))
    if chosen is None or chosen.name == "/":
        return group, dice.choice(texts()).replace("\0", "") or "x"
    holder, name = chosen.parent, chosen.name.rpartition("/")[2]
    del holder[name]
    return holder, name


def _hard_link(
    dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path
) -> None:
    """Put a group or a value at a second place; into itself, too."""
    member = dice.choice((value, group, file["/"]))
    holder, name = dice.choice(_members(file)[0]), dice.choice(("x", "nodes", "node"))
    if name in holder:
        del holder[name]
    holder[name] = member


def _elsewhere(
    dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path
) -> None:
    """Let the numbers lie in another file."""
    shape, kind = value.shape or (1,), value.dtype
    kind = kind if kind.kind in "iuf" else np.dtype("f8")
    if dice.random() < 0.5:
        place = dice.choice(("/etc/passwd", str(beside), "missing.bin"))
        size = int(np.prod(shape)) * kind.itemsize
        _replace(value, shape=shape, dtype=kind, external=[(place, 0, size)])
        return
    layout = h5py.VirtualLayout(shape, kind)
    source = dice.choice((str(beside), "missing.h5", "."))
    layout[:] = h5py.VirtualSource(source, dice.choice(("x", value.name)), shape=shape)
    parent, name = value.parent, value.name.rpartition("/")[2]
    del parent[name]
    parent.create_virtual_dataset(name, layout)


def _remove(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    chosen = dice.choice((value, value, group))
    del chosen.parent[chosen.name.rpartition("/")[2]]


def _rename(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    chosen = dice.choice((value, group))
    name = dice.choice(texts()).replace("\0", "")
    chosen.parent.move(chosen.name.rpartition("/")[2], name)


def _copy(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Put a copy of a group or a value somewhere, or at the place of another."""
    holder, name = _seat(dice, group, value)
    with h5py.File(beside) as other:  # a group copied into itself would never end
        other.copy(dice.choice(_members(other)[dice.randrange(2)]), holder, name)


def _group(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Make a group of a value."""
    parent, name = value.parent, value.name.rpartition("/")[2]
    del parent[name]
    parent.create_group(name)["inner"] = 1.0


def _version(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    if "version" in file:
        del file["version"]
    file["version"] = dice.choice(("2.0", "99", "", "1.x", "0.2", *texts()[:20]))


def _nest(dice: Random, file: Hdf5, group: Hdf5, value: Hdf5, beside: Path) -> None:
    """Put the graph into itself, and again into that."""
    nodes = file["node/nodes"]
    with h5py.File(beside) as other:
        for _ in range(dice.choice((1, 3, 10))):
            name = dice.choice(list(nodes))
            del nodes[name]
            other.copy(other["node"], nodes, name)
            nodes = nodes[name]["nodes"]


_CHANGES = (
    *(_numbers, _whole, _type, _array, _word, _empty, _odd_type, _edges, _huge, _bomb),
    *(_chunk, _filters, _long_name, _link, _hard_link, _elsewhere, _remove, _rename),
    *(_copy, _group, _version, _nest, _edges, _numbers, _whole, _link, _elsewhere),
)
