"""What docs/comparison.md says of snnTorch's own exporter is so."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pytest
import snntorch as snn
import torch
from torch import nn

if find_spec("nirtorch") is None:
    pytest.skip("needs other tools: make conformance", allow_module_level=True)


def _lif(**more: object) -> nn.Module:
    """Return eight neurons with vectors of parameters, which its exporter wants."""
    decay, threshold = torch.full((8,), 0.9), torch.ones(8)
    return snn.Leaky(beta=decay, threshold=threshold, init_hidden=True, **more)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = (nn.Linear(8, 8) for _ in range(3))
        self.lif1, self.lif2, self.lif3 = _lif(), _lif(), _lif(output=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.lif1(self.fc1(x))
        return self.lif3(self.fc3(h + self.lif2(self.fc2(h))))


def _exported(module: nn.Module) -> Any:
    theirs = import_module("snntorch.export_nir")
    return theirs.export_to_nir(module, torch.rand(1, 8), ignore_dims=[0])


def test_what_follows_a_residual_is_cut_off_without_an_error() -> None:
    edges = _exported(Residual()).edges
    # fc3 gets an Input that nobody wrote, and lif2 goes to the Output instead
    assert ("input_fc3", "fc3") in edges
    assert ("lif2", "output") in edges
    assert ("lif1", "fc3") not in edges
    assert ("lif2", "fc3") not in edges


def test_the_reset_mechanism_is_not_written() -> None:
    written = set()
    for reset in ("subtract", "zero", "none"):
        module = nn.Sequential(
            nn.Linear(8, 8), _lif(output=True, reset_mechanism=reset)
        )
        nodes = _exported(module).nodes.values()
        (made,) = [node for node in nodes if type(node).__name__ == "LIF"]
        written.add(str(made.to_dict()))
    assert len(written) == 1


def test_the_version_is_that_of_the_page() -> None:
    assert version("snntorch") == "1.0.0"
