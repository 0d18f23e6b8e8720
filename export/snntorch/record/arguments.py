"""What a module is given: the module itself without wrappers, and its sample."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from spikewright.errors import GraphError, InputError
from spikewright.export.snntorch.record.float64 import wide

Sample = torch.Tensor | Sequence[Any] | Mapping[str, Any]
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_COMPILED = "OptimizedModule"  # looking for the class itself would import the compiler


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module that torch.compile or DataParallel has wrapped.

    Raises:
        InputError: it is no module.
    """
    if not isinstance(module, nn.Module):
        raise InputError(
            f"got {type(module).__name__}; allowed: an nn.Module; put what it does "
            "into the forward of one"
        )
    while isinstance(module, _PARALLEL) or type(module).__name__ == _COMPILED:
        (module,) = module.children()
    return module


def arguments_of(module: nn.Module, sample: Sample) -> dict[str, Any]:
    """Return what forward takes, by name, in float64.

    A tensor in a mapping, list or tuple is named by the argument and its key or place.

    Raises:
        InputError: the sample does not fit, or holds no numbers.
    """
    flat: dict[str, Any] = {}
    for name, value in _bound(module, sample).items():
        inner = dict(enumerate(value)) if type(value) in (list, tuple) else value
        if isinstance(inner, Mapping) and _has_tensor(inner.values()):
            flat |= {f"{name}.{key}": each for key, each in inner.items()}
        else:
            flat[name] = value
    for name, value in flat.items():
        _check(name, value)
    return {
        name: wide(value) if isinstance(value, torch.Tensor) else value
        for name, value in flat.items()
    }


def packed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as forward takes them: in mappings, lists and tuples again."""
    made: dict[str, Any] = {}
    for name, value in arguments.items():
        outer, dot, key = name.partition(".")
        if dot:
            made.setdefault(outer, {})[key] = value
        else:
            made[name] = value
    return {name: _in_a_row(value) for name, value in made.items()}


def _in_a_row(value: Any) -> Any:
    """Return a mapping from 0, 1, … as a tuple."""
    is_row = isinstance(value, dict) and list(value) == [*map(str, range(len(value)))]
    return tuple(value.values()) if is_row else value


def _bound(module: nn.Module, sample: Sample) -> dict[str, Any]:
    signature = signature_of(module)
    if isinstance(sample, np.ndarray):
        raise InputError("the sample is a numpy array; give torch.from_numpy(sample)")
    try:
        if isinstance(sample, Mapping):
            found = signature.bind(**sample)
        elif isinstance(sample, torch.Tensor):
            found = signature.bind(sample)
        else:
            found = signature.bind(*sample)
    except TypeError as error:
        raise InputError(
            f"the sample does not fit forward{signature}: {error}; give a tensor, a "
            "list, or tensors by name"
        ) from error
    kinds = {each.kind for each in signature.parameters.values()}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        raise InputError(
            f"forward{signature} takes any number of arguments; wrap the module in one "
            "that names them"
        )
    return found.arguments


def signature_of(module: nn.Module) -> inspect.Signature:
    """Return what forward takes.

    Raises:
        GraphError: TorchScript, whose forward cannot be looked into.
    """
    for path, each in module.named_modules():
        if isinstance(each, torch.jit.ScriptModule):
            raise GraphError(
                f"module '{path}': is TorchScript, which cannot be looked into; export "
                "the module that was scripted or traced"
            )
    return inspect.signature(module.forward)


def _check(name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        raise InputError(f"argument '{name}' is a numpy array; use torch.from_numpy")
    if isinstance(value, torch.Tensor):
        if not value.numel():
            raise InputError(
                f"argument '{name}' has shape {tuple(value.shape)}, so no numbers; "
                "give a sample that forward really takes"
            )
    elif _has_tensor(_parts(value)):
        raise InputError(
            f"argument '{name}' holds tensors in a {type(value).__name__}; allowed: "
            "tensors, and one mapping, list or tuple of them for each argument"
        )


def _has_tensor(held: Iterable[Any]) -> bool:
    return any(isinstance(each, torch.Tensor) for each in held)


def _parts(value: Any) -> Sequence[Any]:
    """Return what is in a container, also in those within it."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [part for each in value for part in _parts(each)]
    return [value]
