"""`spikewright doctor`: what is installed, and whether Lava runs."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from argparse import Namespace

from spikewright.simulate.lava_backend.doctor import RUNTIMES, doctor

PACKAGES = (
    "numpy",
    "nir",
    "tokenizers",
    "torch",
    "snntorch",
    "transformers",
    "lava-nc",
    "lava-dl",
    "onnx",
    "onnxruntime",
)


def run_doctor(args: Namespace) -> int:
    """Print versions and the result of a tiny Lava run; 1 if Lava does not run."""
    found = {"python": platform.python_version()} | {
        name: _version(name) for name in PACKAGES
    }
    found |= doctor()
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        width = max(map(len, found))
        print("\n".join(f"{name:<{width}}  {value}" for name, value in found.items()))
    return 0 if all(found.get(f"{each} runtime") == "ok" for each in RUNTIMES) else 1


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
