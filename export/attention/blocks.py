"""Attention between spikes as graphs of stock NIR nodes: three models, two of them one.

Each block has one Input and one Output, both (channels, tokens). If its projections are
masked, the Input has one channel more, its last: 1 at each step where there is a token,
0 where there is padding, whose keys then count for nothing. docs/attention.md
has sizes.
"""

from __future__ import annotations

import numpy as np

from spikewright import nodes as n
from spikewright.export.attention.orders import (
    Contexts,
    add_counts,
    add_product,
    add_weighted,
    and_of_three,
    and_of_two,
    ones,
)
from spikewright.export.attention.parts import (
    Draft,
    Neuron,
    Projections,
    add_projection,
    filled,
    join,
    neuron_of_head,
    of_head,
    spread_mask,
)
from spikewright.export.attention.size import (
    MAX_BYTES,
    AttentionTooLargeError,
    OrderName,
    choose_order,
    size_of,
)
from spikewright.graph import Graph
from spikewright.values import Shape

# --- the three models ----------------------------------------------------------------


def spike_driven_attention(
    projections: Projections,
    *,
    gate: Neuron,
    tokens: int,
    scale: float = 1.0,
) -> Graph:
    """Return q AND g, where g = gate(scale * sum over tokens of (k AND v)).

    The attention of the Spike-driven Transformer. Its size is linear in the tokens:
    2 units for each channel and token, and one gate a channel.

    Args:
        projections: of queries, keys and values, with their neurons; of all heads.
        gate: a Threshold(θ) has no memory; its parameters, like those of all neurons
            here, are one number, or one for each head.
        tokens: that the block is built for.
        scale: of the sum.

    Raises:
        GraphError: projections or a neuron do not fit.
    """
    draft, given = projections.started(tokens)
    channels, heads = projections.shape[0], projections.heads
    shape = (channels, tokens)
    q, k, v = (
        add_projection(draft, name, each, given, heads)
        for name, each in projections.named().items()
    )
    if projections.masked:
        mask = spread_mask(draft, "mask", given, channels)
        both = draft.add("kv", and_of_three(shape), k, v, mask)
    else:
        both = draft.add("kv", and_of_two(shape), k, v)
    counting = n.Linear(np.full((channels, 1, tokens), scale))
    counted = draft.add("gate_map", counting, both)
    opened = draft.add("gate", filled(gate, (channels, 1), heads), counted)
    spreading = n.Linear(ones(channels, tokens, 1))
    spread = draft.add("gate_spread", spreading, opened)
    join(draft, [draft.add("passed", and_of_two(shape), q, spread)], channels, tokens)
    return draft.finished()


def coincidence_attention(
    projections: Projections,
    *,
    out: Neuron,
    tokens: int,
    scale: float = 0.125,
    order: OrderName | None = None,
    max_bytes: int = MAX_BYTES,
) -> Graph:
    """Return out(scale * (q kᵀ) v), SpikeBERT's attention, exactly.

    Products of spikes are ANDs; whole numbers times spikes go bit by bit, which is the
    smallest exact spelling that we know, see `attention.orders`. Ask `coincidence_size`
    first. The heads have nodes of their own, since NIR's maps are dense, and are joined
    at the Output.

    Args:
        projections: of queries, keys and values, with their neurons; of all heads.
        out: the neuron behind the sum.
        tokens: that the block is built for.
        scale: of the sum; exact after folding if it is a power of two.
        order: which product comes first; by default what takes fewer bytes.
        max_bytes: of arrays between the neurons of q, k, v and `out`.

    Raises:
        AttentionTooLargeError: it would take more; says how much.
        GraphError: projections or a neuron do not fit.
    """
    heads = projections.heads
    size = projections.shape[0] // heads
    chosen = choose_order(tokens, size, 1, order)
    cost = size_of(chosen, copies=heads)
    if cost.dense_bytes > max_bytes:
        raise AttentionTooLargeError("coincidence_attention", cost, max_bytes)
    draft, given = projections.started(tokens)
    parts = []
    for head in range(heads):
        q, k, v = _add_head(draft, projections, head, given)
        total = add_product(draft, chosen, f"head{head}", q, k, v)
        shape = (size, tokens)
        neuron = neuron_of_head(out, head, heads)
        parts.append(_add_scaled(draft, f"head{head}_out", total, scale, neuron, shape))
    join(draft, parts, projections.shape[0], tokens)
    return draft.finished()


def respiked_attention(
    projections: Projections,
    *,
    context: Neuron,
    out: Neuron,
    tokens: int,
    context_scale: float = 1.0,
    scale: float = 0.125,
) -> Graph:
    """Return out(scale * q s), where s = context(context_scale * kᵀ v) are spikes.

    **Another model than SpikeBERT's attention**: a neuron stands where that has a
    whole number, so it must be trained as what it is. Its nodes are named respiked.
    Linear in the tokens, with 2 channels² units a token and head, where contexts of
    `coincidence_attention` take 1 + the bits of the number of tokens in place of the 2.

    Args:
        projections: of queries, keys and values, with their neurons; of all heads.
        context: the neuron behind kᵀ v, one for each two channels of a head.
        out: the neuron behind the sum.
        tokens: that the block is built for.
        context_scale: of kᵀ v.
        scale: of q s.

    Raises:
        GraphError: projections or a neuron do not fit.
    """
    heads = projections.heads
    size = projections.shape[0] // heads
    draft, given = projections.started(tokens)
    order, parts = Contexts(tokens, size), []
    for head in range(heads):
        q, k, v = _add_head(draft, projections, head, given)
        prefix = f"head{head}_respiked"
        count = add_counts(draft, order, prefix, k, v)
        own = neuron_of_head(context, head, heads)
        name, shape = f"{prefix}_context", order.counts
        spikes = _add_scaled(draft, name, count, context_scale, own, shape)
        total = add_weighted(draft, order, prefix, [spikes], q)
        own = neuron_of_head(out, head, heads)
        shape = (size, tokens)
        parts.append(_add_scaled(draft, f"{prefix}_out", total, scale, own, shape))
    join(draft, parts, projections.shape[0], tokens)
    return draft.finished()


# --- pieces --------------------------------------------------------------------------


def _add_head(
    draft: Draft,
    projections: Projections,
    head: int,
    given: tuple[int, int],
) -> tuple[str, str, str]:
    """Add the queries, keys and values of one head; keys of padding are silent."""
    heads = projections.heads
    q, k, v = (
        add_projection(draft, f"head{head}_{name}", of_head(each, head, heads), given)
        for name, each in projections.named().items()
    )
    if projections.masked:
        channels = projections.shape[0] // heads
        mask = spread_mask(draft, f"head{head}_mask", given, channels)
        node = and_of_two((channels, given[1]))
        k = draft.add(f"head{head}_k_kept", node, k, mask)
    return q, k, v


def _add_scaled(
    draft: Draft, name: str, source: str, scale: float, neuron: Neuron, shape: Shape
) -> str:
    """Add neurons behind a sum times a scale."""
    scaled = draft.add(f"{name}_scale", n.Scale(np.full(shape, scale)), source)
    return draft.add(name, filled(neuron, shape), scaled)
