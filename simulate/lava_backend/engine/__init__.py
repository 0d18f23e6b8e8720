"""The part that imports Lava; only the child process imports this package.

Importing Lava sets the start method of multiprocessing to "fork" and needs two cures
first (see `compat`). They are applied here, because a package runs before its modules.
"""

from spikewright.simulate.lava_backend.engine import compat

compat.apply()
