"""The student in Loihi's arithmetic: what it computes is what the chip computes.

The forward pass takes its weights, biases, decays and thresholds from the lowered graph
of the student's present parameters; gradients go straight through the rounding to the
parameters. Norms keep their statistics: gain and shift are those that fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import torch
from torch.nn import functional

from spikewright.graph import Graph
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.layers import Block, SpikingLinear, look_ahead
from spikewright.train.chip.model import ChipStudent
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.quantize.linear import exact_linear, exactly
from spikewright.train.quantize.neuron import register_spikes
from spikewright.train.quantize.read import Integers, read_integers

Quantizer = Callable[[ChipStudent], Graph]
"""lowers a student, for sentences of up to `max_tokens` tokens, to QUANTIZED"""


class QuantizedStudent(ChipStudent):  # type: ignore[no-untyped-call]
    """A `ChipStudent` that answers and trains in the chip's integers."""

    def __init__(self, config: ChipStudentConfig, quantizer: Quantizer) -> None:
        super().__init__(config)
        self.quantizer = quantizer
        self._lowered: list[torch.Tensor] = []
        """the parameters that `_integers` were made of"""
        self._integers: Mapping[str, Integers] = {}
        self.last_rate = 0.0
        """mean spikes per neuron and step of the last evaluated batch"""

    @classmethod
    def of(cls, student: ChipStudent, quantizer: Quantizer) -> Self:
        """Return a copy of a student that computes in integers, in evaluation mode."""
        config = ChipStudentConfig(**student.config.to_dict())
        made = cls(config, quantizer)
        made.load_state_dict(student.state_dict())
        made.to(student.device)  # type: ignore[arg-type]
        made.eval()  # type: ignore[no-untyped-call]
        return made

    def train(self, mode: bool = True) -> Self:
        """Set the mode, but not of the norms, whose statistics stay."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, FoldableNorm):
                module.eval()
        return self

    def integers(self) -> Mapping[str, Integers]:
        """Return the integers of the present parameters; lower if they have changed.

        Raises:
            GraphError: they cannot be lowered.
        """
        present = [
            each.detach()
            for name, each in self.state_dict().items()
            if not name.startswith("encoder.")
        ]
        if len(present) != len(self._lowered) or not all(
            map(torch.equal, present, self._lowered)
        ):
            self._integers = read_integers(
                self.quantizer(self), steps=self.config.steps, device=self.device
            )
            self._lowered = [each.clone() for each in present]
        return self._integers

    def run(
        self, ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the logits, float64, and the spikes of every population, exactly.

        As of `ChipStudent.run`, but without dropout: it is not on the chip.
        """
        found = self.integers()
        sample = mask.nonzero()[:, 0]
        bits = {"input": self._windows(ids, mask)}
        s = _fire(found["stem"], self.stem, bits, self.config.steps)
        populations, outputs = [s], {"stem": s}
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)  # noqa: S101 - the student made them
            source, s = list(outputs.items())[-1]
            name = f"block{index}"
            populations += _run_block(found, name, block, (source, s), sample, len(ids))
            outputs[f"{name}_out"] = populations[-1]
        if not self.training:
            self.last_rate = float(torch.stack([p.mean() for p in populations]).mean())
        sums = self._sums(found["output"], outputs, sample, len(ids))
        lengths = mask.sum(dim=1, keepdim=True)
        return sums / (self.config.steps * lengths), populations

    def _sums(
        self,
        found: Integers,
        outputs: Mapping[str, torch.Tensor],
        sample: torch.Tensor,
        samples: int,
    ) -> torch.Tensor:
        """Return what the Output receives over all steps, (samples, classes)."""
        classes = len(self.config.id2label or {})
        total = torch.zeros((samples, classes), dtype=torch.float64, device=self.device)
        for head, (name, s) in zip(self.heads, outputs.items(), strict=True):
            counts = torch.zeros((samples, s.shape[2]), device=s.device)
            counts = counts.index_add(0, sample, s.sum(dim=0)).double()
            weight = exactly(found.weights[name], head.get_parameter("weight"))
            total = total + functional.linear(counts, weight.double())
        return total


def _fire(
    found: Integers,
    layer: SpikingLinear,
    arriving: Mapping[str, torch.Tensor],
    steps: int | None = None,
) -> torch.Tensor:
    """Return the spikes of a layer's population, (steps, tokens, targets).

    Args:
        found: its integers.
        layer: with the parameters that the integers were made of.
        arriving: spikes by population: those of the linear map, then of the skip.
        steps: given if what arrives is the same at each step, (tokens, sources).
    """
    (source, x), *others = arriving.items()
    gain, shift = layer.norm.fold_for(x)
    weight = exactly(found.weights[source], gain[:, None] * layer.linear.weight)
    none = torch.zeros_like(shift)
    bias = exactly(none if found.bias is None else found.bias, shift)
    skip, more = None, None
    if layer.skip is not None:
        ((residual, more),) = others
        skip = exactly(found.weights[residual], layer.skip)
    z = exact_linear(x, weight)
    return register_spikes(
        z if steps is None else z.expand(steps, *z.shape),
        found.own_registers,
        bias=bias,
        skip=skip,
        more=more,
        compiled=layer.compiled and layer.training,
    )


def _run_block(
    found: Mapping[str, Integers],
    name: str,
    block: Block,
    arriving: tuple[str, torch.Tensor],
    sample: torch.Tensor,
    samples: int,
) -> list[torch.Tensor]:
    """Return the spikes of every population of a block, as `Block.forward` does."""

    def layer(part: str, **sources: torch.Tensor) -> torch.Tensor:
        own = getattr(block, part)
        assert isinstance(own, SpikingLinear)  # noqa: S101 - as Block made it
        return _fire(found[f"{name}_{part}"], own, sources)

    source, s = arriving
    q, k, v = (layer(part, **{source: s}) for part in "qkv")
    both = k * v
    counts = torch.zeros((len(s), samples, s.shape[2]), device=s.device)
    counts = counts.index_add(1, sample, both)
    own = found[f"{name}_gate"]
    summed = counts * exactly(own.weights[f"{name}_kv"], block.gain)
    gate = register_spikes(summed, own.own_registers)
    passed = q * gate[:, sample]
    mixed = layer("mixed", **{f"{name}_passed": passed, source: s})
    seen = look_ahead(mixed, sample, block.window)
    hidden = layer("expand", **{f"{name}_mixed": seen})
    out = layer("out", **{f"{name}_expand": hidden, f"{name}_mixed": mixed})
    return [q, k, v, both, gate, passed, mixed, hidden, out]
