"""The sizes and options of a SpikingBERT."""

from __future__ import annotations

import math
from typing import Any, Self

from transformers import PretrainedConfig

from spikewright.errors import ConfigError

CHOICES: dict[str, tuple[str, ...]] = {
    "ties": ("silent", "fire"),
    "nonlinear_reads": ("rates", "spikes"),
    "attention": ("softmax", "sdsa"),
    "norm": ("layer", "channel", "none"),
    "activation": ("gelu", "clamp"),
    "readout": ("first", "mean"),
    "feedback": ("none", "learned"),
    "training_rates": ("equilibrium", "spikes"),
}
"""what each option may be"""

SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
    *("steps", "solver_evaluations"),
)


class SpikingBertConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes and options of a SpikingBERT; the defaults mend the published form.

    Args:
        vocab_size: words of the embedding.
        hidden_size: D.
        num_hidden_layers: N, blocks.
        num_attention_heads: h of softmax attention; D must be a multiple of it.
        intermediate_size: width inside the perceptron, 4 D if None.
        max_position_embeddings: places.
        type_vocab_size: segments.
        steps: T of a run of spikes.
        decay: lambda of every neuron; 1, no leak, lets rates settle without an offset.
        threshold: theta of every neuron.
        start: membrane potential before the first step, in thresholds; 0.5 rounds a
            rate to the nearest of 0/T … T/T, 0, as published, rounds down.
        ties: what a neuron does at v = threshold: "silent", as snnTorch's, or "fire",
            as the published code: snnTorch's at the float just below.
        nonlinear_reads: what softmax, LayerNorm and GELU are taken of: the "rates" so
            far, so that rates settle where the equilibrium is, or, as published, the
            "spikes" of the step. Maps that are linear read spikes in either case.
        attention: "softmax", softmax(q k / sqrt(d)) v, or "sdsa", spike-driven:
            q AND [sum over tokens of k AND v], each AND a neuron of bias -theta.
        norm: "layer", per token, where published; "channel", at every projection,
            which folds into the weights; or "none".
        activation: of the perceptron's input: "gelu" or "clamp", the neuron's own.
        readout: the "first" token or the "mean" of all.
        feedback: "none", or "learned": the last layer feeds the first.
        training_rates: rates that the forward pass has in training: those of the
            "equilibrium", or of the "spikes" of T steps; gradients are the former's.
        dropout: of the input current and before the classifier, in training.
        kwargs: of `PretrainedConfig`, such as id2label; and `attention_scale`, what a
            token adds to the gate of sdsa before training, 0.25; `feedback_limit`, the
            largest Frobenius norm of the feedback's weights, 0.1; `solver_tolerance`,
            the largest residual of an equilibrium with feedback, 1e-5;
            `solver_evaluations`, after which a solver gives up, 60.

    Raises:
        ConfigError: an option or size that no SpikingBERT has.
    """

    model_type = "spikingbert"
    keys_to_ignore_at_inference = ["hidden_states", "scores"]  # noqa: RUF012 - Trainer adds

    def __init__(  # noqa: PLR0913 - a configuration lists its values
        self,
        *,
        vocab_size: int = 30522,
        hidden_size: int = 768,
        num_hidden_layers: int = 4,
        num_attention_heads: int = 12,
        intermediate_size: int | None = None,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        steps: int = 16,
        decay: float = 1.0,
        threshold: float = 1.0,
        start: float = 0.5,
        ties: str = "silent",
        nonlinear_reads: str = "rates",
        attention: str = "softmax",
        norm: str = "layer",
        activation: str = "gelu",
        readout: str = "first",
        feedback: str = "none",
        training_rates: str = "equilibrium",
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.vocab_size, self.readout, self.feedback = vocab_size, readout, feedback
        self.num_hidden_layers, self.hidden_size = num_hidden_layers, hidden_size
        self.num_attention_heads, self.attention = num_attention_heads, attention
        self.intermediate_size = intermediate_size or 4 * hidden_size
        self.max_position_embeddings, self.norm = max_position_embeddings, norm
        self.type_vocab_size, self.activation = type_vocab_size, activation
        self.steps, self.decay, self.threshold = steps, decay, threshold
        self.start, self.ties, self.dropout = start, ties, dropout
        self.nonlinear_reads, self.training_rates = nonlinear_reads, training_rates
        self.attention_scale: float = kwargs.pop("attention_scale", 0.25)
        self.feedback_limit: float = kwargs.pop("feedback_limit", 0.1)
        self.solver_tolerance: float = kwargs.pop("solver_tolerance", 1e-5)
        self.solver_evaluations: int = kwargs.pop("solver_evaluations", 60)
        self._check()
        super().__init__(**kwargs)

    @classmethod
    def as_published(cls, **changes: Any) -> Self:
        """Return the public code's form; its T is 100 by default and 125 in its README.

        Raises:
            ConfigError: an option or size that no SpikingBERT has.
        """
        published = {"start": 0.0, "ties": "fire", "nonlinear_reads": "spikes"}
        return cls(**{**published, "steps": 125, **changes})

    @classmethod
    def for_chip(cls, **changes: Any) -> Self:
        """Return a form that exports: linear maps and neurons alone.

        Raises:
            ConfigError: an option or size that no SpikingBERT has.
        """
        legal = {"attention": "sdsa", "norm": "channel", "activation": "clamp"}
        return cls(**{**legal, "readout": "mean", **changes})

    def _check(self) -> None:
        for name in SIZES:
            size = getattr(self, name)
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ConfigError(f"{name}: must be a whole number from 1, got {size}")
        if self.attention == "softmax" and self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"hidden_size: {self.hidden_size} is no multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise ConfigError(
                    f"{name}: must be one of {', '.join(allowed)}; got {value!r}"
                )
        self._check_numbers()

    def _check_numbers(self) -> None:
        _check_number("decay", self.decay, 0 < self.decay <= 1, "above 0, at most 1")
        _check_number("start", self.start, 0 <= self.start < 1, "0 or more and below 1")
        fits = 0 <= self.dropout < 1
        _check_number("dropout", self.dropout, fits, "0 or more and below 1")
        for name in (
            *("threshold", "attention_scale", "feedback_limit", "solver_tolerance"),
        ):
            value = getattr(self, name)
            _check_number(name, value, 0 < value < math.inf, "above 0")


def _check_number(name: str, value: float, fits: bool, allowed: str) -> None:
    if not fits:
        raise ConfigError(f"{name}: must be {allowed}, got {value}")
