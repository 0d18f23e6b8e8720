"""`spikewright doctor`: what is installed, and whether Lava runs."""

from __future__ import annotations

import importlib.metadata
import platform
from argparse import Namespace

from spikewright.cli.output.documents import print_document
from spikewright.cli.output.screen import Table, show
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
        print_document(args, {"found": found})
    else:
        rows = list(found.items())
        show(Table(("what", "found"), rows, left=(0, 1), has_plain_head=False))
    return 0 if all(found.get(f"{each} runtime") == "ok" for each in RUNTIMES) else 1


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
