"""Runs a compiled Lava network inside one OS process, bit for bit as Lava does.

Lava's compiler and the models are used as they are; channels are queues, and the
scheduler is a loop in the order of the data. An error in a model is an ordinary
exception.

Synapses and delay lines send before they receive. So all of them send first, and
receive last; this cuts all cycles of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any

from lava.magma.core.process.ports.ports import create_port_id
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.proc.dense.process import Dense
from lava.proc.sparse.process import Sparse

from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.channels import (
    Channel,
    CopyingOutPort,
    InPort,
    OutPort,
)
from spikewright.simulate.lava_backend.engine.network import Network
from spikewright.simulate.lava_backend.engine.processes.abstract import (
    SampleModel,
    SendingFirstModel,
)

Port = tuple[AbstractProcess, str]
Channels = dict[Port, list[Channel]]


class LocalRuntime:
    """A compiled network. Its time goes on from run to run, as Lava's does."""

    def __init__(self, network: Network) -> None:
        executable = network.handle.compile(network.config, {})
        channels = _channels(executable)
        self.models = {
            process: _build(process, builder, channels)
            for process, builder in executable.proc_builders.items()
        }
        early = [m for p, m in self.models.items() if _sends_first(p, m)]
        later = [p for p, m in self.models.items() if not _sends_first(p, m)]
        in_order = _in_order(executable.channel_builders, later)
        self._others = [self.models[process] for process in in_order]
        self._own = [m for m in early if isinstance(m, SendingFirstModel)]
        self._lavas = [m for m in early if not isinstance(m, SendingFirstModel)]

    def run(self, steps: int) -> None:
        """Run so many steps."""
        for _ in range(steps):
            for model in self.models.values():
                model.time_step += 1  # Lava's time starts at 1
            for model in self._own:
                model.announce()
            for model in self._lavas:
                buffer = model.a_buff  # with delays: (targets, steps to go)
                model.a_out.announce(buffer if buffer.ndim == 1 else buffer[:, 0])
            for model in self._others:
                model.run_spk()
            for model in self._own:
                model.take()
            for model in self._lavas:
                model.run_spk()

    def set(self, var: Var, value: Array) -> None:
        """Set a Var between two runs."""
        getattr(self.models[var.process], var.name)[...] = value

    def stop(self) -> None:
        """End; there is nothing to end here."""


def _sends_first(process: AbstractProcess, model: Any) -> bool:
    return isinstance(process, Dense | Sparse) or isinstance(model, SendingFirstModel)


def _channels(executable: Any) -> Channels:
    """Make a queue for each channel, and list them at both ends."""
    channels: Channels = {}
    for each in executable.channel_builders:
        leaves, enters = each.src_port_initializer, each.dst_port_initializer
        builder = executable.proc_builders[each.dst_process]
        port_id = create_port_id(each.src_process.id, leaves.name)
        on_the_way = builder.py_ports[enters.name].transform_funcs or {}
        channel = Channel(enters.name, on_the_way.get(port_id, ()))
        builder.add_csp_port_mapping(port_id, channel)  # Lava asks for one
        for end in ((each.src_process, leaves.name), (each.dst_process, enters.name)):
            channels.setdefault(end, []).append(channel)
    return channels


def _build(process: AbstractProcess, builder: Any, channels: Channels) -> Any:
    """Build a model, and give it our ports."""
    model = builder.build()
    sending = OutPort if isinstance(model, SampleModel) else CopyingOutPort
    for name, port in builder.py_ports.items():
        own = channels.get((process, name), [])
        kind = sending if port.port_type == "OutPort" else InPort
        setattr(model, name, kind(own, port.shape, port.d_type))
    return model


def _in_order(
    channels: Iterable[Any], among: Iterable[AbstractProcess]
) -> Iterable[AbstractProcess]:
    """Order processes so that each comes behind those who send to it."""
    before: Mapping[AbstractProcess, set[AbstractProcess]] = {
        process: set() for process in among
    }
    for channel in channels:
        if channel.src_process in before and channel.dst_process in before:
            before[channel.dst_process].add(channel.src_process)
    return TopologicalSorter(before).static_order()
