"""Training throughput of the deployable student, beside SpikingJelly and snnTorch.

    pip install --no-deps spikingjelly==2.0.0 loguru==0.7.3
    OMP_NUM_THREADS=1 python benchmarks/throughput.py [--samples 128] [--tokens 16]

One student, four kinds of neurons: SpikingJelly's multi-step LIFNode on its torch
backend, snnTorch's Leaky stepped by hand, our multi-step neuron in eager torch, and
our compiled loops. A training step is forward, backward and AdamW. The four take turns,
so that all see the same machine; before that their spikes are compared. Then the same
of a SpikeBERT: D 384, 6 blocks, 8 heads, T 4 (`--only chip|spikebert`).
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable

import snntorch
import torch
from machine import describe_machine, seconds_of
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import nn

from spikewright.train.chip import layers as students
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.neurons.compiled import compile_neurons
from spikewright.train.neurons.leaky import run_leaky
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikebert.neuron import SpikingNeuron
from spikewright.train.student import ChipStudent

Step = Callable[[], None]
Student = ChipStudent | SpikeBertForSequenceClassification


def main() -> None:
    """Compare the spikes, then the time of a step, in float32 and in bfloat16."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", choices=("chip", "spikebert"))
    args = parser.parse_args()
    print(describe_machine())
    students.run_leaky = run_any
    for family, make in (("chip", make_students), ("spikebert", make_spikeberts)):
        if args.only in (None, family):
            print(f"--- {family}")
            torch.manual_seed(0)
            ids = torch.randint(0, 30522, (args.samples, args.tokens))
            run(make(), ids, args.repeats)


def run(made: dict[str, Student], ids: torch.Tensor, repeats: int) -> None:
    """Compare the spikes of one student by its neurons, then their speed."""
    compare(made, ids)
    for dtype in (torch.float32, torch.bfloat16):
        steps = {name: training_step(each, ids, dtype) for name, each in made.items()}
        seconds = measure(steps, repeats)
        print(f"{len(ids)} sentences of {ids.shape[1]} tokens, {dtype}:")
        theirs = seconds["SpikingJelly"]
        for name, own in seconds.items():
            rate = len(ids) / own
            print(f"  {name:15} {rate:6.0f} sentences/s  {theirs / own:5.2f} x")


def run_any(cell: nn.Module, current: torch.Tensor) -> torch.Tensor:
    """Return the spikes of whichever neuron a layer holds."""
    if isinstance(cell, neuron.LIFNode):
        functional.reset_net(cell)
        found: torch.Tensor = cell(current)
        return found
    if isinstance(cell, Stepped):
        return cell(current)
    return run_leaky(cell, current)  # type: ignore[arg-type]


class Stepped(nn.Module):
    """snnTorch's Leaky, a step after the other, as its tutorials do."""

    def __init__(self, leaky: snntorch.Leaky) -> None:
        super().__init__()
        self.leaky = leaky

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        """Return the spikes of all steps of (steps, …)."""
        v, spikes = torch.zeros_like(current[0]), []
        for a in current:
            s, v = self.leaky(a, v)
            spikes.append(s)
        return torch.stack(spikes)


def jelly(leaky: snntorch.Leaky) -> neuron.LIFNode:
    """Return SpikingJelly's neuron: v + (0 - v) / tau + a is beta v + a.

    It fires at its threshold, so it gets the next number above ours.
    """
    limit = torch.tensor([float(leaky.threshold), torch.inf])
    return neuron.LIFNode(
        tau=1.0 / (1.0 - float(leaky.beta)),
        decay_input=False,
        v_threshold=float(torch.nextafter(limit[0], limit[1])),
        v_reset=0.0,
        surrogate_function=surrogate.ATan(alpha=2.0),
        detach_reset=True,
        step_mode="m",
    )


def make_students() -> dict[str, Student]:
    """Return one student of the shipped size, four times, by its kind of neuron."""
    eager = ChipStudent(ChipStudentConfig(num_labels=2, dropout=0.0)).train()
    with torch.no_grad():
        for name, each in eager.named_parameters():
            if name.endswith(".gain"):
                each.fill_(0.47)  # at 0.5 two spikes tie, where SpikingJelly fires
    theirs, stepped, ours = (copy.deepcopy(eager) for _ in range(3))
    for model, kind in ((theirs, jelly), (stepped, Stepped)):
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, snntorch.Leaky) and not isinstance(
                    module, Stepped
                ):
                    setattr(module, name, kind(child))
    compile_neurons(ours)
    return {
        "SpikingJelly": theirs,
        "snnTorch": stepped,
        "ours, eager": eager,
        "ours, compiled": ours,
    }


class Driven(nn.Module):
    """A neuron of another library, its input divided as ours."""

    def __init__(self, drive: float, cell: nn.Module) -> None:
        super().__init__()
        self.drive, self.cell, self.compiled = drive, cell, False

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        """Return the spikes of all steps of (steps, …)."""
        return run_any(self.cell, current * self.drive)


def make_spikeberts() -> dict[str, Student]:
    """Return one SpikeBERT four times, by its kind of neuron."""
    config = SpikeBertConfig(hidden_size=384, num_hidden_layers=6, num_labels=2)
    eager = SpikeBertForSequenceClassification(config).train()
    theirs, stepped, ours = (copy.deepcopy(eager) for _ in range(3))
    for model, kind in ((theirs, jelly), (stepped, Stepped)):
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, SpikingNeuron):
                    leaky = child.as_snntorch()
                    setattr(module, name, Driven(child.drive, kind(leaky)))
    compile_neurons(ours)
    return {
        "SpikingJelly": theirs,
        "snnTorch": stepped,
        "ours, eager": eager,
        "ours, compiled": ours,
    }


def populations_of(model: Student, ids: torch.Tensor) -> list[torch.Tensor]:
    """Return what every population sends: of a SpikeBERT the stream of counts."""
    mask = torch.ones_like(ids).bool()
    if isinstance(model, ChipStudent):
        return list(model.run(ids, mask)[1])
    encoder = model.spikebert
    return encoder.run(ids, encoder.lay_out(ids, mask))


def compare(made: dict[str, Student], ids: torch.Tensor) -> None:
    """Print how many spikes differ from those of the first student."""
    with torch.no_grad():
        found = {name: populations_of(each, ids) for name, each in made.items()}
    first = found["SpikingJelly"]
    total = sum(each.numel() for each in first)
    for name, populations in found.items():
        wrong = sum(
            int((a != b).sum()) for a, b in zip(first, populations, strict=True)
        )
        print(f"{name}: {wrong} of {total} entries differ from SpikingJelly's")


def training_step(model: Student, ids: torch.Tensor, dtype: torch.dtype) -> Step:
    """Return what does one step: forward, backward, AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def step() -> None:
        narrow = dtype != torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
            logits = model(ids).logits
        logits.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(steps: dict[str, Step], repeats: int) -> dict[str, float]:
    """Return the median seconds of each, taken in turns after two to warm up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 2):
        for name, step in steps.items():
            seconds = seconds_of(step)
            if turn >= 2:
                times[name].append(seconds)
    return {name: statistics.median(each) for name, each in times.items()}


if __name__ == "__main__":
    main()
