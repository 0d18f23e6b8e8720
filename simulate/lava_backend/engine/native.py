"""Runs a network on Lava's own runtime: one OS process for each Lava process.

If a model raises, Lava hangs in most cases, and says nothing. So this polls the
workers while they run.
"""

# mypy: disable-error-code="import-untyped"
# Lava has no stubs.

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from lava.magma.core.run_conditions import RunSteps
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

from spikewright.errors import LavaRunError
from spikewright.simulate.lava_backend.engine.network import Network

POLL_S = 0.002
GRACE_S = 5.0
"""time for a worker's traceback to arrive after Lava has reported an error"""
COMPILE_CONFIG = {"pypy_channel_size": 2}
"""slots of a channel; the default 64 fills /dev/shm and is no faster"""


def run_native(network: Network, steps: int) -> None:
    """Compile, run once and stop; a network cannot be run again.

    Raises:
        LavaRunError: a worker raised or died.
    """
    process = network.source
    process.create_runtime(network.config, compile_config=COMPILE_CONFIG)
    runtime = process.runtime
    workers = list(_workers(runtime))
    runtime.start(RunSteps(steps, blocking=False))
    while not all(port.probe() for port in runtime.service_to_runtime):
        _check(workers)
        time.sleep(POLL_S)
    _check_answers(runtime, workers)
    runtime.wait()
    process.stop()


def _workers(runtime: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and OS process; the services come behind the processes."""
    actors = runtime._messaging_infrastructure.actors
    names = [process.name for process in runtime._executable.proc_builders]
    names += ["Lava's runtime service"] * (len(actors) - len(names))
    return zip(names, actors, strict=True)


def _check(workers: list[tuple[str, Any]]) -> None:
    for name, worker in workers:
        if worker.exception:
            raise LavaRunError(f"the worker of '{name}' raised\n{worker.exception[1]}")
        if not worker.is_alive():
            raise LavaRunError(
                f"the worker of '{name}' died with exit code {worker.exitcode}"
            )


def _check_answers(runtime: Any, workers: list[tuple[str, Any]]) -> None:
    """Lava joins all workers, perhaps for ever, if it finds an error by itself."""
    answers = [port.peek() for port in runtime.service_to_runtime]
    if all(enum_equal(answer, MGMT_RESPONSE.DONE) for answer in answers):
        return
    given_up = time.monotonic() + GRACE_S
    while time.monotonic() < given_up:
        _check(workers)
        time.sleep(POLL_S)
    raise LavaRunError(f"Lava's runtime service answered {answers}")
