"""Operations of a BERT-like teacher, counted from its sizes alone.

What is read and written: a weight once for each MAC that uses it (reuse is the
pricer's), biases and norms' own numbers never. Every product, softmax, norm and sum of
two signals reads its inputs once and writes its result once; a bias, a mask, a scale
and a function of single elements are applied where the number is made, and move
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.teachers.config import read_teacher_config
from spikewright.hardware_profiles.teachers.names import SHAPES, find_teacher
from spikewright.hardware_profiles.teachers.shape import (
    FORMATS,
    FP16,
    FP32,
    INT8,
    TeacherFormat,
    TransformerShape,
    parameters_of,
    twin_format,
)

__all__ = [
    "FORMATS",
    "FP16",
    "FP32",
    "INT8",
    "SHAPES",
    "TeacherFormat",
    "TeacherWork",
    "TransformerShape",
    "count_teacher",
    "count_teacher_sentences",
    "find_teacher",
    "parameters_of",
    "read_teacher_config",
    "sparse",
    "sparse_work",
    "twin_format",
]


@dataclass(frozen=True)
class TeacherWork:
    """Operations of a teacher over some sentences."""

    name: str
    counts: Mapping[str, OperationCount]
    sentences: int
    mean_tokens: float
    macs_by_type: Mapping[str, int] = field(default_factory=dict)
    """by the types that are multiplied, such as fp32 or "uint8 x int8" """
    parameter_bits: int = 0
    """memory of all stored numbers, once"""
    assumptions: tuple[str, ...] = ()
    """what was taken for granted, a sentence each"""
    uncounted: tuple[tuple[str, str], ...] = ()
    """what is in the model but not in `counts`, and why"""


def count_teacher(
    shape: TransformerShape, tokens: int, form: TeacherFormat = FP32
) -> dict[str, OperationCount]:
    """Count one sentence of `tokens` tokens, by part.

    MACs of a layer = 4 L h^2 (query, key, value, output) + 2 L h i (feed-forward)
    + 2 L^2 h (attention). The scale of attention is folded into the query, the mask
    is an addition; GELU, tanh and softmax count as exponentials, an element each, and
    softmax as a division too.

    Raises:
        InputError: `tokens` is not positive, or more than there are positions.
    """
    if tokens < 1:
        raise InputError(f"teacher '{shape.name}': {tokens} tokens, must be > 0")
    if tokens > shape.most_tokens:
        raise InputError(
            f"teacher '{shape.name}': {tokens} tokens, but it has positions for "
            f"{shape.most_tokens}; shorten the text"
        )
    layer = _count_layer(shape, tokens, form)
    return {
        "embeddings": _count_embeddings(shape, tokens, form),
        **{f"layer{index}": layer for index in range(shape.layers)},
        **_count_head(shape, form),
    }


def count_teacher_sentences(
    shape: TransformerShape, lengths: Sequence[int], form: TeacherFormat = FP32
) -> TeacherWork:
    """Count sentences of these many tokens each, none padded.

    Raises:
        InputError: there is no sentence, or one is empty or too long.
    """
    if not lengths:
        raise InputError(f"teacher '{shape.name}': no sentences to count")
    total = dict.fromkeys(count_teacher(shape, 1), OperationCount())
    for tokens, times in Counter(lengths).items():
        for name, count in count_teacher(shape, tokens, form).items():
            total[name] += count * times
    return TeacherWork(
        shape.name,
        total,
        len(lengths),
        sum(lengths) / len(lengths),
        {form.name: sum(count.macs for count in total.values())},
        parameters_of(shape).bits(form),
        (f"{shape.labels} labels; every number as in {form.name}",),
    )


def sparse(
    counts: Mapping[str, OperationCount], gamma: float
) -> dict[str, OperationCount]:
    """Return the counts if a share `gamma` of the activations that are multiplied is 0.

    A MAC of a zero is still in `macs`, and in `macs_zero`; its weight is not read, so
    price it where zero MACs are skipped. The zeros are spread evenly over all products,
    attention too; counts are rounded down. Activations are read as before: a zero is
    known only once it was read.

    Raises:
        InputError: `gamma` is not in [0, 1], or the counts are sparse already.
    """
    if not 0 <= gamma <= 1:
        raise InputError(
            f"gamma, the share of zero activations, is {gamma:g}; allowed: 0 to 1"
        )
    for part, count in counts.items():
        if count.macs_zero:
            raise InputError(
                f"'{part}': is counted as sparse already; gamma is {gamma:g}"
            )
    share = Fraction(Decimal(str(gamma)))  # 0.1 is a tenth, not its nearest float
    return {part: _sparse(count, share) for part, count in counts.items()}


def sparse_work(work: TeacherWork, gamma: float) -> TeacherWork:
    """Return the work of a teacher whose activations are sparse, and say so.

    Raises:
        InputError: as `sparse`.
    """
    assumed = (
        f"a share of {gamma:g} of the activations is zero, evenly over all products; "
        "their MACs are skipped and their weights not read"
    )
    counts = sparse(work.counts, gamma)
    return replace(work, counts=counts, assumptions=(*work.assumptions, assumed))


def _sparse(count: OperationCount, share: Fraction) -> OperationCount:
    return replace(
        count,
        macs_zero=int(count.macs * share),
        weight_bits_read=count.weight_bits_read - int(count.weight_bits_read * share),
    )


# --- parts ---------------------------------------------------------------------------


def _count_embeddings(
    shape: TransformerShape, tokens: int, form: TeacherFormat
) -> OperationCount:
    """Words, positions and types are looked up, added, normalized, projected."""
    elements, tables = tokens * shape.width, shape.tables
    count = _lookup(tables * elements, form) + _norm(elements, form)
    count += _sum(elements, form) * (tables - 1)
    if shape.has_projection:
        count += _linear(tokens, shape.width, shape.hidden, form)
    if shape.position_buckets:
        count += _lookup(shape.heads * tokens**2, form)
    return count


def _count_layer(
    shape: TransformerShape, tokens: int, form: TeacherFormat
) -> OperationCount:
    hidden, elements = shape.hidden, tokens * shape.hidden
    inner = _linear(tokens, hidden, shape.intermediate, form)
    if shape.has_exp_activation:
        inner += OperationCount(exp_elements=tokens * shape.intermediate)
    return (
        _linear(tokens, hidden, hidden, form) * 4
        + _attention(shape, tokens, form)
        + inner
        + _linear(tokens, shape.intermediate, hidden, form)
        + (_sum(elements, form) + _norm(elements, form)) * 2
    )


def _count_head(
    shape: TransformerShape, form: TeacherFormat
) -> dict[str, OperationCount]:
    """Count what the first token goes through: a dense layer and the classifier."""
    dense = _linear(1, shape.hidden, shape.hidden, form)
    if shape.family.head_exp:
        dense += OperationCount(exp_elements=shape.hidden)
    logits = _linear(1, shape.hidden, shape.labels, form)
    if shape.family.has_pooler:
        return {"pooler": dense, "classifier": logits}
    return {"classifier": dense + logits}


def _attention(
    shape: TransformerShape, tokens: int, form: TeacherFormat
) -> OperationCount:
    """softmax(q k + mask + bias of relative positions) v, of all heads."""
    elements, scores = tokens * shape.hidden, shape.heads * tokens**2
    count = OperationCount(
        macs=2 * tokens * elements,
        residual_additions=scores,
        exp_elements=scores,
        divisions=scores,
    )
    count += _traffic(2 * elements, scores, form) + _traffic(scores, scores, form)
    count += _traffic(scores + elements, elements, form)
    return count + _sum(scores, form) if shape.position_buckets else count


def _linear(
    rows: int, sources: int, targets: int, form: TeacherFormat
) -> OperationCount:
    macs = rows * sources * targets
    return OperationCount(
        macs=macs,
        bias_additions=rows * targets,
        weight_bits_read=macs * form.weight_bits,
    ) + _traffic(rows * sources, rows * targets, form)


def _lookup(elements: int, form: TeacherFormat) -> OperationCount:
    return OperationCount(
        lookups=elements, embedding_bits_read=elements * form.embedding_bits
    ) + _traffic(0, elements, form)


def _sum(elements: int, form: TeacherFormat) -> OperationCount:
    added = OperationCount(residual_additions=elements)
    return added + _traffic(2 * elements, elements, form)


def _norm(elements: int, form: TeacherFormat) -> OperationCount:
    normalized = OperationCount(norm_elements=elements)
    return normalized + _traffic(elements, elements, form)


def _traffic(read: int, written: int, form: TeacherFormat) -> OperationCount:
    return OperationCount(
        activation_bits_read=read * form.activation_bits,
        activation_bits_written=written * form.activation_bits,
    )
