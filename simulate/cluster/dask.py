"""Dask distributed, which is optional, and loaded only here."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

from spikewright.errors import BackendMissingError

Client: TypeAlias = Any
"""a `distributed.Client`; Dask's methods have no types"""
Future: TypeAlias = Any
"""a `distributed.Future`"""
INSTALL = "pip install 'spikewright[cluster]'"


def load_distributed() -> ModuleType:
    """Return the library; also for commands that compute long before they need it.

    Raises:
        BackendMissingError: it is not installed, or what makes keys for a cluster of
            our own is not.
    """
    _load("cryptography")
    return _load("distributed")


def _load(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise BackendMissingError(
            f"a cluster needs {name}, which is not installed; {INSTALL}"
        ) from error


def configured(**values: object) -> Any:
    """Return a context in which Dask's configuration has these values; __ is a dot."""
    return _load("dask.config").set(
        {key.replace("__", ".").replace("_", "-"): each for key, each in values.items()}
    )


def content_key(value: object) -> str:
    """Return a key that is made of the content of plain values and arrays."""
    return str(_load("dask.base").tokenize(value))


def is_killed(error: BaseException | None) -> bool:
    """Say whether Dask gave a task up because workers died on it."""
    return isinstance(error, _load("distributed.scheduler").KilledWorker)


def check_scheduler(address: str, timeout_s: float) -> None:
    """Ask whether a scheduler answers at an address, before there is a client.

    A client whose constructor raises is closed by the garbage collector, in whatever
    thread it runs by then: if that is the loop of a next client, both wait for ever.

    Raises:
        OSError: nobody answers in time.
        TypeError, ValueError: no address, or not that of a scheduler.
    """
    runner = load_distributed().utils.LoopRunner(asynchronous=False)
    runner.run_sync(_greet, address, timeout_s)


async def _greet(address: str, timeout_s: float) -> None:
    dask = load_distributed()
    secrets = dask.Security().get_connection_args("client")
    server = dask.rpc(address, timeout=timeout_s, connection_args=secrets)
    async with server:
        found = await dask.utils.wait_for(server.identity(), timeout_s)
    if found.get("type") != "Scheduler":
        raise ValueError(f"there is a {found.get('type')}, not a scheduler")
