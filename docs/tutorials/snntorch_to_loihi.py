# %% [markdown]
# # Your own snnTorch model, to Loihi's numbers in ten lines
#
# Any `nn.Module` with snnTorch neurons will do. This one has a residual, a batch norm
# and snnTorch's default reset by subtraction. Each cell says below it, after `->`, what
# it prints.

# %%
import snntorch as snn
import torch
from torch import nn

import spikewright as sw
from spikewright.export.from_snntorch import export_proven


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm = nn.Linear(16, 32), nn.BatchNorm1d(32)
        self.lif1 = snn.Leaky(beta=0.9)
        self.fc2 = nn.Linear(32, 32)
        self.lif2 = snn.Leaky(beta=0.5, reset_mechanism="zero")

    def forward(self, x):  # (steps, samples, 16)
        mem1, mem2, rows = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for step in range(x.size(0)):
            spk1, mem1 = self.lif1(self.norm(self.fc1(x[step])), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1) + spk1, mem2)
            rows.append(spk2)
        return torch.stack(rows)


torch.manual_seed(0)
net = Net().eval()
spikes = (torch.rand(20, 8, 16) < 0.5).float()  # steps, samples, neurons

# %% [markdown]
# ## The ten lines
#
# The export looks into the module, writes a graph, and compares every spike of it with
# the module, or refuses by name. Lowering makes 8-bit weights and balances delays.

# %%
graph = export_proven(net, spikes, dt_s=1e-3).graph
chip = sw.lower(graph, dt_s=1e-3).graph
fit = sw.check_placement(chip, sw.load_limits("loihi1"))
trace = sw.run(chip, spikes.numpy().swapaxes(0, 1), backend="integer")
counts = sw.count_operations(chip, trace)
loihi = sw.load_profile("loihi1")
energy = sw.estimate_energy(counts, loihi, arithmetic="fixed", samples=trace.samples)
synops = sum(each.synops for each in counts.values())
print(f"fits Loihi 1: {fit.fits}, on {len(fit.replicated.cores)} core")
print(f"{synops / trace.samples:.3g} synops and {energy.total_j:.2g} J a sample")
# -> fits Loihi 1: True, on 1 core
# -> 7.47e+03 synops and 2.8e-07 J a sample

# %% [markdown]
# ## How sure is that?
#
# The energy is as good as its weakest constant, and says what it leaves out: "quoted"
# means that a third party quotes the paper with page and table. Published minimums make
# a total a lower bound.

# %%
print(f"evidence: {energy.evidence}; a lower bound: {energy.is_lower_bound}")
print(f"left out: {', '.join(energy.left_out)}")
# -> evidence: quoted; a lower bound: True
# -> left out: routing between tiles, leakage, activation access, synchronization, idle, active updates, inactive updates

# %% [markdown]
# What did 8 bits cost? The graph in floating point, with the delays of a chip, is the
# judge.

# %%
timed = sw.lower(graph, dt_s=1e-3, to=sw.Stage.TIMED).graph
judge = sw.run(timed, spikes.numpy().swapaxes(0, 1), backend="reference")
module = net(spikes).detach().numpy().swapaxes(0, 1)
print(f"module and graph: {int((judge.output != module).sum())} spikes differ")
agreement = sw.spike_agreement(judge, trace)
print(f"8 bits: {min(each.equal for each in agreement.values()):.1%} alike or more")
# -> module and graph: 0 spikes differ
# -> 8 bits: 99.5% alike or more

# %% [markdown]
# From a shell: `spikewright export my_net.py:make_net --sample x.npy --dt 1e-3 -o
# net.nir`, `spikewright check net.nir`, `spikewright simulate`, `spikewright report`.
# More: [snntorch.md](../snntorch.md), [report.md](../report.md).
