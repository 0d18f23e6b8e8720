"""Random modules, each to a graph, to a file, and back: 0 wrong spikes.

A module is a random program: each line makes a value of earlier ones, by a layer, a
neuron, a sum, a constant, a move of axes, or what was made at the step before. Weights
are eighths and decays 0, 1/2 or 1, so that float32 is exact: the module itself runs, as
it is, on inputs that the exporter's proof has not seen.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import snntorch as snn
import torch
from torch import nn

from spikewright.errors import GraphError
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.passes.discretize import discretize
from spikewright.export.to_snntorch import import_nir
from spikewright.graph import Graph
from spikewright.simulate.reference import run_reference

DT_S = 1e-3
STEPS, SAMPLES, CASES = 8, 3, 60
Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Values = dict[str, torch.Tensor]
Line = tuple[str, Callable[..., torch.Tensor], tuple[str, ...]]
"""what is made, how, and of what"""

SUMS: tuple[Callable[..., torch.Tensor], ...] = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: torch.add(a, b, alpha=0.5),
    lambda a, b: a.clone().add_(b),
    lambda a, b: sum([a, b]),
    lambda a, b: b.rsub(a) if hasattr(b, "rsub") else a - b,
)
CONSTANTS: tuple[Callable[..., torch.Tensor], ...] = (
    lambda a, c: a + c,
    lambda a, c: c - a,
    lambda a, c: a * c,
    lambda a, c: a / 2 - 0.25,
    lambda a, c: torch.mul(a, c).add(0.5),
    lambda a, c: -a + c,
)


@dataclass(eq=False)
class Program:
    """Lines that a module runs at every step."""

    lines: list[Line] = field(default_factory=list)
    layers: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    kept: set[str] = field(default_factory=set)
    """what the step after uses"""
    outputs: list[str] = field(default_factory=list)
    loop: str = ""
    """how forward takes the steps; nothing: it does one"""


class Runs(nn.Module):
    """Runs a program, for one step or in a loop."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.layers, self.program = program.layers, program

    def forward(self, x: torch.Tensor) -> Any:
        if not self.program.loop:
            return self.step(x, {})
        before: Values = {}
        rows = []
        for each in x.unbind(1) if self.program.loop == "second axis" else x:
            rows.append(self.step(each, before))
        columns = [torch.stack(column) for column in zip(*rows, strict=True)]
        return columns if len(columns) > 1 else columns[0]

    def step(self, x: torch.Tensor, before: Values) -> tuple[torch.Tensor, ...]:
        """Run all lines; `before` has what was made a step ago, and gets the new."""
        values = {"x": x}
        for name, make, given in self.program.lines:
            late = [before.get(each[1:]) for each in given if each.startswith("-")]
            held = [values[each] for each in given if not each.startswith("-")]
            values[name] = make(self.layers, *held, *late)
        before.update({name: values[name] for name in self.program.kept})
        return tuple(values[name] for name in self.program.outputs)


# --- drawing programs ----------------------------------------------------------------


@dataclass(eq=False)
class Draw:
    """Draws a program."""

    rng: random.Random
    shape: Shape
    """of the input: (channels,), (channels, tokens) or (channels, rows, columns)"""
    program: Program = field(default_factory=Program)
    made: dict[str, Shape] = field(default_factory=dict)
    spikes: list[str] = field(default_factory=list)

    def draw(self) -> Program:
        self.made["x"] = self.shape
        lines = (self.linear, self.neuron, self.neuron, self.sum, self.constant)
        kinds = (*lines, self.norm, self.row, self.product)
        if self.program.loop:
            kinds = (*kinds, self.late)
        for _ in range(self.rng.randint(3, 7)):
            self.rng.choice(kinds)(self.recent())
        self.neuron(self.recent())
        outputs = [list(self.made)[-1], self.rng.choice(list(self.made)[1:])]
        self.program.outputs = list(dict.fromkeys(outputs))[: self.rng.randint(1, 2)]
        return self.program

    def recent(self) -> str:
        """Return the value made last, or some other."""
        known = list(self.made)
        return known[-1] if self.rng.random() < 0.7 else self.rng.choice(known)

    def add(self, shape: Shape, make: Callable[..., torch.Tensor], *given: str) -> str:
        name = f"v{len(self.made)}"
        self.program.lines.append((name, make, given))
        self.made[name] = shape
        return name

    def layer(self, kind: str, layer: nn.Module, given: str) -> str:
        """Add a line that calls a layer with eighths for weights."""
        with torch.no_grad():
            for each in layer.parameters():
                each.copy_(self.eighths(each.shape))
        name = f"{kind}{len(self.program.layers)}"
        self.program.layers[name] = layer
        shape = tuple(layer(torch.zeros(1, *self.made[given])).shape[1:])
        return self.add(shape, lambda layers, x: layers[name](x), given)

    def eighths(self, shape: Shape) -> torch.Tensor:
        size = int(np.prod(shape))
        drawn = [self.rng.randint(-12, 16) / 8 for _ in range(size)]
        return torch.tensor(drawn).reshape(shape)

    # --- lines -----------------------------------------------------------------------

    def linear(self, given: str) -> None:
        """A Linear or convolution; grouped, dilated or strided as it comes."""
        shape, rng = self.made[given], self.rng
        targets, has_bias = rng.choice([2, 3, 4]), rng.random() < 0.7
        if len(shape) == 1:
            made: nn.Module = nn.Linear(shape[0], targets, bias=has_bias)
        else:
            kind = nn.Conv1d if len(shape) == 2 else nn.Conv2d
            groups = rng.choice([1, 1, shape[0]])
            options: dict[str, Any] = {"groups": groups, "bias": has_bias}
            options |= rng.choice(
                [{"padding": "same", "dilation": 2}, {"stride": 2, "padding": 1}, {}]
            )
            if min(shape[1:]) < 2:
                return
            made = kind(shape[0], targets * groups, 2, **options)
        self.layer("map", made, given)

    def neuron(self, given: str) -> None:
        rng, shape = self.rng, self.made[given]
        decay: Any = rng.choice([0.0, 0.5, 1.0, 1.25])
        if rng.random() < 0.4:
            drawn = [rng.choice([0.0, 0.5, 1.0]) for _ in range(shape[-1])]
            decay = torch.tensor(drawn)
        options: dict[str, Any] = {
            "init_hidden": True,
            "threshold": rng.choice([0.5, 1.0, torch.linspace(0.5, 1.5, shape[-1])]),
            "reset_mechanism": rng.choice(["subtract", "zero", "none"]),
        }
        if torch.is_tensor(options["threshold"]):
            options["threshold"] = (8 * options["threshold"]).round() / 8
        is_zero = options["reset_mechanism"] == "zero"
        made: nn.Module = snn.Leaky(decay, **options)
        kind = rng.choice(["leaky", "leaky", "synaptic", "recurrent"])
        if kind == "synaptic":
            made = snn.Synaptic(0.5, decay, **options, reset_delay=not is_zero)
        elif kind == "recurrent" and len(shape) == 1:
            options |= {"linear_features": shape[0], "reset_delay": not is_zero}
            made = snn.RLeaky(decay, **options)
        elif kind == "recurrent":
            options |= {"all_to_all": False, "V": 0.5, "reset_delay": not is_zero}
            made = snn.RLeaky(decay, **options)
        self.spikes.append(self.fires(made, given))

    def fires(self, neuron: nn.Module, given: str) -> str:
        recurrent = getattr(neuron, "recurrent", None)
        for each in recurrent.parameters() if recurrent is not None else ():
            each.data = self.eighths(each.shape)
        name = f"lif{len(self.program.layers)}"
        self.program.layers[name] = neuron
        return self.add(self.made[given], lambda ls, x: ls[name](x), given)

    def sum(self, given: str) -> None:
        alike = [name for name, each in self.made.items() if each == self.made[given]]
        how = self.rng.choice(SUMS)
        other = self.rng.choice(alike)
        self.add(self.made[given], lambda _, a, b: how(a, b), given, other)

    def constant(self, given: str) -> None:
        shape = self.made[given]
        values = self.eighths(self.rng.choice([shape, shape[-1:], (1,)]))
        how = self.rng.choice(CONSTANTS)
        self.add(shape, lambda _, a: how(a, values), given)

    def norm(self, given: str) -> None:
        """A BatchNorm with gains that are eighths: its variances are 1/4, 1 or 4."""
        channels, *rest = self.made[given]
        kind = nn.BatchNorm2d if len(rest) == 2 else nn.BatchNorm1d
        made = kind(channels, eps=0.0).eval()
        made.running_mean = self.eighths((channels,))
        drawn = [self.rng.choice([0.25, 1.0, 4.0]) for _ in range(channels)]
        made.running_var = torch.tensor(drawn)
        self.layer("norm", made, given)

    def row(self, given: str) -> None:
        """Flatten, in one of its spellings, or nothing at all."""
        shape = self.made[given]
        size = int(np.prod(shape))
        how = self.rng.choice(
            [
                lambda _, x: x.flatten(1),
                lambda _, x: x.view(x.size(0), -1),
                lambda _, x: torch.reshape(x, (len(x), size)),
            ]
        )
        made = self.add((size,), how, given)
        if given in self.spikes:
            self.spikes.append(made)

    def product(self, given: str) -> None:
        """The AND of two neurons."""
        pairs = [
            (a, b)
            for a in self.spikes
            for b in self.spikes
            if self.made[a] == self.made[b]
        ]
        if pairs:
            a, b = self.rng.choice(pairs)
            self.spikes.append(self.add(self.made[a], lambda _, p, q: p * q, a, b))

    def late(self, given: str) -> None:
        """Add what some neuron sent a step ago; nothing at the first."""
        alike = [s for s in self.spikes if self.made[s] == self.made[given]]
        if alike:
            name = self.rng.choice(alike)
            self.program.kept.add(name)

            def make(_: Any, x: torch.Tensor, late: Any) -> torch.Tensor:
                return x + (torch.zeros_like(x) if late is None else late)

            self.add(self.made[given], make, given, f"-{name}")


SHAPES: tuple[Shape, ...] = ((3,), (4,), (2, 5), (3, 6), (2, 4, 5))
LOOPS = ("", "", "first axis", "second axis")


def module_of(seed: int) -> nn.Module:
    """Return the module of a seed, at rest."""
    rng = random.Random(seed)  # noqa: S311 - no secrets
    program = Program(loop=rng.choice(LOOPS))
    module = Runs(Draw(rng, rng.choice(SHAPES), program).draw()).eval()
    for each in module.modules():
        if isinstance(each, snn.SpikingNeuron):
            each.reset_mem()
    return module


def shape_of(seed: int) -> Shape:
    rng = random.Random(seed)  # noqa: S311 - no secrets
    rng.choice(LOOPS)
    return rng.choice(SHAPES)


def inputs(seed: int, salt: int) -> torch.Tensor:
    """Return (steps, samples, *shape): eighths up to 2, and half of them 0."""
    rng = torch.Generator().manual_seed(1000 * salt + seed)
    shape = (STEPS, SAMPLES, *shape_of(seed))
    drawn = torch.randint(0, 17, shape, generator=rng) / 8
    return drawn * torch.randint(0, 2, shape, generator=rng)


def given_to(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return inputs as the forward takes them."""
    loop = module.program.loop
    return x if loop == "first axis" else x.transpose(0, 1) if loop else x[0]


# --- the module and the graph --------------------------------------------------------


@cache
def exported(seed: int) -> Graph | None:
    """Return the graph of a seed; None if it is refused, by name."""
    module = module_of(seed)
    try:
        return export_snntorch(module, given_to(module, inputs(seed, 0)), dt_s=DT_S)
    except GraphError:
        return None


def run_module(module: nn.Module, x: torch.Tensor) -> list[Array]:
    """Return what the module sends, each (samples, steps, *shape)."""
    with torch.no_grad():
        if module.program.loop:
            made = module(given_to(module, x))
            sent = made if isinstance(made, list) else [made]
        else:
            rows = [module(each) for each in x]
            sent = [torch.stack(column) for column in zip(*rows, strict=True)]
    return [np.moveaxis(each.numpy(), 0, 1) for each in sent]


def run_graph(graph: Graph, x: torch.Tensor) -> list[Array]:
    (name,) = graph.inputs
    wanted = np.moveaxis(x.double().numpy(), 0, 1)
    shape = graph.inputs[name].shape
    given = wanted.reshape(*wanted.shape[:2], *shape)
    trace = run_reference(discretize(graph, dt_s=DT_S), given)
    return [trace.outputs[name] for name in sorted(trace.outputs)]


every_seed = pytest.mark.parametrize("seed", range(CASES))


def graph_of(seed: int) -> Graph:
    graph = exported(seed)
    if graph is None:
        pytest.skip("no graph does this")
    return graph


def test_the_modules_fire_now_and_then() -> None:
    sent = [run_module(module_of(seed), inputs(seed, 1)) for seed in range(CASES)]
    lively = [len(np.unique(np.concatenate([a.ravel() for a in s]))) > 1 for s in sent]
    assert sum(lively) >= CASES * 3 // 4


def test_most_modules_are_exported() -> None:
    assert sum(exported(seed) is not None for seed in range(CASES)) >= CASES * 2 // 3


@every_seed
def test_the_graph_sends_what_the_module_sends(seed: int) -> None:
    graph, x = graph_of(seed), inputs(seed, 1)
    wanted = run_module(module_of(seed), x)
    for got, one in zip(run_graph(graph, x), wanted, strict=True):
        assert np.count_nonzero(got.reshape(one.shape) != one) == 0


@every_seed
def test_no_proof_is_needed_for_it(seed: int) -> None:
    graph, module = graph_of(seed), module_of(seed)
    sample = given_to(module, inputs(seed, 0))
    again = export_snntorch(module, sample, dt_s=DT_S, verify=False)
    assert again.fingerprint() == graph.fingerprint()


@every_seed
def test_it_comes_back_from_a_file_and_trains(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "graph.nir"
    write_nir(graph_of(seed), path, dt_s=DT_S)
    graph = read_nir(path)
    network = import_nir(graph, dt_s=DT_S)
    x = _shaped(graph, inputs(seed, 2)).to(_dtype(network))
    _assert_alike(network, graph, x)
    for each in network.parameters():
        each.data = each.data * 0.75
    tuned = export_snntorch(network, x, dt_s=DT_S)
    assert list(tuned.nodes) == list(graph.nodes) and tuned.edges == graph.edges
    _assert_alike(network, tuned, x)


def _shaped(graph: Graph, x: torch.Tensor) -> torch.Tensor:
    (node,) = graph.inputs.values()
    return x.reshape(*x.shape[:2], *node.shape)


def _dtype(network: nn.Module) -> torch.dtype:
    return next(iter([*network.parameters(), torch.zeros(1)])).dtype


def _assert_alike(network: nn.Module, graph: Graph, x: torch.Tensor) -> None:
    network = copy.deepcopy(network).double()
    with torch.no_grad():
        given = network(x.double())
    sent = given if isinstance(given, dict) else {"output": given}
    found = run_graph(graph, x)
    for name, got in zip(sorted(sent), found, strict=True):
        wanted = np.moveaxis(sent[name].numpy(), 0, 1)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)
