"""A student as large as BERT: 12 layers of 768 channels, 85 million weights."""

from __future__ import annotations

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from spikewright.export.from_snntorch import export_snntorch
from spikewright.nodes import Conv1d, Threshold

CHANNELS, HIDDEN, TOKENS, LAYERS = 768, 3072, 16, 12
NEURONS = ("lq", "lk", "lv", "gate", "lo", "lu", "ld")


class Block(nn.Module):
    """Spike-driven attention and a perceptron of two layers, with skips."""

    def __init__(self) -> None:
        super().__init__()
        for name in "qkvo":
            setattr(self, name, nn.Linear(CHANNELS, CHANNELS))
        self.up, self.down = nn.Linear(CHANNELS, HIDDEN), nn.Linear(HIDDEN, CHANNELS)
        for name in NEURONS:
            neuron = snn.Leaky(
                0.5, threshold=0.3, init_hidden=True, reset_mechanism="zero"
            )
            setattr(self, name, neuron)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map spikes (samples, tokens, channels) to spikes."""
        q, k, v = self.lq(self.q(x)), self.lk(self.k(x)), self.lv(self.v(x))
        gate = self.gate(0.4 * (k * v).sum(dim=1, keepdim=True))
        h = self.lo(self.o(q * gate) + x)
        out: torch.Tensor = self.ld(self.down(self.lu(self.up(h))) + h)
        return out


@pytest.mark.slow
def test_a_student_as_large_as_bert_is_exported_and_proven() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*(Block() for _ in range(LAYERS)))
    assert sum(p.numel() for p in net.parameters()) > 84e6
    sample = (torch.rand(1, TOKENS, CHANNELS) < 0.3).float()
    graph = export_snntorch(net, sample, dt_s=1e-3)
    nodes = graph.nodes.values()
    assert sum(isinstance(node, Conv1d) for node in nodes) == 6 * LAYERS
    assert sum(isinstance(node, Threshold) for node in nodes) == 2 * LAYERS  # ANDs
    last = graph.nodes["layer_11_down"]
    assert isinstance(last, Conv1d) and last.weight.dtype == np.float32
    weight = net[-1].down.weight.detach().numpy()
    np.testing.assert_array_equal(last.weight[:, :, 0], weight)
