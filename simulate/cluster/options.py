"""Which cluster runs the shards, and how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikewright.errors import InputError

LOCAL = "local"
"""instead of an address: worker processes of our own on this machine"""
PROMPT_S = 30.0
_SHARD_BYTES = 2**25
"""spikes of a default task, a byte each: far above a task's overhead"""
_TASKS_A_THREAD = 4
"""so that a slow worker does not let the others wait"""


@dataclass(frozen=True)
class Cluster:
    """Where shards of samples run, and how large they are.

    Raises:
        InputError: a number is out of its range, or a scheduler that runs already is
            to have so many workers.
    """

    address: str = LOCAL
    """of a Dask scheduler, such as tcp://host:8786; or `local`: processes of our own"""
    workers: int | None = None
    """processes of `local`; by default one for each core"""
    shard: int | None = None
    """samples in a task; by default what is worth one, and four for each thread"""
    batch: int | None = None
    """samples of a task that `integer` computes at once; default: what fits a cache"""
    timeout_s: float = PROMPT_S
    """seconds until a scheduler that does not answer, or has no worker, is given up"""

    def __post_init__(self) -> None:
        for what in ("workers", "shard", "batch"):
            value = getattr(self, what)
            if value is not None and value < 1:
                raise InputError(f"{what} is {value}; allowed: 1 or more")
        if not 0 < self.timeout_s < math.inf:
            raise InputError(f"timeout_s is {self.timeout_s}; must be positive, finite")
        if self.workers is not None and self.address != LOCAL:
            raise InputError(
                f"workers is {self.workers}, but {self.address} has its own; allowed "
                f"with '{LOCAL}'; leave it out"
            )

    def shard_size(self, samples: int, sample_bytes: int, threads: int) -> int:
        """Return how many samples are a task; the last one may have fewer.

        Args:
            samples: of the whole run.
            sample_bytes: spikes of one sample, a byte each.
            threads: that work at once.
        """
        if self.shard is not None:
            return self.shard
        balanced = math.ceil(samples / (_TASKS_A_THREAD * max(1, threads)))
        return max(1, min(balanced, _SHARD_BYTES // max(1, sample_bytes)))
