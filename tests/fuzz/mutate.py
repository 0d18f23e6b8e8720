"""Damage to bytes, and strange values drawn by Hypothesis."""

from __future__ import annotations

import math
import struct
from functools import cache
from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

_WORTHY = (0, 1, 2, 7, 8, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_WIDE = (*_WORTHY, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)

# --- bytes ---------------------------------------------------------------------------


def damage(dice: Random, content: bytes, others: list[bytes]) -> bytes:
    """Return a file after one to six kinds of damage."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        if data:
            dice.choice(_DAMAGES)(dice, data, others)
    return bytes(data)


def _flip(dice: Random, data: bytearray, others: list[bytes]) -> None:
    for _ in range(dice.choice((1, 2, 8, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _bytes(dice: Random, data: bytearray, others: list[bytes]) -> None:
    for _ in range(dice.choice((1, 2, 8, 64))):
        data[dice.randrange(len(data))] = dice.choice((0, 1, 127, 128, 254, 255, 46))


def _number(dice: Random, data: bytearray, others: list[bytes]) -> None:
    form = dice.choice(("<H", "<I", "<Q", ">I", "<d"))
    size = struct.calcsize(form)
    if len(data) <= size:
        return
    top = 2 ** (8 * size)
    value = dice.choice([x for x in _WIDE if x < top])
    strange = dice.choice((math.nan, math.inf, -math.inf, 1e308, 5e-324))
    place = dice.randrange(len(data) - size)
    place -= place % dice.choice((1, size))
    struct.pack_into(form, data, place, strange if form == "<d" else value)


def _cut(dice: Random, data: bytearray, others: list[bytes]) -> None:
    del data[dice.choice((dice.randrange(len(data)), len(data) - 1)) :]


def _remove(dice: Random, data: bytearray, others: list[bytes]) -> None:
    place = dice.randrange(len(data))
    del data[place : place + dice.choice((1, 4, 8, 100, 4096))]


def _zero(dice: Random, data: bytearray, others: list[bytes]) -> None:
    place, size = dice.randrange(len(data)), dice.choice((8, 64, 512, 4096))
    end = min(place + size, len(data))
    data[place:end] = bytes([dice.choice((0, 0, 255))]) * (end - place)


def _repeat(dice: Random, data: bytearray, others: list[bytes]) -> None:
    place = dice.randrange(len(data))
    data[place:place] = data[place : place + dice.choice((1, 8, 100, 4096))]


def _splice(dice: Random, data: bytearray, others: list[bytes]) -> None:
    other = dice.choice(others)
    place, size = dice.randrange(len(data)), dice.choice((8, 64, 512, 4096))
    start = dice.choice((place % len(other), dice.randrange(len(other))))
    data[place : place + size] = other[start : start + size]


def _add(dice: Random, data: bytearray, others: list[bytes]) -> None:
    data += dice.choice(
        (b"\0", b"\0" * 4096, dice.randbytes(100), b"\n\n", bytes(data))
    )


_DAMAGES = (
    _flip,
    _bytes,
    _number,
    _number,
    _cut,
    _remove,
    _zero,
    _repeat,
    _splice,
    _add,
)

# --- values --------------------------------------------------------------------------

TEXTS = (
    *("", " ", "\t\n", ".", "..", "/", "a/b", "../../../etc/passwd", "/etc/passwd"),
    *("/dev/zero", "/dev/stdin", "/proc/self/mem", "~", "-", "--help", "-o", "C:\\x"),
    *("\0", "a\0b", "\x1b[31mred\x1b[0m", "\x07", "\r\nspikewright: all is well"),
    *("\u202eabc", "\u200b", "\u2028", "\ufeff", "e\u0301" * 50, "\ud800", "a\udcff"),
    *(
        "👩‍👩‍👧‍👦",
        "🏴\U000e0067\U000e007f",
        "我爱电影",
        "ภาษา",
        "<script>alert(1)</script>",
    ),
    *("%s%n%d", "{0.__class__}", "${HOME}", "`id`", "'; --", "__class__", "inf", "nan"),
    *("a" * 300, "a" * 5000, "1e999", "null", "true", "[PAD]", "package:os", "0x10"),
)
NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 255, 256, 4097, 2**31 - 1, 2**31, 2**32, 2**53 + 1),
    *(2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**19, 10**400, True, False),
    *(0.0, -0.0, 0.5, 1.5, 1e-3, 1e-300, 5e-324, 1e308, math.inf, -math.inf, math.nan),
)


def drawn(strategy: st.SearchStrategy[Any], count: int, number: int = 0) -> list[Any]:
    """Return values of a strategy, the same each time."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found


@cache
def texts() -> list[str]:
    """Return strange texts: of all planes, with lone surrogates, and long ones."""
    return [*TEXTS, *drawn(st.text(st.characters(), max_size=40), 300)]


@cache
def plain_values() -> list[Any]:
    """Return what JSON and TOML can hold, nested."""
    leaf = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(NUMBERS),
        st.integers(),
        st.floats(),
        st.sampled_from(TEXTS),
        st.text(max_size=20),
    )
    nested = st.recursive(
        leaf,
        lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=8), x),
        max_leaves=8,
    )
    return [*NUMBERS, *TEXTS, None, [], {}, [[]], *drawn(nested, 500)]


@cache
def arrays() -> list[np.ndarray]:
    """Return small arrays of all types that numpy has, objects left out."""
    types = st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(), hnp.nested_dtypes())
    shapes = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)
    return drawn(hnp.arrays(types, shapes), 400)
