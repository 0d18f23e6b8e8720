"""A SpikeBERT in compiled loops computes what it computes in eager torch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from spikewright.train.neurons.compiled import compile_neurons, has_compiler
from spikewright.train.neurons.compiled_layers import by_head, fire, layer_leaky
from spikewright.train.neurons.leaky import spike
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.layout import lay_out
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_compiler(), reason="no C++ compiler: install g++"),
]


@pytest.mark.parametrize(
    ("drive", "beta", "threshold", "surrogate"),
    [(0.5, 0.5, 1.0, "atan"), (0.1, 0.9, 0.25, "atan"), (1.0, 0.75, 1, "fast_sigmoid")],
)
def test_spikes_and_gradients_are_those_of_eager_torch_to_the_bit(
    drive: float, beta: float, threshold: float, surrogate: str
) -> None:
    torch.manual_seed(0)
    # Multiples of 1/8 meet thresholds; random numbers are rounded in every operation.
    current = torch.cat(
        [torch.randint(-16, 33, (4, 50, 19)) / 8, torch.randn(4, 9, 19)], 1
    )
    weights = torch.randn(current.shape)
    eager, ours = (current.clone().requires_grad_() for _ in range(2))
    spikes = spike(
        eager * drive,
        beta=beta,
        threshold=threshold,
        surrogate=surrogate,
        sharpness=2.0,
    )
    found = fire(ours, (drive, beta, threshold, surrogate, 2.0))
    (spikes * weights).sum().backward()
    (found * weights).sum().backward()
    assert 0 < spikes.sum() < spikes.numel()
    assert torch.equal(found, spikes)
    assert eager.grad is not None
    assert ours.grad is not None
    assert torch.equal(ours.grad, eager.grad)


@pytest.mark.parametrize("adds", [False, True])
def test_layer_norm_and_neuron_in_one_loop(adds: bool) -> None:
    torch.manual_seed(0)
    given = [torch.randn(4, 21, 33), torch.rand(33) + 1, torch.randn(33) / 4]
    if adds:
        given.append(torch.randint(0, 5, (4, 21, 33)).float())
    weights, found = torch.randn(4, 21, 33), list[Any]()
    for is_compiled in (False, True):
        z, gain, bias, *more = leaves = [x.clone().requires_grad_() for x in given]
        residual = more[0] if more else None
        if is_compiled:
            numbers = (0.5, 0.5, 0.7, "atan", 2.0)
            out = layer_leaky(z, (gain, bias, 1e-5), numbers, residual)
        else:
            normed = nn.functional.layer_norm(z, (33,), gain, bias, 1e-5)
            out = spike(normed * 0.5, beta=0.5, threshold=0.7)
            out = out if residual is None else residual + out
        (out * weights).sum().backward()
        found.append((out.detach(), [x.grad for x in leaves]))
    (eager, eager_grads), (ours, our_grads) = found
    assert torch.equal(ours, eager)
    for mine, theirs in zip(our_grads, eager_grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_rows_go_to_their_heads_and_their_gradients_back() -> None:
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]]).bool()
    layout = lay_out(mask)
    # Row r of 4 tokens, part p, channel c holds 100 r + 10 p + c, from 1.
    rows = torch.arange(4)[:, None, None] * 100 + torch.arange(3)[:, None] * 10
    rows = (rows + torch.arange(1, 5))[None].float().requires_grad_()
    index = (layout.rows, layout.sample, layout.place)
    heads = by_head(rows, index, 2)
    assert heads.shape == (3, 1, 2, 2, 3, 2)
    # Part 1 of sample 0, head 1 (channels 3 and 4), places 0, 1, 2 are rows 0, 1, 2.
    assert heads[1, 0, 0, 1].tolist() == [[13, 14], [113, 114], [213, 214]]
    # Sample 1 has one token, row 3; its other places are empty.
    assert heads[0, 0, 1, 0].tolist() == [[301, 302], [0, 0], [0, 0]]
    (heads * heads).sum().backward()
    assert rows.grad is not None
    assert torch.equal(rows.grad, 2 * rows.detach())


@pytest.mark.parametrize(
    "options",
    [
        {"positions": "log-distance"},
        {"ties": "fire", "pad_mask": False, "positions": "none"},
        {"attention": "sdsa", "norm": "channel", "surrogate": "fast_sigmoid"},
        {"attention": "sdsa", "encoding": "lif", "beta": 0.9, "leak": "undivided"},
    ],
)
def test_a_spikebert_trains_as_the_eager_one(options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    sizes = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "steps": 3}
    config = SpikeBertConfig(**sizes, num_attention_heads=4, **options)
    eager = SpikeBertForSequenceClassification(config).train()
    for name, each in eager.named_parameters():
        if name.endswith("norm.weight"):
            nn.init.uniform_(each, 1.0, 4.0)  # so that all layers are busy
    ours = copy.deepcopy(eager)
    compile_neurons(ours)
    ids = torch.randint(0, 40, (5, 9))
    mask = (torch.arange(9) < torch.tensor([9, 4, 7, 1, 6])[:, None]).long()
    for student in (eager, ours):
        student(ids, mask).logits.square().sum().backward()
    layout = eager.spikebert.lay_out(ids, mask)
    streams = [each.spikebert.run(ids, layout) for each in (eager, ours)]
    assert all(map(torch.equal, *streams))
    assert streams[0][-1].max() > 2
    for (name, p), q in zip(eager.named_parameters(), ours.parameters(), strict=True):
        if p.grad is not None:
            torch.testing.assert_close(q.grad, p.grad, rtol=1e-3, atol=1e-5, msg=name)
