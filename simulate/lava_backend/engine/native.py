"""Runs a network on Lava's own runtime: one OS process for each Lava process.

If a model raises, Lava hangs in most cases, and says nothing. So this polls the
workers while they run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from lava.magma.core.process.variable import Var
from lava.magma.core.run_conditions import RunSteps
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

from spikewright.errors import LavaRunError
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.engine.network import Network

POLL_S = 0.002
GRACE_S = 5.0
"""time for a traceback to arrive after the first sign of trouble"""
COMPILE_CONFIG = {"pypy_channel_size": 2}
"""slots of a channel; the default 64 fills /dev/shm and is no faster"""


class NativeRuntime:
    """A compiled and started network. Its time goes on from run to run."""

    def __init__(self, network: Network) -> None:
        self._handle = network.handle
        self._handle.create_runtime(network.config, compile_config=COMPILE_CONFIG)

    def run(self, steps: int) -> None:
        """Run so many steps.

        Raises:
            LavaRunError: a worker raised or died.
        """
        runtime = self._handle.runtime
        runtime.start(RunSteps(steps, blocking=False))
        _await(runtime, dict(_workers(runtime)))
        runtime.wait()

    def set(self, var: Var, value: Array) -> None:
        """Set a Var between two runs: a message, about 20 us, for each number."""
        var.set(value)

    def stop(self) -> None:
        """End all workers."""
        self._handle.stop()


def _workers(runtime: Any) -> Iterator[tuple[Any, str]]:
    """Yield OS process and name; the services come behind the processes."""
    actors = runtime._messaging_infrastructure.actors
    names = [process.name for process in runtime._executable.proc_builders]
    names += ["Lava's runtime service"] * (len(actors) - len(names))
    return zip(actors, names, strict=True)


def _await(runtime: Any, workers: dict[Any, str]) -> None:
    """Poll until all services are done; to wait for an error might take for ever."""
    doubted_at: float | None = None
    while not _is_done(runtime):
        _check(workers)
        if _is_doubtful(runtime, workers):
            doubted_at = doubted_at or time.monotonic()
            if time.monotonic() - doubted_at > GRACE_S:
                raise LavaRunError("Lava stopped before its last step, without reason")
        time.sleep(POLL_S)


def _answers(runtime: Any) -> list[Any]:
    return [port.peek() for port in runtime.service_to_runtime if port.probe()]


def _is_done(runtime: Any) -> bool:
    answers = _answers(runtime)
    done = [answer for answer in answers if enum_equal(answer, MGMT_RESPONSE.DONE)]
    return len(done) == len(runtime.service_to_runtime)


def _is_doubtful(runtime: Any, workers: dict[Any, str]) -> bool:
    """One error makes the service send the other workers home, ahead of the reason."""
    wrong = any(
        not enum_equal(answer, MGMT_RESPONSE.DONE) for answer in _answers(runtime)
    )
    return wrong or not all(worker.is_alive() for worker in workers)


def _check(workers: dict[Any, str]) -> None:
    for worker, name in workers.items():
        if worker.exception:
            raise LavaRunError(f"the worker of '{name}' raised\n{worker.exception[1]}")
    for worker, name in workers.items():
        if worker.exitcode:
            raise LavaRunError(
                f"the worker of '{name}' died with exit code {worker.exitcode}"
            )
