# %% [markdown]
# # Add a chip
#
# A chip is two text files: its limits say what fits, its profile what an operation
# costs. Each number carries where it is from; what you do not know is left out, and is
# then listed as unknown, never taken for zero. The chip of this page is made up.

# %%
from pathlib import Path

import numpy as np

import spikewright as sw

Path("my_chip_limits.toml").write_text(
    """
title = "My chip"
unknown = ["routing tables"]

[limits.cores]
value = 4
unit = "cores a chip"
source = "our data sheet, page 3"
evidence = "B"

[limits.neurons]
value = 16
unit = "neurons a core"
source = "our data sheet, page 3"
evidence = "B"

[limits.weight_bits]
value = 8
unit = "bits of a weight"
source = "our data sheet, page 4"
evidence = "B"
"""
)
limits = sw.load_limits("my_chip_limits.toml")
print(f"{limits.title}: {limits.most('cores')} cores of {limits.most('neurons')}")
# -> My chip: 4 cores of 16

# %% [markdown]
# ## Does it fit?
#
# A network of two layers that comes with these pages; any graph will do.

# %%
graph = sw.read_nir("files/spikingjelly_net.nir")
chip = sw.lower(graph, dt_s=1e-3).graph
check = sw.check_placement(chip, limits)
print(f"fits: {check.fits}, on {len(check.replicated.cores)} of 4 cores")
print(f"tightest: {check.replicated.tightest.resource}")
# -> fits: True, on 2 of 4 cores
# -> tightest: neurons

# %% [markdown]
# ## What does it cost?
#
# Joules an operation, in SI units. `low` and `high` are a published range; evidence is
# that of [profiles.md](../profiles.md), and `includes` keeps two constants from charging
# for the same thing twice.

# %%
Path("my_chip.toml").write_text(
    """
title = "My chip, 22 nm"
node = "22 nm, 0.8 V"
notes = ["Measured on board 7 at 25 degrees."]
unknown = ["idle neurons: the meter is too slow for them"]

[arithmetics.fixed.synops]
value = 3.0e-12
unit = "J"
low = 2.5e-12
high = 3.5e-12
kind = "measured"
statistic = "marginal"
evidence = "primary"
source = "our notebook 12, page 31: slope of power over rate"
includes = ["arithmetic", "weight access"]
supply_v = 0.8

[arithmetics.fixed.updates_active]
value = 20e-12
unit = "J"
kind = "measured"
statistic = "marginal"
evidence = "primary"
source = "our notebook 12, page 33"
includes = ["state access"]
supply_v = 0.8
"""
)
profile = sw.load_profile("my_chip.toml")
spikes = np.load("files/spikingjelly_net.npz")["inputs"]
trace = sw.run(chip, spikes, backend="integer")
counts = sw.count_operations(chip, trace)
energy = sw.estimate_energy(counts, profile, arithmetic="fixed", samples=trace.samples)
print(f"{energy.total_j * 1e9:.1f} nJ a sample, evidence: {energy.evidence}")
print(f"left out: {', '.join(energy.left_out)}")
# -> 21.6 nJ a sample, evidence: primary
# -> left out: routing within a tile, routing between tiles, leakage, activation access, synchronization, idle, active updates, inactive updates, residual additions, bias additions

# %% [markdown]
# ## A mistake is named
#
# With file, key and what is allowed.

# %%
text = Path("my_chip.toml").read_text()
Path("typo.toml").write_text(text.replace('unit = "J"', 'unit = "pJ"', 1))
try:
    sw.load_profile("typo.toml")
except sw.ProfileError as error:
    print(error)
# -> typo.toml: line 9: arithmetics.fixed.synops.unit 'pJ' is unknown; allowed: J, J/bit, W, W/Hz, s, bit, 1; did you mean 'J'?

# %% [markdown]
# From a shell: `spikewright check net.nir --profile my_chip_limits.toml`, `spikewright
# profile my_chip.toml`, `spikewright report net.nir trace.npz --profile my_chip.toml`;
# `spikewright profile --schema` helps an editor to complete the file.
