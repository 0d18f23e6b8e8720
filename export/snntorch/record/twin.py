"""A private float64 copy of a module, to look at while it runs.

Every spike function becomes a plain step that keeps float64 (snnTorch's own return
float32), and every state starts from rest. So the copy does in float64 what the module
does in float32, with the same parameters. Weights of plain linear and convolution
layers are shared with the module, and lent out in float64 for one call at a time: they
are most of the memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import snntorch
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from spikewright.errors import InputError, SpikewrightError
from spikewright.export.snntorch.record.arguments import packed, unwrapped
from spikewright.export.snntorch.record.float64 import Float64, wide, widened
from spikewright.export.snntorch.record.layers import Delay, Layer

STATES = ("spk", "syn", "syn_exc", "syn_inh", "mem")
"""buffers in which snnTorch's neurons keep their state"""
_SHARED = (nn.Linear, nn.Conv1d, nn.Conv2d)
_TORCH_RAISES = (RuntimeError, TypeError, ValueError, IndexError, KeyError)
_PROBE = (-2.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 2.0)

Forward = Callable[..., Any]
OnLayer = Callable[[str, nn.Module, Forward, tuple[Any, ...], dict[str, Any]], Any]
"""gets path, layer, its forward and what that is called with; returns what it gives"""


@dataclass(frozen=True, eq=False)
class Twin:
    """A module in float64 that shares nothing that it writes."""

    module: nn.Module
    odd_spikes: Mapping[str, str]
    """neurons whose spike function is not v > threshold, and what it gives instead"""

    def rest(self) -> None:
        """Forget every state: the next call starts from rest."""
        for each in self.module.modules():
            if isinstance(each, snntorch.SpikingNeuron):
                for name in STATES:
                    if name in each._buffers:
                        each._buffers[name] = torch.zeros(0, dtype=torch.float64)
            elif isinstance(each, Delay):
                each.rest()

    def run(
        self, arguments: Mapping[str, Any], mode: Float64, on_layer: OnLayer
    ) -> Any:
        """Return what `forward` returns; `on_layer` runs each layer in its place.

        Args:
            arguments: by name; "inputs.a" is entry "a" of a mapping `inputs`.
            mode: how functions are called.
            on_layer: how layers are called.

        Raises:
            InputError: the module cannot run these arguments.
        """
        with torch.no_grad(), _own_neurons(self.module), mode:
            try:
                with _watched(self.module, mode, on_layer):
                    return self.module(**packed(arguments))
            except SpikewrightError:
                raise
            except _TORCH_RAISES as error:
                raise InputError(
                    f"the module cannot run the sample: {error}; give what its "
                    "forward takes, with the samples of a batch along the first axis "
                    "(behind the steps, if the forward loops over those)"
                ) from error


def make_twin(module: nn.Module) -> Twin:
    """Copy a module into float64, at rest.

    Raises:
        InputError: it cannot be copied, or has no numbers yet.
    """
    _check_filled(module)
    try:
        twin = copy.deepcopy(module, _kept_out(module))
    except (*_TORCH_RAISES, AttributeError) as error:
        raise InputError(
            f"the module cannot be copied: {error}; keep what cannot, such as open "
            "files and locks, out of it"
        ) from error
    for each in twin.modules():
        for name, inner in each._modules.items():
            each._modules[name] = inner if inner is None else unwrapped(inner)
    odd: dict[str, str] = {}
    inside = _of_neurons(twin)
    for path, each in twin.named_modules():
        if isinstance(each, snntorch.SpikingNeuron):
            given = _odd_spikes(each.spike_grad)
            if given:
                odd[path] = given
            each.spike_grad = _heaviside
        if not _is_shared(each) or each in inside:
            _widen(each)
    made = Twin(twin, odd)
    made.rest()
    return made


def _heaviside(v: torch.Tensor) -> torch.Tensor:
    return (v > 0).to(v.dtype)


def _check_filled(module: nn.Module) -> None:
    """Refuse parameters and buffers without numbers."""
    for name, each in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(each) or each.is_meta:
            raise InputError(
                f"the module's '{name}' has no values yet; run a lazy module once "
                "before its export, and load weights into one on 'meta'"
            )


# --- copying -------------------------------------------------------------------------


def _kept_out(module: nn.Module) -> dict[int, Any]:
    """Return what deepcopy must not copy, by id: shared weights, states of a run."""
    memo: dict[int, Any] = {}
    inside = _of_neurons(module)
    for each in module.modules():
        if _is_shared(each) and each not in inside:
            memo.update((id(p), p) for p in each.parameters(recurse=False))
        for tensor in _tensors([each.__dict__, each._buffers]):
            if tensor.grad_fn is not None:
                memo[id(tensor)] = tensor.detach().clone()
    return memo


def _tensors(held: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in lists and dicts."""
    if isinstance(held, torch.Tensor):
        yield held
    elif isinstance(held, dict | list | tuple):
        for value in held.values() if isinstance(held, dict) else held:
            yield from _tensors(value)


def _of_neurons(module: nn.Module) -> set[nn.Module]:
    """Return all modules inside neurons, such as the recurrent layer of an RLeaky."""
    return {
        inner
        for each in module.modules()
        if isinstance(each, snntorch.SpikingNeuron)
        for inner in each.modules()
    }


def _is_shared(module: nn.Module) -> bool:
    """Say whether a layer is plain: nothing but a weight and a bias, no hooks."""
    return (
        type(module) in _SHARED
        and set(module._parameters) == {"weight", "bias"}
        and not module._buffers
        and not module._forward_pre_hooks
        and all(each.device.type == "cpu" for each in module.parameters())
    )


def _widen(module: nn.Module) -> None:
    """Turn a module's own parameters and buffers into float64 on the CPU."""
    for name, value in module._parameters.items():
        if value is not None:
            module._parameters[name] = nn.Parameter(wide(value), requires_grad=False)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = wide(buffer)
    for name, held in module.__dict__.items():
        if isinstance(held, torch.Tensor):
            module.__dict__[name] = wide(held)


def _odd_spikes(spike: Callable[[torch.Tensor], torch.Tensor]) -> str:
    """Return what a spike function gives if that is not v > 0, else nothing."""
    v = torch.tensor(_PROBE)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            given = spike(v).to(torch.float32)
    except _TORCH_RAISES as error:
        return f"an error: {error}"
    wanted = (v > 0).to(torch.float32)
    if torch.equal(given, wanted):
        return ""
    at = int((given != wanted).nonzero()[0])
    return f"{float(given[at]):g} at v - threshold = {_PROBE[at]:g}"


# --- running -------------------------------------------------------------------------


def _is_layer(module: nn.Module) -> bool:
    """Say whether a module is one layer to us, whose forward is not looked into."""
    if isinstance(module, snntorch.SpikingNeuron | Layer):
        return True
    home = type(module).__module__
    of_torch = home.startswith("torch.nn.modules.") and not home.endswith(".container")
    return of_torch or home.startswith("snntorch.")


@contextmanager
def _watched(module: nn.Module, mode: Float64, on_layer: OnLayer) -> Iterator[None]:
    """Send the call of every layer through `on_layer`, and keep track of the place."""
    kept = [(each, each.__dict__.get("forward")) for each in module.modules()]
    for path, each in module.named_modules():
        plain = each.forward
        each.__dict__["forward"] = (
            _layer(path, each, _in_float64(each, plain, mode), mode, on_layer)
            if _is_layer(each)
            else _placed(path, plain, mode)
        )
    try:
        yield
    finally:
        for each, before in kept:
            del each.__dict__["forward"]
            if before is not None:
                each.__dict__["forward"] = before


def _layer(
    path: str, module: nn.Module, plain: Forward, mode: Float64, on_layer: OnLayer
) -> Forward:
    def forward(*args: Any, **kwargs: Any) -> Any:
        if mode.paused:
            return plain(*args, **kwargs)
        return on_layer(path, module, plain, args, kwargs)

    return forward


def _placed(path: str, plain: Forward, mode: Float64) -> Forward:
    def forward(*args: Any, **kwargs: Any) -> Any:
        mode.places.append(path)
        try:
            return plain(*args, **kwargs)
        finally:
            mode.places.pop()

    return forward


def _in_float64(module: nn.Module, plain: Forward, mode: Float64) -> Forward:
    """Return the forward of a layer with its shared weights lent in float64."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        with mode.pause(), _lent(module, mode):
            return widened(plain(*widened(args), **widened(kwargs)))

    return forward


@contextmanager
def _lent(module: nn.Module, mode: Float64) -> Iterator[None]:
    kept = dict(module._parameters)
    for name, value in kept.items():
        if value is not None and value.dtype != torch.float64:
            lent = nn.Parameter(mode.lend(value.detach()), requires_grad=False)
            module._parameters[name] = lent
    try:
        yield
    finally:
        module._parameters.update(kept)


@contextmanager
def _own_neurons(module: nn.Module) -> Iterator[None]:
    """Let `snntorch.utils.reset` in a forward reach the copy, not the original."""
    kept = snntorch.SpikingNeuron.instances
    snntorch.SpikingNeuron.instances = [
        each for each in module.modules() if isinstance(each, snntorch.SpikingNeuron)
    ]
    try:
        yield
    finally:
        snntorch.SpikingNeuron.instances = kept
