"""Make spikingjelly_net.nir and .npz: SpikingJelly 2.0.0, torch 2.13.0, nir 1.0.8.

Needs what `make conformance` installs. The .npz holds spikes that went in and those that
SpikingJelly itself sent, so that others can compare.
"""

from __future__ import annotations

import numpy as np
import torch
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir

SIZES, STEPS, SAMPLES, DT_S = (12, 16, 4), 30, 8, 1e-3

torch.manual_seed(0)
net = torch.nn.Sequential(
    layer.Linear(SIZES[0], SIZES[1]),
    neuron.LIFNode(tau=2.0, v_reset=0.0),
    layer.Linear(SIZES[1], SIZES[2]),
    neuron.LIFNode(tau=4.0, v_reset=0.0),
)
with torch.no_grad():
    net[0].weight.mul_(8)
    net[2].weight.mul_(40)
spikes = (torch.rand(SAMPLES, STEPS, SIZES[0]) < 0.4).float()
export_to_nir(net, spikes[:, 0], save_path="spikingjelly_net.nir", dt=DT_S)
functional.reset_net(net)
with torch.no_grad():
    outputs = torch.stack([net(x) for x in spikes.unbind(1)], 1)
np.savez_compressed(
    "spikingjelly_net.npz",
    inputs=spikes.numpy().astype(np.uint8),
    outputs=outputs.numpy().astype(np.uint8),
)
print(f"{outputs.mean():.3f} spikes a neuron and step")
