"""Messages between processes: exact, whole or an error, and never code."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from spikewright.simulate.wire import Message, receive, send


def _bytes(*messages: Message) -> bytes:
    stream = io.BytesIO()
    for each in messages:
        send(each, stream)
    return stream.getvalue()


ARRAYS: dict[str, np.ndarray] = {
    "bits": np.array([[0, 1], [1, 1]], np.uint8),
    "real": np.array([0.1, -np.inf, np.nan, -0.0]),
    "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
    "part": np.arange(10, dtype=np.int32)[::3],
    "nothing": np.zeros((3, 0, 2)),
    "number": np.array(7, np.int16),
    "flags": np.array([True, False]),
    "text": np.array('{"é": 1}'),
    "big end first": np.array([1, 2], ">i4"),
}


def test_messages_come_back_in_their_order() -> None:
    plain: dict[str, Any] = {"a": 1, "b": None, "c": [0.1, "é\x00"]}
    stream = io.BytesIO(_bytes(Message(plain, ARRAYS), Message({"next": 2})))
    first, second = receive(stream), receive(stream)
    assert first is not None
    assert second is not None
    assert first.plain == plain
    assert list(first.arrays) == list(ARRAYS)
    for name, meant in ARRAYS.items():
        got = first.arrays[name]
        assert (got.dtype, got.shape) == (meant.dtype, meant.shape)
        np.testing.assert_array_equal(got, meant)
    assert (second.plain, second.arrays) == ({"next": 2}, {})
    assert receive(stream) is None


def test_an_end_within_a_message_is_an_error() -> None:
    whole = _bytes(Message({"a": 1}, {"x": np.arange(3)}))
    for end in range(1, len(whole)):
        with pytest.raises(EOFError):
            receive(io.BytesIO(whole[:end]))


def test_python_objects_are_neither_sent_nor_received() -> None:
    with pytest.raises(TypeError, match="array of references"):
        _bytes(Message({}, {"x": np.array([{}], dtype=object)}))
    forged = _bytes(Message({}, {"x": np.zeros(1)})).replace(b'"<f8"', b'"|O8"')
    with pytest.raises(TypeError, match="array of references"):
        receive(io.BytesIO(forged))


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(ValueError, match="a head of"):
        receive(io.BytesIO(b"Traceback (most recent call last):"))
