"""Makes lava-nc 0.10.0 run on Python 3.11 and later, and on numpy 2.

1. Python 3.11 refuses unhashable dataclass instances as defaults of fields, and
   `lava.magma.compiler.var_model` has some. While it is imported, such classes of
   Lava's get a hash by identity.
2. Lava's ReshapePort calls `np.reshape(newshape=…)`, which numpy 2.1 deprecated and
   newer releases lack: every receiving worker would die.

And faster: for each instance of a Process the compiler executes all files beside it,
as often as there are files. It finds the same models for all of one kind.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from typing import Any

import numpy as np

from spikewright.nodes import Array


def apply() -> None:
    """Apply both cures; call it before any import from below `lava`."""
    _import_var_model()
    _mend_reshape()
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


def _find_models_once() -> None:
    graphs = importlib.import_module("lava.magma.compiler.compiler_graphs")
    find = graphs.ProcGroupDiGraphs._find_proc_models
    found: dict[type, Any] = {}

    def find_once(proc: object) -> Any:
        if type(proc) not in found:
            found[type(proc)] = find(proc)
        return list(found[type(proc)])

    graphs.ProcGroupDiGraphs._find_proc_models = staticmethod(find_once)
