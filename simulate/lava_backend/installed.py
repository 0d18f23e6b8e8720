"""Which Lava is installed, without importing it."""

from __future__ import annotations

import importlib.util
import platform
from importlib import metadata

from spikewright.errors import BackendMissingError

NEEDED = {
    "lava.magma": "lava-nc==0.10.0",
    "asteval": "asteval",
    "networkx": "networkx",
    "numpy": "numpy",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
}
"""module -> distribution; what lava-nc really imports"""


def require_lava() -> None:
    """Check that the Lava backend can be imported.

    Raises:
        BackendMissingError: a package is missing; says how to install all.
    """
    missing = [name for module, name in NEEDED.items() if not _is_found(module)]
    if missing:
        raise BackendMissingError(
            f"the Lava backend needs {', '.join(missing)}; install it with\n"
            "  pip install --no-deps --ignore-requires-python lava-nc==0.10.0\n"
            "  pip install asteval networkx numpy scikit-learn scipy"
        )


def _is_found(module: str) -> bool:
    package = module.partition(".")[0]
    return all(importlib.util.find_spec(name) for name in (package, module))


def versions() -> dict[str, str]:
    """Return the versions that a result depends on; needs Lava."""
    return {
        "lava-nc": metadata.version("lava-nc"),
        "numpy": metadata.version("numpy"),
        "python": platform.python_version(),
    }
