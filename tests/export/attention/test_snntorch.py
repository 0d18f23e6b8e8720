"""Attention written in torch is exported exactly, or refused with its size.

Every export is proven by the exporter against the module; here the spikes are compared
once more, over several steps, and the nodes are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from snntorch import utils
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from spikewright.errors import GraphError
from spikewright.export.attention.orders import Contexts, Scores
from spikewright.export.attention.size import (
    AttentionTooLargeError,
    coincidence_size,
    size_before,
    size_behind,
)
from spikewright.export.from_snntorch import export_snntorch
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.passes.discretize import discretize
from spikewright.graph import Graph
from spikewright.nodes import Threshold
from spikewright.simulate.reference import run_reference

DT_S = 1e-3
STEPS, SAMPLES, SOURCES = 10, 3, 4
Tensor = torch.Tensor
Product = Callable[["Attention", Tensor, Tensor, Tensor], Tensor]


def lif(threshold: float) -> snn.Leaky:
    """A Leaky with hard reset that keeps its state."""
    return snn.Leaky(0.5, threshold=threshold, init_hidden=True, reset_mechanism="zero")


class Attention(nn.Module):
    """Queries, keys and values; what is made of them; a layer behind it."""

    def __init__(
        self, product: Product, *, heads: int, channels: int, loops: bool = False
    ) -> None:
        super().__init__()
        size = heads * channels
        for name in "qkv":
            setattr(self, name, quarters(nn.Linear(SOURCES, size)))
            setattr(self, f"fire_{name}", lif(0.5))
        self.inner, self.out = lif(0.5), lif(0.25)
        self.o, self.last = quarters(nn.Linear(size, 3)), lif(0.5)
        self.drop = nn.Dropout(0.3).eval()
        self.heads, self.loops, self._product = heads, loops, product

    def split(self, x: Tensor) -> Tensor:
        """(samples, tokens, heads channels) to (samples, heads, tokens, channels)."""
        if self.heads == 1:
            return x
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def step(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.split(fire(layer(x)))
            for layer, fire in (
                (self.q, self.fire_q),
                (self.k, self.fire_k),
                (self.v, self.fire_v),
            )
        )
        y = self._product(self, q, k, v)
        if self.heads > 1:
            y = y.transpose(1, 2).flatten(2)
        spikes: Tensor = self.last(self.o(y))
        return spikes

    def forward(self, x: Tensor) -> Tensor:
        if not self.loops:
            return self.step(x)
        return torch.stack([self.step(each) for each in x])


def quarters(layer: nn.Linear) -> nn.Linear:
    """Return a layer whose weights and biases are multiples of 1/4."""
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-1, 5, layer.weight.shape) / 4)
        layer.bias.copy_(torch.randint(-1, 2, layer.bias.shape) / 4)
    return layer


# --- spellings -----------------------------------------------------------------------


def paper(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return net.out((q @ k.transpose(-2, -1)) @ v * 0.125)


def scaled_scores(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.matmul(q, k.mT) / 8.0
    return net.out(scores @ v)


def dropped_scores(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return net.out(0.125 * (net.drop(q @ k.mT).contiguous() @ v))


def right_to_left(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return net.out(0.125 * q.matmul(k.mT @ v))


def respiked(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    contexts = net.inner(0.5 * (k.mT @ v))
    return net.out(0.25 * (q @ contexts))


def spiking_scores(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = net.inner(0.5 * (q @ k.mT))
    return net.out(0.25 * (scores @ v))


def spike_driven(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q * net.inner(0.5 * (k * v).sum(-2, keepdim=True))


def spike_driven_in_place(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    gate = net.inner(k.mul(v).mean(dim=-2, keepdim=True) * 4.0)
    return torch.mul(gate, q)


def with_residual(net: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return net.out(0.125 * (q @ k.mT @ v) + 0.5 * q - 0.25)


SPELLINGS = {
    each.__name__: each
    for each in (
        *(paper, scaled_scores, dropped_scores, right_to_left),
        *(respiked, spiking_scores, spike_driven, spike_driven_in_place),
        with_residual,
    )
}
SHAPES = {"one_head": (1, 3, 5), "two_heads": (2, 3, 5), "few_tokens": (3, 5, 2)}
"""heads, channels of a head, tokens"""


def inputs(tokens: int) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    shape = (STEPS, SAMPLES, tokens, SOURCES)
    return (torch.rand(shape, generator=rng) < 0.5).float()


def made(spelling: str, shape: str, **options: Any) -> tuple[Attention, Tensor]:
    heads, channels, tokens = SHAPES[shape]
    torch.manual_seed(1)
    net = Attention(SPELLINGS[spelling], heads=heads, channels=channels, **options)
    return net, inputs(tokens)


def run_module(net: nn.Module, x: Tensor) -> np.ndarray[Any, Any]:
    """Return (samples, steps, tokens, channels)."""
    utils.reset(net)
    with torch.no_grad():
        return np.moveaxis(np.stack([net(each).numpy() for each in x]), 0, 1)


def run_graph(graph: Graph, x: Tensor) -> np.ndarray[Any, Any]:
    """Return the same; tokens come last in the graph."""
    held = np.swapaxes(np.moveaxis(x.double().numpy(), 0, 1), 2, 3)
    trace = run_reference(discretize(graph, dt_s=DT_S), held)
    return np.swapaxes(np.asarray(trace.output), 2, 3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_attention_fires_as_its_module(
    spelling: str, shape: str, tmp_path: Any
) -> None:
    net, x = made(spelling, shape)
    graph = export_snntorch(net, x[0], dt_s=DT_S)
    wanted = run_module(net, x)
    assert 0.02 < wanted.mean() < 0.98
    assert np.count_nonzero(run_graph(graph, x) != wanted) == 0
    write_nir(graph, tmp_path / "graph.nir", dt_s=DT_S)
    again = read_nir(tmp_path / "graph.nir")
    assert np.count_nonzero(run_graph(again, x) != wanted) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_all_spellings_of_one_product_make_the_same_units(shape: str) -> None:
    heads, channels, tokens = SHAPES[shape]
    size = coincidence_size(tokens, heads * channels, heads)
    for spelling in ("paper", "scaled_scores", "dropped_scores", "right_to_left"):
        net, x = made(spelling, shape)
        nodes = export_snntorch(net, x[0], dt_s=DT_S).nodes.values()
        units = [each.threshold.size for each in nodes if isinstance(each, Threshold)]
        assert sum(units) == size.units


@pytest.mark.parametrize("spelling", ["paper", "spike_driven"])
def test_attention_in_a_loop_over_steps(spelling: str) -> None:
    net, x = made(spelling, "two_heads", loops=True)
    graph = export_snntorch(net, x, dt_s=DT_S)
    utils.reset(net)
    with torch.no_grad():
        wanted = np.moveaxis(net(x).numpy(), 0, 1)
    assert np.count_nonzero(run_graph(graph, x) != wanted) == 0


def test_bmm_is_matmul() -> None:
    torch.manual_seed(1)
    net = Attention(
        lambda net, q, k, v: net.out(torch.bmm(torch.bmm(q, k.mT), v) * 0.125),
        heads=1,
        channels=3,
    )
    graph = export_snntorch(net, inputs(5)[0], dt_s=DT_S)
    other = export_snntorch(made("paper", "one_head")[0], inputs(5)[0], dt_s=DT_S)
    assert graph.fingerprint() == other.fingerprint()


# --- refusals ------------------------------------------------------------------------


def test_what_is_too_large_is_refused_with_its_size_and_the_rewrite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = coincidence_size(5, 3)
    limit = "spikewright.export.snntorch.convert.products.MAX_BYTES"
    monkeypatch.setattr(limit, size.dense_bytes - 1)
    net, x = made("paper", "one_head")
    match = f"{size.units:,} units.*{size.dense_bytes:,} bytes.*respiked_attention"
    with pytest.raises(AttentionTooLargeError, match=match):
        export_snntorch(net, x[0], dt_s=DT_S)
    monkeypatch.setattr(limit, size.dense_bytes)
    export_snntorch(net, x[0], dt_s=DT_S)


@pytest.mark.parametrize(
    ("spelling", "kind"), [("respiked", Contexts), ("spiking_scores", Scores)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_two_products_has_a_limit_of_its_own(
    spelling: str,
    kind: type[Contexts | Scores],
    shape: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heads, channels, tokens = SHAPES[shape]
    order = kind(tokens, channels, heads)
    graph = export_snntorch(*first_step(spelling, shape), dt_s=DT_S)
    for behind, size in enumerate([size_before(order), size_behind(order, 1)]):
        own = [
            node
            for name, node in graph.nodes.items()
            if name.startswith("product_") and ("product_2_" in name) == behind
        ]
        held = [getattr(node, each.name) for node in own for each in fields(node)]
        arrays = [each for each in held if isinstance(each, np.ndarray)]
        assert size.numbers == sum(each.size for each in arrays)
        units = [each.threshold.size for each in own if isinstance(each, Threshold)]
        assert size.units == sum(units)
    larger = max([size_before(order), size_behind(order, 1)], key=lambda s: s.numbers)
    limit = "spikewright.export.snntorch.convert.products.MAX_BYTES"
    monkeypatch.setattr(limit, larger.dense_bytes - 1)
    with pytest.raises(AttentionTooLargeError) as caught:
        export_snntorch(*first_step(spelling, shape), dt_s=DT_S)
    assert caught.value.size == larger


def first_step(spelling: str, shape: str) -> tuple[Attention, Tensor]:
    net, x = made(spelling, shape)
    return net, x[0]


def test_a_large_attention_is_refused_before_it_is_built() -> None:
    # 12 heads of 64 channels, 128 tokens: the module itself is small
    net = Attention(paper, heads=12, channels=64)
    x = torch.zeros(1, 128, SOURCES)
    with pytest.raises(AttentionTooLargeError, match="57,016,320 units"):
        export_snntorch(net, x, dt_s=DT_S)


def squared(x: Tensor) -> Tensor:
    return x @ x


REFUSED: dict[str, tuple[Product, str]] = {
    "numbers": (
        lambda net, q, k, v: net.out((2.0 * q @ k.mT) @ v),
        "multiplies two signals, .* put a neuron behind each factor",
    ),
    "softmax": (
        lambda net, q, k, v: net.out(F.softmax(q @ k.mT, -1) @ v),
        "'softmax' has no exact counterpart .* spike-driven",
    ),
    "fused": (
        lambda net, q, k, v: net.out(F.scaled_dot_product_attention(q, k, v)),
        "'scaled_dot_product_attention' has no exact",
    ),
    "einsum": (
        lambda net, q, k, v: net.out(torch.einsum("bic,bjc->bij", q, k) @ v),
        "'einsum' has no exact counterpart in NIR; write it as products by @",
    ),
    "a_square_of_scores": (
        lambda net, q, k, v: net.out(squared(net.inner(q @ k.mT)) @ v),
        "do not lie as attention has them",
    ),
    "scores_transposed": (
        lambda net, q, k, v: net.out(net.inner(q @ k.mT).mT @ v),
        "do not lie as attention has them",
    ),
    "four_factors": (
        lambda net, q, k, v: net.out(((q @ k.mT) @ v) @ (k.mT @ v)),
        "multiplies two signals",
    ),
    "a_sum_of_spikes": (
        lambda net, q, k, v: net.out(((q + k) @ k.mT) @ v),
        "multiplies two signals, .* put a neuron behind each factor",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_products_are_refused(case: str) -> None:
    product, match = REFUSED[case]
    net = Attention(product, heads=1, channels=3)
    with pytest.raises(GraphError, match=match):
        export_snntorch(net, inputs(5)[0], dt_s=DT_S)
