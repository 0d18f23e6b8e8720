"""The scores of a BERT's attention before its softmax."""

from __future__ import annotations

import math
import re
from types import TracebackType
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from spikewright.errors import ConfigError

_PART = re.compile(r"(?:.*\.)?layer\.(\d+)\..*\b(query|key)")


class TeacherScores:
    """Listens to the projections of query and key while the teacher runs.

    Used as `with TeacherScores(teacher) as heard: teacher(…)`, then `heard.scores(l)`.

    Raises:
        ConfigError: the teacher's layers have no such projections.
    """

    def __init__(self, teacher: PreTrainedModel) -> None:
        self.heads: int = teacher.config.num_attention_heads
        self.parts: dict[tuple[int, str], nn.Module] = {}
        for name, module in teacher.named_modules():
            if (found := _PART.fullmatch(name)) and isinstance(module, nn.Linear):
                self.parts[int(found[1]), found[2]] = module
        layers = teacher.config.num_hidden_layers
        wanted = {(i, part) for i in range(layers) for part in ("query", "key")}
        if set(self.parts) != wanted:
            raise ConfigError(
                f"score_weight: teacher {type(teacher).__name__} has no query and key "
                "in each layer, as a BERT has; set score_weight = 0"
            )
        self.heard: dict[tuple[int, str], torch.Tensor] = {}
        self.hooks: list[Any] = []

    def __enter__(self) -> TeacherScores:
        """Begin to listen."""
        for place, module in self.parts.items():

            def note(
                module: Any, given: Any, found: Any, place: tuple[int, str] = place
            ) -> None:
                self.heard[place] = found

            self.hooks.append(module.register_forward_hook(note))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no longer."""
        for hook in self.hooks:
            hook.remove()
        self.hooks.clear()

    def scores(self, layer: int) -> torch.Tensor:
        """Return q k / sqrt(d) of a layer, from 1: (samples, heads, tokens, tokens)."""
        q, k = (self._by_head(layer - 1, part) for part in ("query", "key"))
        return q @ k.mT / math.sqrt(q.shape[-1])

    def _by_head(self, layer: int, part: str) -> torch.Tensor:
        row = self.heard[layer, part]
        return row.view(*row.shape[:2], self.heads, -1).transpose(1, 2)
