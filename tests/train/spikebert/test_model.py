"""SpikeBERT: interface, options, and a guard for each defect of the public code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import snntorch
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from spikewright.errors import ConfigError, InputError
from spikewright.train.auto import register_auto_classes
from spikewright.train.spikebert.block import SpikingAttention, distance_levels
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.layout import lay_out
from spikewright.train.spikebert.model import (
    SpikeBertForSequenceClassification,
    SpikeBertModel,
)
from spikewright.train.spikebert.neuron import SpikingNeuron, fires_above
from spikewright.train.spikebert.rates import mean_rate, spike_rates

Make = Callable[..., SpikeBertForSequenceClassification]
SMALL: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 128,
    "num_labels": 3,
}
POSITIONS = ("none", "learned", "log-distance")


def _small(seed: int = 0, **options: Any) -> SpikeBertForSequenceClassification:
    torch.manual_seed(seed)
    config = SpikeBertConfig(**{**SMALL, **options})
    model = SpikeBertForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:  # trained norms; at 1 and 0 few neurons are busy
                parameter.add_(torch.rand_like(parameter))
    return model.eval()


def _batch(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random ids and the mask of samples of these lengths."""
    generator = torch.Generator().manual_seed(7)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return torch.randint(5, 60, mask.shape, generator=generator) * mask, mask


def _logits(model: torch.nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(*inputs).logits
    return logits


# --- as published --------------------------------------------------------------------


@pytest.mark.slow
def test_the_published_size_runs_and_has_its_parameters() -> None:
    config = SpikeBertConfig.as_published()
    model = SpikeBertForSequenceClassification(config)
    # Words 28,996 x 768; a block 12 x 768^2 weights, 9 x 768 biases and 18 x 768 of
    # norms; the last norm 2 x 768; the classifier 2 x 768 + 2. Together 107.5 M.
    block = 12 * 768**2 + 9 * 768 + 18 * 768
    expected = 28996 * 768 + 12 * block + 2 * 768 + 2 * 768 + 2
    assert sum(each.numel() for each in model.parameters()) == expected == 107_455_490
    output = model(torch.randint(0, 28996, (2, 8)), output_hidden_states=True)
    output.logits.sum().backward()
    assert output.logits.shape == (2, 2)
    assert [each.shape for each in output.hidden_states] == [(2, 8, 768)] * 13
    assert all(each.grad is not None for each in model.parameters())


def test_the_published_form_is_one_call() -> None:
    config = SpikeBertConfig.as_published()
    form = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    assert form == (12, 768, 8)
    assert (config.steps, config.beta, config.leak) == (4, 0.5, "divided")
    assert (config.threshold, config.attention_threshold) == (1.0, 0.5)
    assert (config.counts_scale, config.ties) == (0.125, "fire")
    assert (config.positions, config.pad_mask) == ("none", False)
    paper = SpikeBertConfig.as_published(beta=0.9, attention_threshold=0.25)
    assert (paper.beta, paper.attention_threshold, paper.pad_mask) == (0.9, 0.25, False)


def test_the_published_form_knows_neither_order_nor_padding() -> None:
    model = _small(positions="none", pad_mask=False, ties="fire")
    ids, mask = _batch(6)
    torch.testing.assert_close(_logits(model, ids), _logits(model, ids.flip(1)))
    padded = torch.nn.functional.pad(ids, (0, 6))
    longer = _logits(model, padded, torch.nn.functional.pad(mask, (0, 6)))
    assert (longer - _logits(model, ids, mask)).abs().max() > 1e-3


# --- order and padding ---------------------------------------------------------------


@pytest.mark.parametrize("positions", ["learned", "log-distance"])
@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
def test_word_order_matters_with_positions(positions: str, order: list[int]) -> None:
    model = _small(positions=positions, distance_levels=6)
    ids, _ = _batch(6)
    difference = _logits(model, ids) - _logits(model, ids[:, order])
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("norm", ["layer", "channel"])
@pytest.mark.parametrize("readout", ["mean", "first"])
@pytest.mark.parametrize("attention", ["ssa", "sdsa"])
def test_padding_changes_no_bit(
    positions: str, norm: str, readout: str, attention: str
) -> None:
    if (attention, positions) == ("sdsa", "log-distance"):
        pytest.skip("no scores to add a distance to")
    options = {"positions": positions, "norm": norm, "readout": readout}
    model = _small(attention=attention, attention_threshold=0.2, **options)
    ids, mask = _batch(9, 16, 4)
    expected = _logits(model, ids, mask)
    for length in (32, 64, 128):
        added = (0, length - 16)
        padded = [torch.nn.functional.pad(each, added) for each in (ids, mask)]
        padded[0][mask.sum() :] = 3  # whatever stands there
        assert torch.equal(_logits(model, *padded), expected)


def test_padding_on_the_left_changes_no_bit() -> None:
    model = _small(positions="log-distance")
    ids, mask = _batch(9, 16)
    left = [torch.nn.functional.pad(each, (5, 0)) for each in (ids, mask)]
    assert torch.equal(_logits(model, *left), _logits(model, ids, mask))


def test_hidden_states_are_zero_at_padding() -> None:
    ids, mask = _batch(3, 5)
    output = _small()(ids, mask, output_hidden_states=True)
    for state in output.hidden_states:
        assert state.shape == (2, 5, 24)
        assert not state[0, 3:].any()
        assert state[0, :3].any()


def test_a_sentence_without_tokens_is_refused() -> None:
    ids, mask = _batch(3, 5)
    mask[0] = 0
    with pytest.raises(InputError, match="holds no token; give at least one word"):
        _small()(ids, mask)


def test_a_sentence_longer_than_the_places_is_refused() -> None:
    ids, mask = _batch(9)
    with pytest.raises(InputError, match="9 tokens; this SpikeBERT has places for 1 t"):
        _small(max_position_embeddings=8)(ids, mask)
    assert _small(max_position_embeddings=8, positions="none")(ids, mask) is not None


# --- attention -----------------------------------------------------------------------


def _spikes(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return (torch.rand(shape, generator=generator) < 0.5).float()


@pytest.mark.parametrize("positions", ["none", "log-distance"])
def test_attention_equals_a_loop_over_heads_and_tokens(positions: str) -> None:
    # The public code mixed token and channel axes of q, k, v until November 2023.
    config = SpikeBertConfig(**SMALL, positions=positions, leak="undivided")
    attention, layout = SpikingAttention(config), lay_out(torch.ones(2, 5).bool())
    q, k, v = _spikes(3, 4, 10, 24)
    found = attention._similarity(q, k, v, layout)
    width, levels = 24 // 3, config.distance_levels
    for t, sample, i, c in torch.cartesian_prod(
        torch.arange(1), torch.arange(2), torch.arange(5), torch.arange(24)
    ).tolist():
        head, count = c // width, 0.0
        of_head = slice(head * width, (head + 1) * width)
        for j in range(5):
            score = float(q[t, sample * 5 + i, of_head] @ k[t, sample * 5 + j, of_head])
            looks_there = j <= i if head < 2 else j >= i  # of 3 heads 2 look left
            if positions == "log-distance" and looks_there:
                score += max(0, levels - abs(i - j).bit_length())
            count += score * float(v[t, sample * 5 + j, c])
        # From rest and undivided: v = 0.125 count, and the threshold is 0.5.
        assert found[t, sample * 5 + i, c] == (0.125 * count > 0.5)


def test_distance_levels_by_hand() -> None:
    # ceil(log2(1 + d)) of d = 0 … 8 is 0 1 2 2 3 3 3 3 4.
    assert distance_levels(9, 3)[0].tolist() == [3, 2, 1, 1, 0, 0, 0, 0, 0]


def test_spike_driven_attention_is_and_or_and() -> None:
    # tau 2 and threshold 0.5: one coincidence gives v = 0.5, a tie, which fires.
    config = SpikeBertConfig(
        **SMALL, attention="sdsa", attention_threshold=0.5, ties="fire"
    )
    attention, layout = SpikingAttention(config), lay_out(torch.ones(2, 5).bool())
    q, k, v = _spikes(3, 4, 10, 24) * (torch.arange(24) % 3 > 0)
    by_sample = (k * v).unflatten(1, (2, 5)).amax(dim=2).repeat_interleave(5, dim=1)
    assert 0 < by_sample.mean() < 1
    assert torch.equal(attention._gated(q, k, v, layout), q * by_sample)


# --- neurons -------------------------------------------------------------------------


def _stepped(neuron: snntorch.Leaky, current: torch.Tensor) -> torch.Tensor:
    v, spikes = neuron.reset_mem(), []
    for a in current:
        s, v = neuron(a, v)
        spikes.append(s)
    return torch.stack(spikes)


@pytest.mark.parametrize("surrogate", ["atan", "fast_sigmoid"])
@pytest.mark.parametrize("ties", ["silent", "fire"])
@pytest.mark.parametrize("leak", ["divided", "undivided"])
@pytest.mark.parametrize("threshold", [1.0, 0.25, 0.3])
def test_the_neuron_is_snntorchs_to_the_bit(
    surrogate: str, ties: str, leak: str, threshold: float
) -> None:
    sharpness = 2.0 if surrogate == "atan" else 25.0
    options = {"surrogate": surrogate, "ties": ties, "leak": leak, "beta": 0.5}
    config = SpikeBertConfig(sharpness=sharpness, **options)
    neuron = SpikingNeuron(config, threshold=threshold)
    current = torch.randint(-6, 16, (20, 300)) / 8  # meets thresholds exactly
    current[:, 150:] += torch.randn(20, 150)
    results = []
    for run in (neuron, lambda a: _stepped(neuron.as_snntorch(), a * neuron.drive)):
        leaf = current.clone().requires_grad_()
        spikes = run(leaf)
        (spikes * current.cos()).sum().backward()
        results.append((spikes, leaf.grad))
    (ours, our_grad), (theirs, their_grad) = results
    assert 0 < ours.sum() < ours.numel()
    assert torch.equal(ours, theirs)
    assert torch.equal(our_grad, their_grad)


def test_ties_fire_as_in_the_published_code_or_stay_silent() -> None:
    # beta = 0.5, divided: v = 1 at a = 2, the threshold itself.
    for ties, expected in (("fire", 1.0), ("silent", 0.0)):
        neuron = SpikingNeuron(SpikeBertConfig(ties=ties), threshold=1.0)
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            assert neuron(torch.tensor([2.0], dtype=dtype)).item() == expected
    # Nothing lies between: 1 - 2**-53 is the double before 1 and must not fire.
    below = fires_above(1.0, "fire", torch.float64)
    assert below == 1.0 - 2.0**-53


def test_divided_and_undivided_leaks_are_one_neuron_at_other_thresholds() -> None:
    # v/tau against 1 is v against tau: with tau 2 both are exact in binary.
    current = torch.randint(-8, 24, (30, 500)) / 8
    divided = SpikingNeuron(SpikeBertConfig(beta=0.5), threshold=1.0)
    undivided = SpikingNeuron(SpikeBertConfig(beta=0.5, leak="undivided"), threshold=2)
    assert torch.equal(divided(current), undivided(current))


def test_the_firing_floor() -> None:
    # Constant input needs 1 / (1 - beta^T) to fire once: tau 2, T 4: 1.0667;
    # tau 10, T 4: 2.908.
    for beta, floor in ((0.5, 1.0667), (0.9, 2.908)):
        neuron = SpikingNeuron(SpikeBertConfig(beta=beta), threshold=1.0)
        constant = torch.tensor([floor - 0.001, floor + 0.001]).expand(4, 2)
        assert neuron(constant).sum(dim=0).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("beta", "threshold", "least"),
    [(0.5, 0.5, 8), (0.9, 0.5, 40), (0.5, 0.25, 4), (0.9, 0.25, 20)],
)
def test_attention_fires_from_rest_at_the_published_counts(
    beta: float, threshold: float, least: int
) -> None:
    # V = 0.125 count / tau meets the threshold at 8 tau threshold coincidences.
    config = SpikeBertConfig(beta=beta, ties="fire")
    neuron = SpikingNeuron(config, threshold=threshold)
    for dtype in (torch.float32, torch.float64):
        counts = torch.tensor([[least - 1.0, least]], dtype=dtype)
        assert neuron(counts * config.counts_scale).tolist() == [[0, 1]]


def test_rates_at_the_start_tell_a_silent_model() -> None:
    ids, mask = _batch(30, 20)
    torch.manual_seed(0)
    means = []
    for beta in (0.5, 0.9):
        config = SpikeBertConfig(**{**SMALL, "hidden_size": 96}, beta=beta)
        model = SpikeBertForSequenceClassification(config).train()
        rates = spike_rates(model, ids, mask)
        assert model.training
        # Of 2 blocks: query, key, value, counts, output, expand, contract.
        assert len(rates) == 14
        means.append(mean_rate(rates))
    assert means[1] < 0.02 < means[0] < 0.3


def test_the_input_is_the_sign_of_the_embedding_at_every_step() -> None:
    model = _small(positions="none").spikebert
    ids = torch.arange(60)
    bits = model.encode(ids, ids)
    assert torch.equal(bits, (model.words.weight > 0).float().expand(4, -1, -1))
    bits.sum().backward()
    table = model.words.weight
    slope = 1 / (1 + (torch.pi * table).square())
    torch.testing.assert_close(table.grad, 4 * slope)


def test_a_lif_encoder_gives_other_bits_at_other_steps() -> None:
    model = _small(encoding="lif", threshold=0.3).spikebert
    ids = torch.arange(60)
    bits = model.encode(ids, ids)
    assert not torch.equal(bits[0], bits[1])


# --- transformers --------------------------------------------------------------------


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("norm", ["layer", "channel"])
def test_a_saved_model_comes_back_by_its_name(
    tmp_path: Path, positions: str, norm: str
) -> None:
    register_auto_classes()
    model, inputs = _small(positions=positions, norm=norm), _batch(4, 9)
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    back = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert isinstance(back, SpikeBertForSequenceClassification)
    assert torch.equal(_logits(back, *inputs), _logits(model, *inputs))
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, SpikeBertConfig)
    assert (config.positions, config.norm, config.num_labels) == (positions, norm, 3)
    encoder = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(encoder, SpikeBertModel)
    states = model(*inputs, output_hidden_states=True).hidden_states
    assert torch.equal(encoder(*inputs).last_hidden_state, states[-1])


def test_labels_give_the_cross_entropy() -> None:
    ids, mask = _batch(4, 9)
    labels = torch.tensor([2, 0])
    output = _small()(ids, mask, labels=labels)
    expected = torch.nn.functional.cross_entropy(output.logits, labels)
    assert torch.equal(output.loss, expected)


def test_gradient_checkpointing_changes_no_gradient() -> None:
    ids, mask = _batch(4, 9)
    gradients = []
    for checkpointed in (False, True):
        model = _small().train()
        if checkpointed:
            model.activation_checkpointing_enable()
        model(ids, mask, labels=torch.tensor([2, 0])).loss.backward()
        gradients.append([each.grad for each in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.equal(plain, recomputed)


def test_bfloat16_autocast_keeps_counts_exact() -> None:
    # 32 channels a head and 64 tokens: counts reach far beyond bfloat16's 256.
    config = SpikeBertConfig(**{**SMALL, "hidden_size": 96}, leak="undivided")
    attention, layout = SpikingAttention(config), lay_out(torch.ones(1, 64).bool())
    attention.neuron.threshold = 0.125 * 256.0
    q, k, v = _spikes(3, 1, 64, 96)
    expected = attention._similarity(q, k, v, layout)
    assert 0 < expected.mean() < 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = [each.bfloat16() for each in (q, k, v)]
        assert torch.equal(attention._similarity(*narrow, layout).float(), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": "sine"}, "positions: must be one of none, learned, log-dist"),
        ({"hidden_size": 25}, "hidden_size: 25 is no multiple of num_attention_heads"),
        ({"beta": 1.0}, "beta: must be 0 or more and below 1, got 1.0"),
        ({"steps": 0}, "steps: must be a whole number from 1, got 0"),
        ({"threshold": 0.0}, "threshold: must be above 0, got 0.0"),
        ({"attention_scale": -1.0}, "attention_scale: must be above 0, got -1.0"),
        (
            {"attention": "sdsa", "positions": "log-distance"},
            "log-distance is added to the scores of ssa, and sdsa has none",
        ),
    ],
)
def test_options_that_no_model_has(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpikeBertConfig(**{**SMALL, **options})
