"""Makes lava-nc 0.10.0 run on Python 3.11 and later, and on numpy 2.

1. Python 3.11 refuses unhashable dataclass instances as defaults of fields, and
   `lava.magma.compiler.var_model` has some. While it is imported, such classes of
   Lava's get a hash by identity.
2. Lava's ReshapePort calls `np.reshape(newshape=…)`, which numpy 2.1 deprecated and
   newer releases lack: every receiving worker would die.
3. The compiler collects all processes by recursion, one a level, and looks each up in
   lists: a thousand are too many for Python, and take minutes before.

And faster: for each instance of a Process the compiler executes all files beside it,
as often as there are files. It finds the same models for all of one kind.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from spikewright.nodes import Array


def apply() -> None:
    """Apply all cures; call it before any import from below `lava`."""
    _import_var_model()
    _mend_reshape()
    _collect_without_recursion()
    _find_models_once()


def _import_var_model() -> None:
    original = dataclasses._get_field  # type: ignore[attr-defined]  # private

    def with_hash(owner: type, name: str, *rest: Any) -> Any:
        kind = type(getattr(owner, name, dataclasses.MISSING))
        if kind.__module__.startswith("lava.") and kind.__hash__ is None:
            kind.__hash__ = object.__hash__
        return original(owner, name, *rest)

    dataclasses._get_field = with_hash  # type: ignore[attr-defined]  # private
    try:
        importlib.import_module("lava.magma.compiler.var_model")
    finally:
        dataclasses._get_field = original  # type: ignore[attr-defined]  # private


def _mend_reshape() -> None:
    ports = importlib.import_module("lava.magma.core.process.ports.ports")
    ports.ReshapePort.get_transform_func_fwd = lambda port: functools.partial(
        _reshape, shape=port.shape
    )
    ports.ReshapePort.get_transform_func_bwd = lambda port: functools.partial(
        _reshape, shape=port.old_shape
    )


def _reshape(array: Array, shape: tuple[int, ...]) -> Array:
    return np.reshape(array, shape)


def _collect_without_recursion() -> None:
    graphs: Any = importlib.import_module("lava.magma.compiler.compiler_graphs")
    graphs.find_processes = _connected
    graphs.flatten_list_recursive = _flatten


def _connected(process: Any) -> list[Any]:
    """Return a Process and all that are joined to it in any number of connections."""
    found, waiting = {process: None}, [process]
    while waiting:
        for other in _neighbors(waiting.pop()):
            if other not in found:
                found[other] = None
                waiting.append(other)
    return list(found)


def _neighbors(process: Any) -> Iterator[Any]:
    for kind in ("in_ports", "var_ports", "out_ports", "ref_ports"):
        for port in getattr(process, kind).members:
            for end in (*port.get_src_ports(), *port.get_dst_ports()):
                yield end.process


def _flatten(nested: list[Any]) -> list[Any]:
    flat, waiting = [], nested[::-1]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item[::-1])
        else:
            flat.append(item)
    return flat


def _find_models_once() -> None:
    graphs = importlib.import_module("lava.magma.compiler.compiler_graphs")
    find = graphs.ProcGroupDiGraphs._find_proc_models
    found: dict[type, Any] = {}

    def find_once(proc: object) -> Any:
        if type(proc) not in found:
            found[type(proc)] = find(proc)
        return list(found[type(proc)])

    graphs.ProcGroupDiGraphs._find_proc_models = staticmethod(find_once)
