"""What every child process of ours is started with."""

from __future__ import annotations

import os
import sys

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""dozens of workers with several BLAS threads each are slower by a factor of 60"""


def child_environment() -> dict[str, str]:
    """Return one in which the modules of this process are found, and BLAS is alone."""
    paths = [os.path.abspath(path) for path in sys.path if path]
    return {
        **os.environ,
        **dict.fromkeys(ONE_THREAD, "1"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
