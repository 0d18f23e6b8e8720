# %% [markdown]
# # A NIR graph from SpikingJelly (or Norse, or anywhere)
#
# `files/spikingjelly_net.nir` was written by SpikingJelly 2.0.0 itself
# (`files/make_spikingjelly_net.py`), with the spikes that it sent on 8 random samples
# beside it. SpikingJelly need not be installed here.

# %%
import numpy as np

import spikewright as sw

graph = sw.read_nir("files/spikingjelly_net.nir")
recorded = np.load("files/spikingjelly_net.npz")
for name, node in graph.nodes.items():
    print(f"{name}: {type(node).__name__}")
# -> input_1: Input
# -> _0: Affine
# -> _1: LIF
# -> _2: Affine
# -> _3: LIF
# -> output: Output

# %% [markdown]
# ## The time step is not in the file
#
# NIR holds time constants in seconds and no time step, and SpikingJelly writes none.
# With r = 1 it does not follow from the neurons either, so it is never guessed: it was
# exported with `dt=1e-3`, and so we say.

# %%
print(sw.read_nir_dt("files/spikingjelly_net.nir"), sw.deduce_dt_s(graph))
DT_S = 1e-3
# -> None None

# %% [markdown]
# ## The same spikes
#
# In floating point with a chip's delays, the graph sends what SpikingJelly sent.
# (SpikingJelly fires at v = threshold, NIR above it: weights that let a potential meet
# its threshold exactly differ, and `spikewright check` names the neuron. These do not.)

# %%
timed = sw.lower(graph, dt_s=DT_S, to=sw.Stage.TIMED).graph
judge = sw.run(timed, recorded["inputs"], backend="reference")
wrong = int((judge.output != recorded["outputs"]).sum())
print(f"{wrong} of {judge.output.size} entries differ, {judge.output.sum():.0f} spikes")
# -> 0 of 960 entries differ, 81 spikes

# %% [markdown]
# ## In Loihi's integers
#
# Weights of 8 bits round, and a spike may move. The integer simulator is bit-exact with
# Lava; `backend="lava"` runs the same graph on real Lava processes.

# %%
chip = sw.lower(graph, dt_s=DT_S).graph
trace = sw.run(chip, recorded["inputs"], backend="integer")
wrong = int((trace.output != recorded["outputs"]).sum())
print(f"{wrong} of {trace.output.size} entries differ in 8 bits")
check = sw.check_placement(chip, sw.load_limits("loihi1"))
print(f"fits Loihi 1: {check.fits}")
# -> 5 of 960 entries differ in 8 bits
# -> fits Loihi 1: True

# %% [markdown]
# ## From Norse
#
# `nir.write("net.nir", norse.torch.to_nir(net, x, dt=1))`, with three words on Norse
# 1.1.0 and nir 1.0.8. `dt=1`, because it writes dt / tau_mem_inv as the time constant,
# which is in seconds only so. `x` is one step without a batch, or the Input gets a
# shape that fits nothing. And parameters are tensors of one value a neuron, since nir
# does not write scalars. A net of LIFBoxCells that was written so sends here the spikes
# that it sends there.
#
# Which tools load a file of ours: [interchange.md](../interchange.md).
