"""The sizes of a deployable student."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from spikewright.errors import ConfigError

SIZES = {
    "vocab_size": 1,
    "max_tokens": 1,
    "channels": 8,
    "word_channels": 8,
    "position_channels": 8,
    "hidden": 1,
    "blocks": 1,
    "steps": 1,
    "window": 1,
    "block_window": 1,
}
"""what each size is a multiple of: bits are packed eight to a byte"""


class ChipStudentConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a `ChipStudent`."""

    model_type = "spikewright-chip"
    keys_to_ignore_at_inference = ["rate"]  # noqa: RUF012 - Trainer adds to it

    def __init__(  # noqa: PLR0913 - a configuration lists its values
        self,
        *,
        vocab_size: int = 30522,
        max_tokens: int = 64,
        channels: int = 192,
        word_channels: int | None = None,
        position_channels: int = 32,
        hidden: int = 384,
        blocks: int = 2,
        steps: int = 4,
        window: int = 3,
        block_window: int = 1,
        beta: float = 0.5,
        dropout: float = 0.1,
        packed_encoder: bool = False,
        **kwargs: Any,
    ) -> None:
        self.vocab_size, self.max_tokens = vocab_size, max_tokens
        self.channels, self.position_channels = channels, position_channels
        self.word_channels = channels if word_channels is None else word_channels
        self.hidden, self.blocks, self.steps = hidden, blocks, steps
        self.window, self.block_window = window, block_window
        self.beta, self.dropout = beta, dropout
        self.packed_encoder = packed_encoder
        self._check_sizes()
        super().__init__(**kwargs)

    def _check_sizes(self) -> None:
        for name, step in SIZES.items():
            size = getattr(self, name)
            if not isinstance(size, int) or size < step or size % step:
                raise ConfigError(
                    f"{name}: must be a multiple of {step}, {step} or more, got {size}"
                )
        if not isinstance(self.beta, int | float) or not 0 <= self.beta < 1:
            raise ConfigError(f"beta: must be 0 or more and below 1, got {self.beta}")
