"""A SpikingBERT as a transformers model: its equations, saved, loaded, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from spikewright.errors import ConfigError, InputError
from spikewright.train.auto import register_auto_classes
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.load import load_spikingbert

CHIP = {"attention": "sdsa", "norm": "channel", "activation": "clamp"}
Batch = dict[str, torch.Tensor]


def _clamp(v: Any) -> Any:
    return np.clip(v, 0.0, 1.0)


def _norm(x: Any) -> Any:
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5)


def test_rates_follow_the_published_equations(make: Any, batch: Batch) -> None:
    # Sentence 0 has 3 tokens, 3 heads of 8 channels: every sum written out in numpy.
    model = make(num_hidden_layers=1)
    encoder = model.spikingbert
    layout = encoder.lay_out(**batch)
    with torch.no_grad():
        x = encoder.current(batch["input_ids"], layout)
        found = encoder.find_rates(layout, x, "equilibrium")
    state = {k: v.numpy() for k, v in encoder.network.blocks[0].state_dict().items()}

    def linear(name: str, s: Any) -> Any:
        return s @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    s = _clamp(x[:3].numpy())
    k, v = _clamp(linear("key.linear", s)), _clamp(linear("value.linear", s))

    def norm(name: str, v: Any) -> Any:
        return _norm(v) * state[f"{name}.norm.weight"] + state[f"{name}.norm.bias"]

    q, z = linear("mix.query", s), np.zeros_like(s)
    for head in range(3):
        part = slice(8 * head, 8 * head + 8)
        for i in range(3):
            weights = np.exp([q[i, part] @ k[j, part] / np.sqrt(8) for j in range(3)])
            z[i, part] = weights / weights.sum() @ v[:, part]
    o = _clamp(norm("output", linear("output.linear", _clamp(z)) + s))
    f = linear("expand.linear", o)
    gelu = torch.nn.functional.gelu(torch.from_numpy(f)).numpy()
    y = _clamp(norm("contract", linear("contract.linear", _clamp(gelu)) + o))
    for name, wanted in (
        ("key", k),
        ("mix", _clamp(z)),
        ("output", o),
        ("contract", y),
    ):
        rates = found[f"block0.{name}"][:3].numpy()
        np.testing.assert_allclose(rates, wanted, atol=1e-12, rtol=0, err_msg=name)
    logits = y[0] @ model.classifier.weight.detach().numpy().T
    logits += model.classifier.bias.detach().numpy()
    with torch.no_grad():
        got = model(**batch, rates="equilibrium").logits[0].numpy()
    np.testing.assert_allclose(got, logits, atol=1e-12, rtol=0)


def test_rates_of_spike_driven_attention_are_written_out(
    make: Any, batch: Batch
) -> None:
    model = make(**CHIP, num_hidden_layers=1, readout="mean", threshold=0.8)
    encoder = model.spikingbert
    layout = encoder.lay_out(**batch)
    with torch.no_grad():
        x = encoder.current(batch["input_ids"], layout)
        found = {
            k: v.numpy()
            for k, v in encoder.find_rates(layout, x, "equilibrium").items()
        }
    k, v, q = (found[f"block0.{name}"] for name in ("key", "value", "query"))
    both = np.maximum(0, k + v - 1)  # a_k + a_v - 1, whatever the threshold
    gain = encoder.network.blocks[0].gate.gain.detach().numpy()
    gate = _clamp(gain * both[3:12].sum(axis=0) / 0.8)  # sentence 1 has 9 tokens
    np.testing.assert_allclose(found["block0.both"], both, atol=1e-12)
    np.testing.assert_allclose(found["block0.gate"][1], gate, atol=1e-12)
    mixed = np.maximum(0, q[3:12] + gate - 1)
    np.testing.assert_allclose(found["block0.mix"][3:12], mixed, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {**CHIP, "readout": "mean"}], ids=str)
def test_padding_changes_nothing(make: Any, batch: Batch, options: Any) -> None:
    model = make(**options)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        wide = torch.nn.functional.pad(ids, (0, 4), value=7)
        padded = model(wide, torch.nn.functional.pad(mask, (0, 4))).logits
        assert torch.equal(model(ids, mask).logits, padded)
        alone = model(ids[:1, :3], mask[:1, :3]).logits
    torch.testing.assert_close(alone[0], padded[0], atol=1e-9, rtol=0)


def test_order_and_segments_matter(make: Any, batch: Batch) -> None:
    model = make(readout="mean")
    with torch.no_grad():
        first = model(**batch).logits
        turned = model(batch["input_ids"][1:2].flip(1)).logits
        kinds = model(
            **batch, token_type_ids=torch.ones_like(batch["input_ids"])
        ).logits
    assert not torch.allclose(first[1], turned[0])
    assert not torch.allclose(first, kinds)


@pytest.mark.parametrize("options", [{"feedback": "learned"}, CHIP], ids=str)
def test_it_saves_and_loads_whole(
    make: Any, batch: Batch, tmp_path: Path, options: Any
) -> None:
    model = make(**options).float()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    register_auto_classes()
    for again in (
        load_spikingbert(tmp_path),
        AutoModelForSequenceClassification.from_pretrained(tmp_path).eval(),
    ):
        for name, each in model.state_dict().items():
            assert torch.equal(again.state_dict()[name], each), name
        with torch.no_grad():
            assert torch.equal(again(**batch).logits, model(**batch).logits)


def test_one_class_is_a_regression(make: Any, batch: Batch) -> None:
    model = make(num_labels=1)
    labels = torch.tensor([0.5, 1.5, 2.5, 3.5], dtype=torch.float64)
    with torch.no_grad():
        output = model(**batch, labels=labels)
    assert float(output.loss) == pytest.approx(
        float((output.logits[:, 0] - labels).square().mean())
    )


def test_the_published_form_and_the_chip_s_can_be_asked_for() -> None:
    published = SpikingBertConfig.as_published()
    assert (published.steps, published.start, published.ties) == (125, 0.0, "fire")
    assert published.nonlinear_reads == "spikes"
    chip = SpikingBertConfig.for_chip(hidden_size=16, norm="none")
    assert (chip.attention, chip.norm, chip.activation) == ("sdsa", "none", "clamp")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "ssa"}, "attention: must be one of softmax, sdsa; got 'ssa'"),
        ({"norm": "batch"}, "norm: must be one of layer, channel, none"),
        ({"steps": 0}, "steps: must be a whole number from 1, got 0"),
        (
            {"hidden_size": 20},
            "hidden_size: 20 is no multiple of num_attention_heads 12",
        ),
        ({"decay": 0.0}, "decay: must be above 0, at most 1, got 0.0"),
        ({"start": 1.0}, "start: must be 0 or more and below 1"),
        ({"threshold": float("nan")}, "threshold: must be above 0, got nan"),
    ],
)
def test_refuses_what_no_spikingbert_has(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpikingBertConfig(**options)


def test_refuses_unfit_input(make: Any, batch: Batch, tmp_path: Path) -> None:
    model = make(**CHIP)
    with pytest.raises(InputError, match="17 tokens; this SpikingBERT has places for"):
        model(torch.ones(1, 17, dtype=torch.int64))
    with pytest.raises(InputError, match="one of equilibrium, spikes; got 'floats'"):
        model(**batch, rates="floats")
    with pytest.raises(InputError, match="sdsa has no scores"):
        model(**batch, output_scores=True)
    (tmp_path / "config.json").write_text('{"model_type": "spikebert"}')
    with pytest.raises(InputError, match="expected 'spikingbert'"):
        load_spikingbert(tmp_path)
