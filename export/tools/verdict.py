"""What is said of a tool that shall load a graph."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What a user of the tool sees."""

    RAISES = "an error"
    DIFFERS = "other outputs"
    MAY_DIFFER = "other spikes now and then"
    HANGS = "it never ends"


@dataclass(frozen=True)
class Obstacle:
    """Why a tool does not load a graph exactly."""

    node: str
    reason: str
    """goes on where "node 'name'" ends"""
    effect: Effect


@dataclass(frozen=True)
class ToolVerdict:
    """Whether a tool computes of a file what NIR says; see docs/interchange.md."""

    tool: str
    version: str
    obstacles: tuple[Obstacle, ...]

    @property
    def loads(self) -> bool:
        """Whether the file loads and every output is as NIR says."""
        return not self.obstacles
