"""What we export from snnTorch modules computes the same in other tools: 0 wrong.

The portable dialect writes r = tau / dt; the dialect of Norse puts it into the weights.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.tools.judge import TOOLS
from spikewright.graph import Graph

NEEDED = ("snntorch", "spikingjelly", "norse", "nirtorch")
if not all(map(find_spec, NEEDED)):
    pytest.skip("needs other tools: make conformance", allow_module_level=True)
DT_S = 1e-4
NAMES = [tool.name for tool in TOOLS]
REQUIREMENTS = Path(__file__).parents[2] / "requirements-conformance.txt"


def leaky(beta: Any = 0.875, **given: Any) -> snn.Leaky:
    return snn.Leaky(beta, init_hidden=True, reset_mechanism="zero", **given)


class Residual(nn.Module):
    """A skip past the middle layer; the branch or the skip is written first."""

    def __init__(self, *, skip_first: bool = False) -> None:
        super().__init__()
        self.fc0, self.l0 = nn.Linear(12, 16), leaky()
        self.fc1, self.l1 = nn.Linear(16, 16), leaky(0.75)
        self.fc2, self.l2 = nn.Linear(16, 8), leaky(0.5)
        self.skip_first = skip_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.l0(self.fc0(x))
        branch = self.l1(self.fc1(h))
        return self.l2(self.fc2(h + branch if self.skip_first else branch + h))


class Tied(nn.Module):
    """Two layers that learn one threshold."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0, self.l0 = nn.Linear(12, 16), leaky(threshold=0.7)
        self.fc1, self.l1 = nn.Linear(16, 8), leaky(threshold=0.7)
        self.l1.threshold = self.l0.threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.l1(self.fc1(self.l0(self.fc0(x))))


class Tokens(nn.Module):
    """A layer for each of 5 tokens, then another: Conv1d with one tap."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0, self.l0 = nn.Linear(6, 16), leaky()
        self.fc1, self.l1 = nn.Linear(16, 4), leaky(0.75)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.l1(self.fc1(self.l0(self.fc0(x))))


def dyadic() -> nn.Module:
    """Weights in eighths, so that potentials meet the threshold of 3/4 exactly."""
    net = nn.Sequential(nn.Linear(12, 8), leaky(0.5, threshold=0.75))
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for each in net[0].parameters():
            each.copy_(torch.from_numpy(rng.integers(-6, 9, each.shape) / 8))
    return net


def mlp(*betas: Any, **given: Any) -> nn.Module:
    layers = [(nn.Linear(12, 12), leaky(beta, **given)) for beta in betas]
    return nn.Sequential(*(each for pair in layers for each in pair))


PORTABLE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: mlp(0.9, 0.8), (12,)),
    "mlp_deep": (lambda: mlp(0.9, 0.8, 0.7, 0.6, 0.5, 0.4), (12,)),
    "mlp_that_forgets": (lambda: mlp(0.9, 0.0), (12,)),
    "mlp_learned_beta": (lambda: mlp(0.6180339887, learn_beta=True), (12,)),
    "no_bias": (lambda: nn.Sequential(nn.Linear(12, 8, bias=False), leaky()), (12,)),
    "folded_norm": (
        lambda: nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8).eval(), leaky()),
        (12,),
    ),
    "dropped": (
        lambda: nn.Sequential(nn.Linear(12, 8), nn.Dropout().eval(), leaky()),
        (12,),
    ),
    "names_of_torch": (
        lambda: nn.Sequential(
            OrderedDict([("keys", nn.Linear(12, 8)), ("code", leaky())])
        ),
        (12,),
    ),
    "residual": (Residual, (12,)),
    "residual_skip_first": (lambda: Residual(skip_first=True), (12,)),
    "tied_threshold": (Tied, (12,)),
    "tokens": (Tokens, (5, 6)),
    "conv1d_one_tap": (lambda: nn.Sequential(nn.Conv1d(6, 8, 1), leaky()), (6, 5)),
    "ties": (dyadic, (12,)),
}


def export(name: str, cases: Any, dialect: str = "portable") -> Graph:
    make, shape = cases[name]
    torch.manual_seed(11)
    net = make()
    with torch.no_grad():
        for key, each in net.named_parameters():  # livelier than torch's initial ones
            if name != "ties" and ("weight" in key or "bias" in key):
                each.mul_(3)
    sample = (torch.rand(2, *shape) < 0.4).float()
    return export_snntorch(net, sample, dt_s=DT_S, dialect=dialect)


def test_torch_and_the_tools_are_the_versions_that_were_pinned() -> None:
    """A tool that replaced torch would be compared with another torch than ours."""
    pins = dict(
        line.split("==")
        for line in REQUIREMENTS.read_text().splitlines()
        if "==" in line
    )
    assert pins["torch"] == torch.__version__.partition("+")[0]
    assert {name: version(name) for name in pins if name != "torch"} == {
        name: pin for name, pin in pins.items() if name != "torch"
    }
    assert {tool.name.lower(): tool.version for tool in TOOLS} == {
        tool.name.lower(): pins[tool.name.lower()] for tool in TOOLS
    }


@pytest.mark.parametrize("tool", ["snnTorch", "SpikingJelly"])
@pytest.mark.parametrize("name", [each for each in PORTABLE if each != "ties"])
def test_portable_exports_load_exactly(bench, name: str, tool: str) -> None:
    trial = bench.try_graph(export(name, PORTABLE), tool, dt_s=DT_S)
    assert trial.verdict.loads, trial.verdict
    assert trial.wrong == 0


def test_ties_of_a_portable_export_fire_in_spikingjelly_alone(bench) -> None:
    graph = export("ties", PORTABLE)
    for tool in NAMES:
        bench.try_graph(graph, tool, dt_s=DT_S).check()
    assert bench.try_graph(graph, "snnTorch", dt_s=DT_S).wrong == 0
    assert bench.try_graph(graph, "SpikingJelly", dt_s=DT_S).wrong > 0


@pytest.mark.parametrize("name", PORTABLE)
def test_norse_is_stopped_by_r_as_the_verdict_says(bench, name: str) -> None:
    bench.try_graph(export(name, PORTABLE), "Norse", dt_s=DT_S).check()


FOLDABLE = [each for each in PORTABLE if each not in ("tokens", "conv1d_one_tap")]


@pytest.mark.parametrize("tool", NAMES)
@pytest.mark.parametrize("name", FOLDABLE)
def test_verdicts_of_the_dialect_of_norse_are_true(bench, name: str, tool: str) -> None:
    trial = bench.try_graph(export(name, PORTABLE, "norse"), tool, dt_s=DT_S)
    trial.check()
    if tool == "Norse" and name in ("mlp", "mlp_deep", "tied_threshold", "residual"):
        assert trial.verdict.loads, trial.verdict


# --- the chip dialect: less of it loads ----------------------------------------------


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.a, self.b = nn.Linear(12, 8), leaky(), leaky(0.5)

    def forward(self, x: torch.Tensor) -> Any:
        h = self.fc(x)
        return self.a(h), self.b(h)


class Sum(Heads):
    def forward(self, x: torch.Tensor) -> Any:
        a, b = super().forward(x)
        return a + b


def convolution(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3), leaky(), *layers)


CHIP: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "subtract": (
        lambda: nn.Sequential(nn.Linear(12, 8), snn.Leaky(0.9, init_hidden=True)),
        (12,),
    ),
    "vector_beta": (lambda: mlp(torch.linspace(0.3, 0.9, 12)), (12,)),
    "vector_threshold": (
        lambda: mlp(0.9, threshold=torch.linspace(0.5, 1.5, 12)),
        (12,),
    ),
    "synaptic": (
        lambda: nn.Sequential(
            nn.Linear(12, 8),
            snn.Synaptic(
                0.5, 0.9, init_hidden=True, reset_mechanism="zero", reset_delay=False
            ),
        ),
        (12,),
    ),
    "conv2d": (convolution, (2, 6, 6)),
    "conv2d_pooled": (
        lambda: convolution(nn.AvgPool2d(2), nn.Conv2d(4, 3, 1), leaky(0.75)),
        (2, 6, 6),
    ),
    "conv2d_flattened": (
        lambda: convolution(nn.Flatten(), nn.Linear(64, 8), leaky(0.75)),
        (2, 6, 6),
    ),
    "conv1d_taps": (lambda: nn.Sequential(nn.Conv1d(6, 8, 3), leaky()), (6, 5)),
    "two_outputs": (Heads, (12,)),
    "sum_at_output": (Sum, (12,)),
    "tokens": (Tokens, (5, 6)),
}


@pytest.mark.parametrize("tool", NAMES)
@pytest.mark.parametrize("name", CHIP)
def test_verdicts_of_chip_exports_are_true(bench, name: str, tool: str) -> None:
    bench.try_graph(export(name, CHIP, "chip"), tool, dt_s=DT_S).check()
