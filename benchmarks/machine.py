"""What every benchmark prints first: the machine and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = ("numpy", "torch", "snntorch", "nir", "lava-nc")


def describe_machine() -> str:
    """Return one line a fact."""
    found = ((name, importlib.metadata.version(name)) for name in PACKAGES)
    versions = " ".join(f"{name} {version}" for name, version in found)
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    return (
        f"{_processor()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}\n"
        f"Python {platform.python_version()} {versions}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
