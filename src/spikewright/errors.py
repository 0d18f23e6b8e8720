"""The errors a user can cause; anything else that escapes is our bug.

Every message says what is wrong, where, what was got, what is allowed and the cure.
"""

from __future__ import annotations

from collections.abc import Sequence


class SpikewrightError(Exception):
    """Base of every error that the command line reports without a traceback."""


class InputError(SpikewrightError, ValueError):
    """A file, an array or a text that the user gave cannot be used."""


class ConfigError(SpikewrightError, ValueError):
    """A training configuration is unreadable or inconsistent."""


class GraphError(SpikewrightError, ValueError):
    """A graph breaks an invariant of its stage, or a pass cannot express it."""


class UnsupportedNodeError(GraphError):
    """A node has no counterpart where it is being sent."""

    def __init__(self, name: str, kind: str, where: str, known: Sequence[str]) -> None:
        self.name, self.kind, self.where = name, kind, where
        super().__init__(
            f"node '{name}': {kind} is not supported by {where}; "
            f"supported: {', '.join(sorted(known))}"
        )


class ExportMismatchError(GraphError):
    """An exported graph does not fire as its module does."""


class OverflowDetectedError(SpikewrightError):
    """An integer state or sum left the register that it must fit."""


class CountError(SpikewrightError, ValueError):
    """A run holds work that cannot be counted, and all of it was asked for."""


class ProfileError(SpikewrightError, ValueError):
    """A hardware profile is missing, unreadable or inconsistent."""


class OverlapError(ProfileError):
    """Two constants of one energy figure charge for the same thing."""


class LimitsExceededError(SpikewrightError, ValueError):
    """A network does not fit the chip that it is to be priced on."""


class BackendMissingError(SpikewrightError):
    """An optional package is not installed; the message says how to install it."""


class LavaRunError(SpikewrightError):
    """A Lava run raised, died or outlived its deadline; carries Lava's own words."""


class WorkerError(SpikewrightError):
    """A worker process of a simulation died; carries its last words."""
