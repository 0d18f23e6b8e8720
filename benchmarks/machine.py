"""What every benchmark prints first: the machine and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("numpy", "torch", "snntorch", "nir", "lava-nc")
KIB = 1024


def describe_machine() -> str:
    """Return one line a fact."""
    found = ((name, importlib.metadata.version(name)) for name in PACKAGES)
    versions = " ".join(f"{name} {version}" for name, version in found)
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    return (
        f"{_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}\n"
        f"Python {platform.python_version()} {versions}"
    )


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
