"""The sizes of a BERT-like classifier, what it stores, and how wide its numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from spikewright.errors import InputError


@dataclass(frozen=True)
class Family:
    """What all models of one `model_type` share, as transformers builds them.

    Every layer is the same everywhere: query, key, value and output projections, a
    residual sum and a LayerNorm, two feed-forward projections, again a sum and a norm.
    """

    has_types: bool = True
    """token types (segments) have a table of their own"""
    has_pooler: bool = False
    """the dense layer before the classifier is a pooler, else a part of the head"""
    head_exp: bool = True
    """that dense layer ends in a tanh or GELU, else in a ReLU"""
    always_projects: bool = False
    """embeddings pass a projection even if they are as wide as the layers"""
    first_position: int = 0
    """rows of the position table that no token uses: up to and with the padding's"""


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "bert": Family(has_pooler=True),
        "distilbert": Family(has_types=False, head_exp=False),
        "roberta": Family(first_position=2),
        "xlm-roberta": Family(first_position=2),
        "albert": Family(has_pooler=True, always_projects=True),
        "electra": Family(),
        "mpnet": Family(has_types=False, first_position=2),
    }
)
"""by `model_type`; read from modeling_*.py of transformers 5"""


@dataclass(frozen=True)
class TransformerShape:
    """The sizes of a BERT-like encoder with a classifier on its first token.

    Raises:
        InputError: a size is not positive, the heads do not divide `hidden`, or there
            is no such family.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    labels: int
    kind: str = "bert"
    """`model_type`: a key of FAMILIES"""
    embedding: int | None = None
    """width of the embedding tables; None: `hidden`"""
    positions: int = 512
    """rows of the table of positions"""
    types: int = 2
    """rows of the table of token types, where the family has one"""
    distinct_layers: int | None = None
    """layers with weights of their own, which the others share; None: all"""
    position_buckets: int = 0
    """rows of a table of relative positions, which is added to scores; 0: none"""
    has_exp_activation: bool = True
    """whether the feed-forward's function is a GELU or its like, and no ReLU"""

    def __post_init__(self) -> None:
        if self.kind not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise InputError(
                f"teacher '{self.name}': cannot count a '{self.kind}'; only the "
                f"model_types {known}; else export it to ONNX and count that"
            )
        for key, value in vars(self).items():
            least = 0 if key == "position_buckets" else 1
            if isinstance(value, int) and value < least and key[:4] != "has_":
                raise InputError(
                    f"teacher '{self.name}': {key} is {value}, must be > {least - 1}"
                )
        if self.hidden % self.heads:
            raise InputError(
                f"teacher '{self.name}': {self.heads} heads do not divide "
                f"hidden size {self.hidden}"
            )

    @property
    def family(self) -> Family:
        """What models of this kind share."""
        return FAMILIES[self.kind]

    @property
    def width(self) -> int:
        """Width of the embedding tables."""
        return self.hidden if self.embedding is None else self.embedding

    @property
    def tables(self) -> int:
        """How many tables a token is looked up in: words, positions, types."""
        return 3 if self.family.has_types else 2

    @property
    def has_projection(self) -> bool:
        """Whether embeddings are projected to the width of the layers."""
        return self.family.always_projects or self.width != self.hidden

    @property
    def most_tokens(self) -> int:
        """The longest text that has a position for every token."""
        return self.positions - self.family.first_position


# --- widths --------------------------------------------------------------------------


@dataclass(frozen=True)
class TeacherFormat:
    """How many bits a number takes, by what it is.

    Raises:
        InputError: a width is not positive.
    """

    name: str
    weight_bits: int
    """of a weight in a matrix"""
    activation_bits: int
    """of what operators hand on, attention scores too"""
    embedding_bits: int
    """of a number in an embedding table"""
    vector_bits: int
    """of a bias, and of a norm's scale and shift"""

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if key != "name" and value < 1:
                raise InputError(f"format '{self.name}': {key} is {value}, must be > 0")


FP32 = TeacherFormat("fp32", 32, 32, 32, 32)
FP16 = TeacherFormat("fp16", 16, 16, 16, 16)
INT8 = TeacherFormat("int8", 8, 8, 8, 32)
"""int8 wherever there are many numbers; biases and norms as 32 bit"""
FORMATS: Mapping[str, TeacherFormat] = MappingProxyType(
    {each.name: each for each in (FP32, FP16, INT8)}
)


def twin_format(steps: int, weight_bits: int = 8) -> TeacherFormat:
    """Return the format of the quantized twin of a student with so many steps.

    A neuron that sends at most one spike a step says one of steps + 1 things, so its
    twin's activations have ⌈log2(steps + 1)⌉ bits (Yan et al., arXiv 2409.08290).

    Raises:
        InputError: `steps` or `weight_bits` is not positive.
    """
    if steps < 1:
        raise InputError(f"a twin of {steps} steps: must be > 0")
    bits = steps.bit_length()
    return TeacherFormat(f"int{weight_bits}x{bits}", weight_bits, bits, weight_bits, 32)


# --- what is stored ------------------------------------------------------------------


@dataclass(frozen=True)
class Parameters:
    """How many numbers a model stores; weights that layers share count once."""

    weights: int
    """in the matrices of projections"""
    vectors: int
    """biases, and scales and shifts of norms"""
    embeddings: int
    """in the tables of words, positions and types"""

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.vectors + self.embeddings

    def bits(self, form: TeacherFormat) -> int:
        """Return the memory that they take in this format."""
        return (
            self.weights * form.weight_bits
            + self.vectors * form.vector_bits
            + self.embeddings * form.embedding_bits
        )


def parameters_of(shape: TransformerShape) -> Parameters:
    """Count what a sequence classifier of this shape stores."""
    h, e, i = shape.hidden, shape.width, shape.intermediate
    layers = shape.layers if shape.distinct_layers is None else shape.distinct_layers
    projection = (e * h, h) if shape.has_projection else (0, 0)
    types = shape.types if shape.family.has_types else 0
    rows = shape.vocabulary + shape.positions + types
    return Parameters(
        weights=projection[0]
        + layers * (4 * h**2 + 2 * h * i)
        + h**2
        + h * shape.labels,
        vectors=2 * e
        + projection[1]
        + layers * (4 * h + i + h + 4 * h)
        + h
        + shape.labels,
        embeddings=rows * e + shape.position_buckets * shape.heads,
    )
