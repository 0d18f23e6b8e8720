# %% [markdown]
# # Leave lava-dl
#
# lava-dl exports networks as netx files, which only Lava reads, and both are archived.
# `files/lava_dl_net.net` is such a file: three dense layers of CUBA neurons. Neither
# lava-dl nor Lava need be installed here.

# %%
import numpy as np

import spikewright as sw

NETX, DT_S = "files/lava_dl_net.net", 1e-3  # the file has no time step
integers = sw.read_netx(NETX, dt_s=DT_S)
print(f"{integers.stage.name}: {', '.join(integers.populations())}")
# -> QUANTIZED: input, layer0, layer1, layer2

# %% [markdown]
# ## Run its integers as they are
#
# These are lava-dl's own numbers, and the simulator is bit-exact with Lava.

# %%
rng = np.random.default_rng(0)
spikes = rng.random((4, 25, 12)) < 0.4  # samples, steps, neurons
own = sw.run(integers, spikes, backend="integer")
print(f"{int(own.output.sum())} spikes at the output")
# -> 39 spikes at the output

# %% [markdown]
# ## To NIR, for any other tool
#
# In seconds and real numbers: the weights are the integers divided by 64, and nothing
# is lost.

# %%
graph = sw.read_netx_in_seconds(NETX, dt_s=DT_S)
sw.write_nir(graph, "left.nir", dt_s=DT_S)
print(", ".join(type(node).__name__ for node in graph.nodes.values()))
# -> Input, Linear, LIF, Linear, LIF, Linear, IF, Output

# %% [markdown]
# ## And back to the same integers

# %%
again = sw.round_to_netx(sw.read_nir("left.nir"), dt_s=sw.read_nir_dt("left.nir"))
same = sw.run(again, spikes, backend="integer")
print(f"{sw.compare_traces(own, same).mismatches} of {own.output.size} entries differ")
# -> 0 of 600 entries differ

# %% [markdown]
# `sw.lower` instead of `sw.round_to_netx` chooses the largest scale that fits the
# registers, which rounds more finely than lava-dl's 64: a spike may differ from lava-dl's,
# and be nearer to the real numbers.
#
# From a shell: `spikewright convert network.net --dt 1e-3 -o network.nir`. What is read,
# what is refused, and where lava-dl itself changes weights: [netx.md](../netx.md).
