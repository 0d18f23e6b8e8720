"""The sizes and options of a SpikeBERT."""

from __future__ import annotations

import math
from typing import Any, Self

from transformers import PretrainedConfig

from spikewright.errors import ConfigError
from spikewright.train.neurons.leaky import SURROGATES

CHOICES: dict[str, tuple[str, ...]] = {
    "leak": ("divided", "undivided"),
    "ties": ("silent", "fire"),
    "surrogate": tuple(SURROGATES),
    "encoding": ("heaviside", "lif"),
    "positions": ("none", "learned", "log-distance"),
    "norm": ("layer", "channel"),
    "attention": ("ssa", "sdsa"),
    "readout": ("mean", "first"),
}
"""what each option may be"""

SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "steps", "distance_levels"),
)


class SpikeBertConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes and options of a SpikeBERT; the defaults mend the published form.

    Args:
        vocab_size: words of the embedding.
        hidden_size: D, the width of the residual stream.
        num_hidden_layers: N, blocks.
        num_attention_heads: h; D must be a multiple of it.
        intermediate_size: width inside the perceptron, 4 D if None.
        max_position_embeddings: places of `positions = "learned"`.
        steps: T.
        beta: decay of every neuron, 1 - 1/tau.
        leak: "divided", v = beta v + (1 - beta) a, as published, or "undivided",
            v = beta v + a, which is the same neuron at threshold / (1 - beta).
        threshold: of every neuron but the one of attention.
        attention_threshold: of the neuron that reads the attention's counts.
        attention_scale: of the counts; None is 0.125 for ssa and 1 for sdsa.
        ties: what a neuron does at v = threshold: "silent", as snnTorch's, or
            "fire", as the published code: snnTorch's at the float just below.
        surrogate: of the spike's gradient, "atan" or "fast_sigmoid".
        sharpness: alpha of atan, slope of fast_sigmoid.
        encoding: "heaviside", the same bits at every step, or "lif", the spikes of
            a neuron that integrates the embedding.
        positions: "none"; "learned", a table added to the words'; "log-distance",
            a fixed integer added to the counts, larger for nearer tokens, toward
            the left in one half of the heads and toward the right in the other.
        distance_levels: largest such integer.
        pad_mask: leave padding out of attention and readout.
        norm: "layer", per token, or "channel", which folds into the weights.
        attention: "ssa", (Q K^T) V, or "sdsa", Q AND [sum over tokens of K AND V].
        readout: "mean" of the tokens or the "first" token.
        classifier_dropout: before the classifier, in training.
        kwargs: of `PretrainedConfig`, such as id2label.

    Raises:
        ConfigError: an option or size that no SpikeBERT has.
    """

    model_type = "spikebert"
    keys_to_ignore_at_inference = ["hidden_states"]  # noqa: RUF012 - Trainer adds to it

    def __init__(  # noqa: PLR0913 - a configuration lists its values
        self,
        *,
        vocab_size: int = 30522,
        hidden_size: int = 768,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 8,
        intermediate_size: int | None = None,
        max_position_embeddings: int = 512,
        steps: int = 4,
        beta: float = 0.5,
        leak: str = "divided",
        threshold: float = 1.0,
        attention_threshold: float = 0.5,
        attention_scale: float | None = None,
        ties: str = "silent",
        surrogate: str = "atan",
        sharpness: float = 2.0,
        encoding: str = "heaviside",
        positions: str = "learned",
        distance_levels: int = 4,
        pad_mask: bool = True,
        norm: str = "layer",
        attention: str = "ssa",
        readout: str = "mean",
        classifier_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.vocab_size, self.readout, self.pad_mask = vocab_size, readout, pad_mask
        self.num_hidden_layers, self.hidden_size = num_hidden_layers, hidden_size
        self.num_attention_heads, self.attention = num_attention_heads, attention
        self.attention_scale, self.distance_levels = attention_scale, distance_levels
        self.intermediate_size = intermediate_size or 4 * hidden_size
        self.max_position_embeddings, self.norm = max_position_embeddings, norm
        self.steps, self.beta, self.leak, self.ties = steps, beta, leak, ties
        self.threshold, self.attention_threshold = threshold, attention_threshold
        self.surrogate, self.sharpness, self.encoding = surrogate, sharpness, encoding
        self.classifier_dropout, self.positions = classifier_dropout, positions
        self._check()
        super().__init__(**kwargs)

    @classmethod
    def as_published(cls, **changes: Any) -> Self:
        """Return the public code's form: no positions, no mask, ties fire.

        Depth 12, T 4, tau 2 and the attention's threshold 0.5 are those of its second
        script; the paper itself is said to have beta=0.9, attention_threshold=0.25.

        Raises:
            ConfigError: an option or size that no SpikeBERT has.
        """
        published = {"vocab_size": 28996, "positions": "none", "pad_mask": False}
        return cls(**{**published, "ties": "fire", **changes})

    @property
    def counts_scale(self) -> float:
        """Return what the attention's counts are multiplied by."""
        if self.attention_scale is not None:
            return self.attention_scale
        return 0.125 if self.attention == "ssa" else 1.0

    def _check(self) -> None:
        self._check_sizes()
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise ConfigError(
                    f"{name}: must be one of {', '.join(allowed)}; got {value!r}"
                )
        if self.attention == "sdsa" and self.positions == "log-distance":
            raise ConfigError(
                "positions: log-distance is added to the scores of ssa, and sdsa has "
                "none; choose learned positions or attention ssa"
            )

    def _check_sizes(self) -> None:
        for name in SIZES:
            size = getattr(self, name)
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ConfigError(f"{name}: must be a whole number from 1, got {size}")
        if self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"hidden_size: {self.hidden_size} is no multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        _check_number("beta", self.beta, 0 <= self.beta < 1, "0 or more and below 1")
        for name in ("threshold", "attention_threshold", "sharpness"):
            value = getattr(self, name)
            _check_number(name, value, 0 < value < math.inf, "above 0")
        scale, dropout = self.counts_scale, self.classifier_dropout
        _check_number("attention_scale", scale, 0 < scale < math.inf, "above 0")
        _check_number("classifier_dropout", dropout, 0 <= dropout < 1, "0 to below 1")


def _check_number(name: str, value: float, fits: bool, allowed: str) -> None:
    if not fits:
        raise ConfigError(f"{name}: must be {allowed}, got {value}")
