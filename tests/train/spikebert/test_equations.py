"""The whole forward pass against the equations, written again in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikebert.neuron import SpikingNeuron

Array = npt.NDArray[np.float64]
Spikes = dict[str, Array]


class Equations:
    """One sentence, one token after the other, in float64; nothing of torch."""

    def __init__(self, config: SpikeBertConfig, weights: dict[str, Array]) -> None:
        self.config, self.weights = config, weights
        self.spikes: Spikes = {}

    def h(self, x: Array) -> Array:
        return (x >= 0 if self.config.ties == "fire" else x > 0).astype(float)

    def lif(self, name: str, current: Array, threshold: float) -> Array:
        """V += (I - V) / tau, as the paper has it; (steps, tokens, width)."""
        tau = 1 / (1 - self.config.beta)
        v, out = np.zeros_like(current[0]), np.zeros_like(current)
        for t, now in enumerate(current):
            if self.config.leak == "divided":
                v = v + (now - v) / tau
            else:
                v = v * self.config.beta + now
            out[t] = self.h(v - threshold)
            v = v * (1 - out[t])
        self.spikes[name] = out
        return out

    def norm(self, name: str, x: Array) -> Array:
        w, b = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if self.config.norm == "channel":
            mean, variance = (
                self.weights[f"{name}.{key}"] for key in ("mean", "variance")
            )
        else:
            mean = x.mean(-1, keepdims=True)
            variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5) * w + b

    def project(self, name: str, x: Array) -> Array:
        w = self.weights[f"{name}.linear.weight"]
        y = x @ w.T + self.weights[f"{name}.linear.bias"]
        return self.lif(name, self.norm(f"{name}.norm", y), self.config.threshold)

    def counts(self, q: Array, k: Array, v: Array) -> Array:
        steps, tokens, width = q.shape
        heads = self.config.num_attention_heads
        d, out = width // heads, np.zeros_like(q)
        for t in range(steps):
            for h in range(heads):
                part = slice(h * d, (h + 1) * d)
                for i in range(tokens):
                    for j in range(tokens):
                        score = q[t, i, part] @ k[t, j, part] + self.nearness(h, i, j)
                        out[t, i, part] += score * v[t, j, part]
        return out

    def nearness(self, head: int, i: int, j: int) -> float:
        if self.config.positions != "log-distance":
            return 0.0
        looks_left = head < (self.config.num_attention_heads + 1) // 2
        if (j > i) if looks_left else (j < i):
            return 0.0
        return max(0.0, self.config.distance_levels - np.ceil(np.log2(1 + abs(i - j))))

    def attention(self, name: str, x: Array) -> Array:
        q, k, v = (self.project(f"{name}.{n}", x) for n in ("query", "key", "value"))
        threshold = self.config.attention_threshold
        if self.config.attention == "ssa":
            y = self.lif(f"{name}", 0.125 * self.counts(q, k, v), threshold)
        else:
            gate = self.lif(f"{name}", (k * v).sum(1, keepdims=True), threshold)
            y = q * gate
        return self.project(f"{name}.output", y)

    def logits(self, ids: list[int]) -> Array:
        table = self.weights["spikebert.words.weight"][ids]
        if self.config.positions == "learned":
            table = table + self.weights["spikebert.places.weight"][: len(ids)]
        x = np.stack([table] * self.config.steps)
        if self.config.encoding == "heaviside":
            x = self.h(x)
        else:
            x = self.lif("spikebert.encoder", x, self.config.threshold)
        for i in range(self.config.num_hidden_layers):
            block = f"spikebert.blocks.{i}"
            x = x + self.attention(f"{block}.attention", x)
            x = x + self.project(
                f"{block}.contract", self.project(f"{block}.expand", x)
            )
            assert (x == np.round(x)).all()
            assert x.max() <= 2 * (i + 1) + 1
        x = self.norm("norm", x)
        pooled = x.mean(1) if self.config.readout == "mean" else x[:, 0]
        w, b = self.weights["classifier.weight"], self.weights["classifier.bias"]
        return (pooled @ w.T + b).mean(0)  # type: ignore[no-any-return]


def _random_model(config: SpikeBertConfig) -> SpikeBertForSequenceClassification:
    """Return a model whose every parameter matters, in float64."""
    torch.manual_seed(1)
    model = SpikeBertForSequenceClassification(config).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.uniform_(0.5, 2.5)
            elif name.endswith("bias"):
                parameter.uniform_(-0.5, 1.0)
            elif "linear" in name:
                parameter.normal_(std=0.3)
        for module in model.modules():
            if isinstance(module, FoldableNorm):
                module.mean.normal_(std=0.3)
                module.variance.uniform_(0.3, 2.0)
    return model


def _recorded(
    model: SpikeBertForSequenceClassification, ids: list[int]
) -> tuple[Spikes, Array]:
    spikes: Spikes = {}

    def note(name: str) -> Any:
        def hook(module: Any, given: Any, out: torch.Tensor) -> None:
            spikes[name.removesuffix(".neuron")] = out.numpy()

        return hook

    for name, module in model.named_modules():
        if isinstance(module, SpikingNeuron):
            module.register_forward_hook(note(name))
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits
    return spikes, logits.numpy()[0]


@pytest.mark.parametrize(
    "options",
    [
        {"positions": "none", "pad_mask": False, "ties": "fire"},  # as published
        # Thresholds that no count meets but for a rounding, which would then decide.
        {"beta": 0.9, "threshold": 0.2999, "attention_threshold": 0.0301},
        {"positions": "learned", "leak": "undivided", "readout": "first"},
        {"positions": "log-distance", "norm": "channel"},
        {"attention": "sdsa", "encoding": "lif", "ties": "fire"},
        {"attention": "sdsa", "norm": "channel", "attention_threshold": 0.2},
    ],
    ids=lambda options: " ".join(str(each) for each in options.values()),
)
def test_every_spike_is_that_of_the_equations(options: dict[str, Any]) -> None:
    config = SpikeBertConfig(
        vocab_size=40,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_labels=3,
        max_position_embeddings=16,
        **options,
    )
    model = _random_model(config)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    ids = [7, 3, 3, 21, 39, 0, 11]
    equations = Equations(config, weights)
    expected = equations.logits(ids)
    spikes, logits = _recorded(model, ids)
    assert spikes.keys() == equations.spikes.keys()
    for name, each in spikes.items():
        assert 0 < each.mean() < 1, name
        wanted = equations.spikes[name].reshape(each.shape)
        assert (each != wanted).sum() == 0, name
    np.testing.assert_allclose(logits, expected, rtol=1e-12)
