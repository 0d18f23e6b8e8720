"""A sample and weights for a module, from files that hold numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import snntorch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from spikewright.errors import InputError
from spikewright.export.snntorch.record.arguments import signature_of
from spikewright.export.snntorch.record.twin import STATES
from spikewright.files import read_arrays

Array = npt.NDArray[Any]
_SHOWN = 5
"""keys that an error lists"""

# --- sample --------------------------------------------------------------------------


def read_sample(path: Path, module: nn.Module) -> list[Any] | dict[str, Any]:
    """Read what a module takes: a .npy, or a .npz with an array for each argument.

    An array `states.mem` is entry `mem` of a mapping `states`. Every number becomes
    float64.

    Raises:
        InputError: the file is missing, damaged or empty, or holds what is no number.
        GraphError: the module is TorchScript.
    """
    arrays = read_arrays(path)
    tensors = {name: _tensor(path, name, array) for name, array in arrays.items()}
    if not tensors:
        raise InputError(f"{path}: holds no array; save what forward takes")
    known = signature_of(module).parameters
    if list(tensors) == ["inputs"] and "inputs" not in known:
        return [tensors["inputs"]]
    given: dict[str, Any] = {}
    for name, tensor in tensors.items():
        outer, dot, key = name.partition(".")
        if dot:
            given.setdefault(outer, {})[key] = tensor
        else:
            given[name] = tensor
    return given


def _tensor(path: Path, name: str, array: Array) -> torch.Tensor:
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{path}: '{name}' holds {array.dtype}; allowed: numbers, or true and "
            "false; save it as such"
        )
    wide = np.array(array, dtype=np.float64)
    if not wide.size or not np.isfinite(wide).all():
        wrong = "is empty" if not wide.size else "holds numbers that are not finite"
        raise InputError(f"{path}: '{name}' {wrong}; save what forward really takes")
    return torch.from_numpy(wide)


# --- weights -------------------------------------------------------------------------


def load_weights(module: nn.Module, path: Path) -> None:
    """Put the weights of a .safetensors into a module: all of them, and no others.

    States of neurons that a run left in it are passed over: an export starts at rest.

    Raises:
        InputError: the file cannot be read; a key is missing or unknown, a shape is
            another, or the module's type does not hold a value.
    """
    given = _read_weights(path)
    states = set(_states(module))
    own = {
        key: value
        for key, value in module.state_dict().items()
        if isinstance(value, torch.Tensor) and key not in states
    }
    _check_keys(path, own, given, states)
    for key, value in given.items():
        if key in own:
            _fill(path, key, own[key], value)


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: is no .safetensors file ({error}); write it with "
            "safetensors.torch.save_file(module.state_dict(), …)"
        ) from error


def _states(module: nn.Module) -> list[str]:
    """Return the keys of what neurons remember of a run."""
    return [
        f"{path}.{name}" if path else name
        for path, each in module.named_modules()
        if isinstance(each, snntorch.SpikingNeuron)
        for name in STATES
    ]


def _check_keys(
    path: Path,
    own: Mapping[str, torch.Tensor],
    given: Mapping[str, torch.Tensor],
    states: set[str],
) -> None:
    """Check it strictly; of layers that share a tensor, one name is enough."""
    shared = {own[key].data_ptr() for key in given if key in own and own[key].numel()}
    wrong = {
        "lacks": [
            key for key in own if key not in given and own[key].data_ptr() not in shared
        ],
        "has, but the module has not,": [
            key for key in given if key not in own and key not in states
        ],
        "has in another shape": [
            f"{key} {tuple(given[key].shape)}, wanted {tuple(own[key].shape)}"
            for key in own
            if key in given and given[key].shape != own[key].shape
        ],
    }
    told = [f"{what} {_listed(keys)}" for what, keys in wrong.items() if keys]
    if told:
        raise InputError(
            f"{path}: does not fit the module: it {'; it '.join(told)}; give the "
            "weights of this very module"
        )


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{', '.join(keys[:_SHOWN])}{more}"


def _fill(path: Path, key: str, own: torch.Tensor, value: torch.Tensor) -> None:
    if torch.isnan(value).any():
        raise InputError(f"{path}: '{key}' holds NaN; save weights that are numbers")
    with torch.no_grad():
        own.copy_(value)
    if not torch.equal(own.to(value.dtype), value):
        raise InputError(
            f"{path}: '{key}' is {value.dtype}, and the module's {own.dtype} does not "
            "hold its values; build the module in that type, or save the weights in "
            "the module's"
        )
