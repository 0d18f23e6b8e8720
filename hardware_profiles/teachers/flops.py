"""What papers and tools call the FLOPs of a BERT: one named function a convention.

They differ by a factor of two (a MAC is one operation or two) and by some tenths of a
percent (what besides products is counted). Energy papers multiply some of them by the
energy of a whole MAC, so a figure means nothing without the name of its convention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from spikewright.counts import OperationCount
from spikewright.hardware_profiles.teachers.operations import count_teacher
from spikewright.hardware_profiles.teachers.shape import TransformerShape

NORM, GELU, SOFTMAX, DROPOUT = 5, 8, 5, 4
"""FLOPs an element, as google-research/electra's flops_computation.py assumes"""


def encoder_macs(shape: TransformerShape, tokens: int) -> int:
    """Count the MACs of the layers alone.

    Raises:
        InputError: `tokens` is not positive, or too many; so in all functions here.
    """
    parts = count_teacher(shape, tokens)
    return sum(part.macs for name, part in parts.items() if name.startswith("layer"))


def all_macs(shape: TransformerShape, tokens: int) -> int:
    """Count the MACs of everything: layers, embedding projection, pooler and head."""
    return _total(shape, tokens).macs


def product_flops(shape: TransformerShape, tokens: int) -> int:
    """Count every MAC as two FLOPs, as torch's FlopCounterMode does."""
    return 2 * all_macs(shape, tokens)


def elementwise_flops(shape: TransformerShape, tokens: int) -> int:
    """Count products, and everything that is done to single elements.

    Additions (biases, residual sums, masks, embeddings) and the scale of attention as
    one, an element of a norm as 5, of a softmax as 5, of a GELU or tanh as 8.
    """
    total = _total(shape, tokens)
    scores = total.divisions
    return (
        2 * total.macs
        + total.bias_additions
        + total.residual_additions
        + scores
        + NORM * total.norm_elements
        + SOFTMAX * scores
        + GELU * (total.exp_elements - scores)
    )


# --- google-research/electra, flops_computation.py -----------------------------------


def electra_block_flops(shape: TransformerShape, tokens: int) -> int:
    """Count the layers as ELECTRA's script does, with its slip.

    Products, biases, residual sums, the scale of attention, dropout as 4, LayerNorm
    and softmax as 5 and GELU as 8 an element; but the LayerNorm behind attention as 5
    for a whole token. No mask.
    """
    slip = NORM * (shape.hidden - 1)
    return fixed_electra_block_flops(shape, tokens) - shape.layers * tokens * slip


def fixed_electra_block_flops(shape: TransformerShape, tokens: int) -> int:
    """Count the layers as ELECTRA's script means it: all norms as 5 an element."""
    h, i = shape.hidden, shape.intermediate
    scores = shape.heads * tokens
    products = 2 * (4 * h**2 + 2 * h * i) + 4 * h * tokens
    biases_and_sums = 5 * h + i + 2 * h
    elements = (SOFTMAX + DROPOUT + 1) * scores + GELU * i + 2 * (NORM + DROPOUT) * h
    return shape.layers * tokens * (products + biases_and_sums + elements)


def electra_flops(shape: TransformerShape, tokens: int) -> int:
    """Count layers and embeddings, words looked up: 22.463553 G for BERT-base, 128.

    Tables of positions and types count as products with one-hot vectors even here.
    """
    return electra_block_flops(shape, tokens) + _electra_embeddings(shape, tokens)


def fixed_electra_flops(shape: TransformerShape, tokens: int) -> int:
    """Count the same without the slip."""
    return fixed_electra_block_flops(shape, tokens) + _electra_embeddings(shape, tokens)


def electra_flops_with_head(shape: TransformerShape, tokens: int) -> int:
    """Count layers, embeddings and ELECTRA's head, which sees every token."""
    h = shape.hidden
    head = tokens * (2 * h**2 + h + GELU * h + 2 * h)
    return electra_flops(shape, tokens) + head


def electra_dense_flops(shape: TransformerShape, tokens: int) -> int:
    """Count layers and embeddings, words as products with one-hot vectors too."""
    words = 2 * tokens * shape.width * shape.vocabulary
    return electra_flops(shape, tokens) + words


def _electra_embeddings(shape: TransformerShape, tokens: int) -> int:
    e, h = shape.width, shape.hidden
    tables = 2 * e * (tokens + 2)
    elements = (2 + NORM + DROPOUT) * e
    projection = 2 * h * e + h if e != h else 0
    return tokens * (tables + elements + projection)


def _total(shape: TransformerShape, tokens: int) -> OperationCount:
    return sum(count_teacher(shape, tokens).values(), OperationCount())


# --- by name -------------------------------------------------------------------------


@dataclass(frozen=True)
class Convention:
    """A way to count the work of a BERT."""

    title: str
    unit: str
    """MAC or FLOP"""
    count: Callable[[TransformerShape, int], int]
    """the number for a text of so many tokens"""


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "encoder-macs": Convention("layers alone", "MAC", encoder_macs),
        "macs": Convention("layers, pooler and head", "MAC", all_macs),
        "flops": Convention("2 a MAC", "FLOP", product_flops),
        "elementwise": Convention(
            "2 a MAC, and bias, residual, scale, mask, norm, GELU, softmax",
            "FLOP",
            elementwise_flops,
        ),
        "electra-blocks": Convention(
            "ELECTRA's script, layers alone", "FLOP", electra_block_flops
        ),
        "electra": Convention(
            "ELECTRA's script, embeddings looked up", "FLOP", electra_flops
        ),
        "electra-fixed": Convention(
            "the same, with every LayerNorm in full", "FLOP", fixed_electra_flops
        ),
        "electra-head": Convention(
            "ELECTRA's script, with its head", "FLOP", electra_flops_with_head
        ),
        "electra-dense": Convention(
            "ELECTRA's script, one-hot embeddings", "FLOP", electra_dense_flops
        ),
    }
)
