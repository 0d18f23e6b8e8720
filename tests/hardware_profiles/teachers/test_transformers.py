"""Our counts against the models of transformers themselves, without their weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from spikewright.counts import OperationCount  # noqa: E402
from spikewright.hardware_profiles.teachers.operations import (  # noqa: E402
    SHAPES,
    TransformerShape,
    count_teacher,
    parameters_of,
    read_teacher_config,
)
from spikewright.hardware_profiles.teachers.shape import FAMILIES  # noqa: E402


def config_of(shape):
    """Build the config of transformers that has these sizes."""
    sizes = {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "vocab_size": shape.vocabulary,
        "num_labels": shape.labels,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
    }
    if shape.kind == "distilbert":
        sizes["hidden_dim"] = sizes.pop("intermediate_size")
    if shape.embedding is not None:
        sizes["embedding_size"] = shape.embedding
    if shape.distinct_layers is not None:
        sizes["num_hidden_groups"] = shape.distinct_layers
    if shape.position_buckets:
        sizes["relative_attention_num_buckets"] = shape.position_buckets
    return transformers.AutoConfig.for_model(shape.kind, **sizes)


def classifier(shape):
    """A model that has shapes and operations, and no numbers."""
    with torch.device("meta"):
        return transformers.AutoModelForSequenceClassification.from_config(
            config_of(shape), attn_implementation="eager"
        ).eval()


def counted_flops(model, tokens):
    """FLOPs of torch's own counter: 2 for each MAC of a product."""
    ids = torch.zeros((1, tokens), dtype=torch.long, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids)
    return counter.get_total_flops()


def total(shape, tokens):
    return sum(count_teacher(shape, tokens).values(), OperationCount())


def small(kind):
    """Sizes that are all different, so that none can stand for another."""
    family = FAMILIES[kind]
    return TransformerShape(
        kind,
        hidden=24,
        layers=3,
        heads=4,
        intermediate=56,
        vocabulary=101,
        labels=5,
        kind=kind,
        embedding=16 if kind in {"albert", "electra"} else None,
        positions=40 + family.first_position,
        types=3,
        distinct_layers=1 if kind == "albert" else None,
        position_buckets=32 if kind == "mpnet" else 0,
    )


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("tokens", [1, 7, 40])
def test_macs_are_those_that_torch_counts(kind, tokens):
    shape = small(kind)
    assert counted_flops(classifier(shape), tokens) == 2 * total(shape, tokens).macs


@pytest.mark.parametrize("kind", FAMILIES)
def test_parameters_are_those_of_the_model(kind):
    shape = small(kind)
    stored = sum(each.numel() for each in classifier(shape).parameters())
    assert parameters_of(shape).total == stored


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_config_of_a_model_is_read_as_its_shape(kind):
    shape = small(kind)
    read = read_teacher_config(config_of(shape).to_dict())
    for tokens in (1, 7, 40):
        assert count_teacher(read, tokens) == count_teacher(shape, tokens)
    assert parameters_of(read) == parameters_of(shape)
    assert read.most_tokens == shape.most_tokens == 40


def test_albert_repeats_the_layers_of_a_group():
    config = config_of(small("albert"))
    config.update({"num_hidden_groups": 3, "inner_group_num": 2})
    with torch.device("meta"):
        model = transformers.AlbertForSequenceClassification(config).eval()
    model.set_attn_implementation("eager")
    shape = read_teacher_config(config.to_dict())
    # 3 times a group of 2 layers, 3 groups
    assert (shape.layers, shape.distinct_layers) == (6, 6)
    assert counted_flops(model, 7) == 2 * total(shape, 7).macs
    stored = sum(each.numel() for each in model.parameters())
    assert parameters_of(shape).total == stored


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_every_built_in_shape_is_a_model(name):
    shape = SHAPES[name]
    model = classifier(shape)
    assert counted_flops(model, 128) == 2 * total(shape, 128).macs
    stored = sum(each.numel() for each in model.parameters())
    assert parameters_of(shape).total == stored


def test_bert_base_as_torch_counts_it():
    # reference/energy.md, 4.2: 22.3484 G with plain attention
    model = classifier(SHAPES["bert-base-uncased"])
    assert counted_flops(model, 128) == 22_348_434_432
