"""Runs a compiled Lava network inside one OS process, bit for bit as Lava does.

Lava's compiler and models are used as they are; channels are queues, and the scheduler
is a loop in the order of the data. An error in a model is an ordinary exception.

Synapses and delay lines send before they receive. So their messages of a step are
known before it starts: they are delivered first, and all cycles of the graph are cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.ports.ports import create_port_id
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import Dense

from spikewright.errors import LavaRunError
from spikewright.simulate.lava_backend.engine.network import Network
from spikewright.simulate.lava_backend.engine.processes.delay import DelayLine
from spikewright.simulate.lava_backend.engine.processes.synapses import LinearSynapses

Array = npt.NDArray[Any]

SENDS_FIRST = (Dense, LinearSynapses, DelayLine)
"""their models send `a_buff` on `a_out` before they receive"""


class Sender:
    """The sending end of a channel, as Lava's ports expect it."""

    def __init__(self, name: str, queue: deque[Array], dtype: type[np.generic]) -> None:
        self.name, self._queue, self._dtype = name, queue, dtype
        self._early: Array | None = None

    def send_early(self, message: Array) -> None:
        """Deliver the message of this step before its model runs."""
        self.send(message)
        self._early = message

    def send(self, message: Array) -> None:
        """Copy and cast, as Lava's channel does; check what was delivered early."""
        if self._early is None:
            self._queue.append(np.array(message, dtype=self._dtype))
            return
        if not np.array_equal(self._early, message):
            raise LavaRunError(f"port {self.name} did not send what it had announced")
        self._early = None


class Receiver:
    """The receiving end of a channel, as Lava's ports expect it."""

    def __init__(self, name: str, queue: deque[Array]) -> None:
        self.name, self._queue = name, queue

    def probe(self) -> bool:
        """Return whether a message waits."""
        return bool(self._queue)

    def recv(self) -> Array:
        """Take the next message; IndexError where Lava would block for ever."""
        return self._queue.popleft()


class LocalRuntime:
    """A compiled network that can be run again and again, each time from rest."""

    def __init__(self, network: Network) -> None:
        executable = network.source.compile(network.config, {})
        self._builders = executable.proc_builders
        before: dict[AbstractProcess, set[AbstractProcess]] = {
            process: set() for process in self._builders
        }
        for channel in executable.channel_builders:
            self._wire(channel)
            if not isinstance(channel.src_process, SENDS_FIRST):
                before[channel.dst_process].add(channel.src_process)
        self._order = list(TopologicalSorter(before).static_order())

    def _wire(self, channel: Any) -> None:
        """Connect two builders by a queue, as lava.magma.runtime does by channels."""
        queue: deque[Array] = deque()
        source, target = channel.src_process, channel.dst_process
        leaves, enters = channel.src_port_initializer, channel.dst_port_initializer
        sender = Sender(leaves.name, queue, leaves.d_type)
        receiver = Receiver(enters.name, queue)
        self._builders[source].set_csp_ports([sender])
        self._builders[target].set_csp_ports([receiver])
        port_id = create_port_id(source.id, leaves.name)
        self._builders[target].add_csp_port_mapping(port_id, receiver)

    def run(self, steps: int, played: Mapping[AbstractProcess, Array]) -> None:
        """Build fresh models, give the sources what they play, and run `steps` steps.

        Args:
            steps: number of steps.
            played: (*shape, steps) for a RingBuffer.
        """
        models = {process: self._builders[process].build() for process in self._order}
        for process, values in played.items():
            models[process].data[...] = values
        first = [models[p] for p in self._order if isinstance(p, SENDS_FIRST)]
        for _ in range(steps):
            for model in first:
                for port in model.a_out.csp_ports:
                    port.send_early(model.a_buff)
            for model in models.values():
                model.time_step += 1  # Lava's time starts at 1
                model.run_spk()
