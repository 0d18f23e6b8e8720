"""What client and workers must have alike, for results to be the same to the bit."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from spikewright.errors import WorkerError

_ROOMS = ("spikewright", "simulate")
"""whose modules run and count samples; the first is the core"""
_MOST_TOLD = 3


@cache
def identity() -> dict[str, str]:
    """Return the versions of this process, and the SHA-256 of our modules."""
    return {
        "spikewright": importlib.metadata.version("spikewright"),
        "our modules": _hash_of_modules(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _hash_of_modules() -> str:
    digest = hashlib.sha256()
    for name, path in _modules():
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _modules() -> Iterator[tuple[str, Path]]:
    for room in _ROOMS:
        package = room if room == "spikewright" else f"spikewright.{room}"
        spec = find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            every = "*.py" if room == "spikewright" else "**/*.py"
            for path in sorted(Path(place).glob(every)):
                yield f"{room}/{path.relative_to(place)}", path


def check_identities(found: Mapping[str, object]) -> None:
    """Compare workers with this process.

    Args:
        found: by address: the `identity` of a worker, or the exception it raised.

    Raises:
        WorkerError: some worker differs, or has no spikewright.
    """
    ours = identity()
    wrong = {
        where: why for where, each in found.items() if (why := _difference(ours, each))
    }
    if not wrong:
        return
    told = [f"{where}: {why}" for where, why in list(wrong.items())[:_MOST_TOLD]]
    more = f"; and {len(wrong) - len(told)} more" if len(wrong) > len(told) else ""
    raise WorkerError(
        f"{len(wrong)} of {len(found)} workers cannot give the same results: "
        f"{'; '.join(told)}{more}; install the same versions everywhere"
    )


def _difference(ours: Mapping[str, str], theirs: object) -> str:
    if not isinstance(theirs, Mapping):
        return f"{type(theirs).__name__}: {theirs}"
    return ", ".join(
        f"{name} {theirs.get(name, 'missing')}, here {version}"
        for name, version in ours.items()
        if theirs.get(name) != version
    )
