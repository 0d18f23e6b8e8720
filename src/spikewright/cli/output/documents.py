"""What every JSON document of the command line begins with."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

OURS = ("spikewright", "numpy", "nir")
"""packages that every result depends on"""
_NOT_OPTIONS = {"verb", "run", "json", "traceback"}
_REVISIONS: Mapping[str, int] = MappingProxyType({})
"""verb -> revision of its document, if it is not the first; what breaks readers raises
it"""


def print_document(args: Namespace, body: Mapping[str, Any]) -> None:
    """Print the JSON document of a verb on stdout."""
    print(json.dumps(document(args, body), indent=2))


def document(args: Namespace, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a verb's result with its schema, versions, and the options that gave it.

    What `body` says of its own versions, seed or config goes before.
    """
    return {"schema": schema_of(args.verb), **origin(args), **body} | {
        "versions": {**versions(), **body.get("versions", {})}
    }


def schema_of(verb: str) -> str:
    """Return name and revision of the document of a verb."""
    return f"spikewright.{verb}/{_REVISIONS.get(verb, 1)}"


def origin(args: Namespace) -> dict[str, Any]:
    """Return versions, the seed where the verb has one, and all options as they were.

    An option that was left out without a default is null.
    """
    config = {
        name: _plain(value)
        for name, value in vars(args).items()
        if name not in _NOT_OPTIONS
    }
    seed = {"seed": config["seed"]} if "seed" in config else {}
    return {"versions": versions(), **seed, "config": config}


def versions() -> dict[str, str]:
    """Return the versions that every result depends on."""
    found = {name: importlib.metadata.version(name) for name in OURS}
    return {"python": platform.python_version(), **found}


def _plain(value: object) -> object:
    """Return an option as JSON has it."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
