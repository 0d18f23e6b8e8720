"""Ports and channels within one OS process, for models that know only Lava's.

A message is cast to the type of the port that sends it, as in Lava's channel. Lava
copies it twice; here nobody may write into it, so one array serves all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spikewright.errors import LavaRunError
from spikewright.nodes import Array

Transform = Callable[[Array], Array]


class Channel:
    """A queue from one port to another, and the reshaping on the way."""

    def __init__(self, name: str, transforms: Sequence[Transform]) -> None:
        self.name = name
        """of the port that receives"""
        self.queue: deque[Array] = deque()
        self._transforms = transforms

    def receive(self) -> Array:
        """Take the next message; IndexError where Lava would block for ever."""
        message = self.queue.popleft()
        for transform in self._transforms:
            message = transform(message)
        return message


class OutPort:
    """The sending end, with what models use of Lava's."""

    def __init__(
        self, channels: Sequence[Channel], shape: tuple[int, ...], dtype: Any
    ) -> None:
        self.shape = shape
        self._queues = [channel.queue for channel in channels]
        self._dtype = np.dtype(dtype)

    def send(self, message: Array) -> None:
        """Cast and deliver a message that its model will not change."""
        if message.dtype != self._dtype:
            message = message.astype(self._dtype)
        message.setflags(write=False)
        for queue in self._queues:
            queue.append(message)


class CopyingOutPort(OutPort):
    """The sending end for Lava's own models, which change what they have sent."""

    _announced: Array | None = None

    def announce(self, message: Array) -> None:
        """Deliver the message of this step before its model runs."""
        self.send(message)
        self._announced = message.copy()

    def send(self, message: Array) -> None:
        """Copy and deliver, or check what was delivered already."""
        if self._announced is None:
            super().send(message.astype(self._dtype))
            return
        if not np.array_equal(self._announced, message):
            raise LavaRunError("a model did not send what it had announced")
        self._announced = None


class InPort:
    """The receiving end, with what models use of Lava's."""

    def __init__(
        self, channels: Sequence[Channel], shape: tuple[int, ...], dtype: Any
    ) -> None:
        self._channels, self._shape, self._dtype = channels, shape, np.dtype(dtype)

    def recv(self) -> Array:
        """Return the sum of the messages of this step, zeros if nobody is connected."""
        if len(self._channels) == 1:
            return self._channels[0].receive()
        total: Array = np.zeros(self._shape, self._dtype)
        for channel in self._channels:
            total = total + channel.receive()
        return total
