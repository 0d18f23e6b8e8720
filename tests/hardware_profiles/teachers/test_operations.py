"""The teacher's operations, against published numbers and by hand."""

from dataclasses import replace

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.energy import estimate_energy
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.teachers.operations import (
    FP32,
    INT8,
    SHAPES,
    TeacherFormat,
    TransformerShape,
    count_teacher,
    count_teacher_sentences,
    parameters_of,
    sparse,
    sparse_work,
    twin_format,
)

TINY = TransformerShape("tiny", 4, 1, 2, 8, 100, 3)
BERT = SHAPES["bert-base-uncased"]


def total(counts):
    return sum(counts.values(), OperationCount())


def encoder_macs(tokens):
    counts = count_teacher(BERT, tokens)
    return sum(count.macs for name, count in counts.items() if "layer" in name)


# --- golden: reference/energy.md, section 4.2 ----------------------------------------


@pytest.mark.parametrize(
    ("tokens", "giga_macs"), [(64, 5.5113), (128, 11.1736), (256, 22.9512)]
)
def test_bert_base_encoder_macs(tokens, giga_macs):
    # 84 934 656 L + 18 432 L^2
    assert encoder_macs(tokens) == 84_934_656 * tokens + 18_432 * tokens**2
    assert encoder_macs(tokens) / 1e9 == pytest.approx(giga_macs, abs=5e-5)


def test_bert_base_with_pooler_and_head():
    # 11 173 625 856 + 768^2 + 768 * 2 = 11 174 217 216
    assert total(count_teacher(BERT, 128)).macs == 11_174_217_216


@pytest.mark.parametrize(
    ("tokens", "millijoules"), [(64, 25.35), (128, 51.40), (256, 105.58)]
)
def test_bert_base_costs_what_a_mac_costs(tokens, millijoules):
    counts = count_teacher(BERT, tokens)
    report = estimate_energy(
        counts, load_profile("cmos45"), arithmetic="fp32", samples=1
    )
    # 11.1742 GMAC x 4.6 pJ = 51.40 mJ; a MAC charged for each FLOP gives 102.8 mJ.
    assert report.total_j * 1e3 == pytest.approx(millijoules, abs=5e-3)
    assert 2 * report.total_j * 1e3 == pytest.approx(2 * millijoules, abs=1e-2)


def test_minilm_at_21_tokens():
    # A layer: 4 L h^2 + 2 L h i + 2 L^2 h = 12 386 304 + 24 772 608 + 338 688
    # = 37 497 600; six of them, pooler 147 456, head 768: 225 133 824.
    assert total(count_teacher(SHAPES["minilm-l6"], 21)).macs == 225_133_824


# --- by hand -------------------------------------------------------------------------


def test_a_layer_counts_everything_that_a_price_may_lack():
    counts = count_teacher(TINY, 3)
    # L = 3, h = 4, i = 8, 2 heads: elements L h = 12, scores 2 x 9 = 18, L i = 24.
    projections = 4 * 12 * 4 + 2 * 12 * 8  # 384 MACs with a weight
    # What is read: the inputs of four projections, q and k, scores into the softmax,
    # probabilities and v, two feed-forward inputs; sums read two, norms one.
    read = 4 * 12 + 2 * 12 + 18 + (18 + 12) + (12 + 24) + 2 * (2 * 12 + 12)
    written = 4 * 12 + 18 + 18 + 12 + (24 + 12) + 2 * (12 + 12)
    assert counts["layer0"] == OperationCount(
        macs=projections + 2 * 3 * 12,
        bias_additions=5 * 12 + 24,
        residual_additions=2 * 12 + 18,  # residuals, mask
        norm_elements=2 * 12,
        exp_elements=18 + 24,  # softmax, GELU
        divisions=18,  # softmax
        weight_bits_read=32 * projections,
        activation_bits_read=32 * read,
        activation_bits_written=32 * written,
    )


def test_embeddings_pooler_and_classifier():
    counts = count_teacher(TINY, 3)
    # Word, position and type: three lookups, two sums, one normalization of L h = 12.
    assert counts["embeddings"] == OperationCount(
        lookups=36,
        residual_additions=24,
        norm_elements=12,
        embedding_bits_read=32 * 36,
        activation_bits_read=32 * (2 * 24 + 12),
        activation_bits_written=32 * (36 + 24 + 12),
    )
    # One token of h = 4 into 4, then into 3 labels.
    assert counts["pooler"] == OperationCount(
        macs=16,
        bias_additions=4,
        exp_elements=4,
        weight_bits_read=32 * 16,
        activation_bits_read=32 * 4,
        activation_bits_written=32 * 4,
    )
    assert counts["classifier"] == OperationCount(
        macs=12,
        bias_additions=3,
        weight_bits_read=32 * 12,
        activation_bits_read=32 * 4,
        activation_bits_written=32 * 3,
    )


def bits(counts):
    one = total(counts)
    return (
        one.weight_bits_read,
        one.activation_bits_read,
        one.activation_bits_written,
        one.embedding_bits_read,
    )


def test_a_format_changes_bits_and_nothing_else():
    wide = count_teacher(TINY, 3)
    narrow = count_teacher(TINY, 3, TeacherFormat("odd", 2, 8, 16, 32))
    weight, read, written, embedding = bits(wide)
    assert bits(narrow) == (weight // 16, read // 4, written // 4, embedding // 2)
    assert {
        name: {k: v for k, v in vars(count).items() if "_bits_" not in k}
        for name, count in wide.items()
    } == {
        name: {k: v for k, v in vars(count).items() if "_bits_" not in k}
        for name, count in narrow.items()
    }


@pytest.mark.parametrize(("steps", "wanted"), [(1, 1), (3, 2), (4, 3), (7, 3), (8, 4)])
def test_a_twin_says_as_much_as_its_student(steps, wanted):
    # ceil(log2(T + 1)): T = 3 has 4 values, T = 4 has 5
    twin = twin_format(steps)
    assert (twin.activation_bits, twin.weight_bits) == (wanted, 8)


def test_a_head_without_a_pooler_is_one_part():
    roberta = replace(TINY, kind="roberta")
    # 4 x 4 + 4 x 3 MACs, 4 tanh; a DistilBERT has a ReLU there, and no types.
    head = count_teacher(roberta, 3)["classifier"]
    assert (head.macs, head.exp_elements) == (28, 4)
    distilbert = count_teacher(replace(TINY, kind="distilbert"), 3)
    assert distilbert["classifier"].exp_elements == 0
    assert distilbert["embeddings"].lookups == 24
    assert "pooler" not in distilbert


def test_narrow_embeddings_are_projected():
    # width 2: 3 tables of 3 x 2, then 3 x 2 x 4 MACs and 3 x 4 biases
    found = count_teacher(replace(TINY, kind="electra", embedding=2), 3)["embeddings"]
    assert (found.lookups, found.macs, found.bias_additions) == (18, 24, 12)
    assert found.norm_elements == 6


def test_relative_positions_are_looked_up_once_and_added_in_every_layer():
    plain = replace(TINY, kind="mpnet", layers=2)
    shape = replace(plain, position_buckets=32)
    without, found = count_teacher(plain, 3), count_teacher(shape, 3)
    # 2 heads x 3 x 3
    assert found["embeddings"].lookups - without["embeddings"].lookups == 18
    for layer in ("layer0", "layer1"):
        more = found[layer].residual_additions - without[layer].residual_additions
        assert more == 18
    assert parameters_of(shape).total - parameters_of(plain).total == 32 * 2


def test_layers_that_share_weights_do_the_work_and_are_stored_once():
    shape = replace(TINY, kind="albert", layers=5)
    shared = replace(shape, distinct_layers=1)
    assert count_teacher(shared, 3) == count_teacher(shape, 3)
    # A layer: 4 x 4^2 + 2 x 4 x 8 = 128 weights.
    assert parameters_of(shape).weights - parameters_of(shared).weights == 4 * 128


def test_parameters_and_their_bits():
    found = parameters_of(TINY)
    # layer 128, pooler 16, classifier 12
    assert found.weights == 156
    # norm of embeddings 8; layer: biases 16 + 8 + 4, two norms 16; pooler 4, labels 3
    assert found.vectors == 8 + 44 + 7
    # 100 words, 512 positions, 2 types
    assert found.embeddings == 614 * 4
    assert found.bits(FP32) == 32 * (156 + 59 + 2456)
    assert found.bits(INT8) == 8 * (156 + 2456) + 32 * 59


def test_bert_base_has_110_million_parameters():
    # Devlin et al.: 110M; with pooler and two labels 109 483 778
    assert parameters_of(BERT).total == 109_483_778


# --- sparse --------------------------------------------------------------------------


def test_a_sparse_teacher_skips_macs_and_their_weights():
    counts = {"a": OperationCount(macs=101, weight_bits_read=808, norm_elements=7)}
    # a tenth of 101 and of 808, rounded down
    assert sparse(counts, 0.1) == {
        "a": OperationCount(
            macs=101, macs_zero=10, weight_bits_read=808 - 80, norm_elements=7
        )
    }


def test_a_share_is_the_decimal_that_was_written():
    # 0.29 is a float below 29/100: 0.29 x 100 would be 28.999…
    counts = sparse({"a": OperationCount(macs=100)}, 0.29)
    assert counts["a"].macs_zero == 29


def test_sparse_work_says_what_it_assumes():
    work = count_teacher_sentences(TINY, [3])
    found = sparse_work(work, 0.5)
    assert total(found.counts).macs_zero == total(work.counts).macs // 2
    assert "a share of 0.5 of the activations is zero" in found.assumptions[-1]
    assert found.macs_by_type == work.macs_by_type


@pytest.mark.parametrize("gamma", [-0.1, 1.5, float("nan")])
def test_refuses_a_share_that_is_none(gamma):
    with pytest.raises(InputError, match=r"gamma.*allowed: 0 to 1"):
        sparse({"a": OperationCount(macs=1)}, gamma)


def test_refuses_to_make_sparse_twice():
    once = sparse(count_teacher(TINY, 3), 0.5)
    with pytest.raises(InputError, match="'layer0': is counted as sparse already"):
        sparse(once, 0.5)


# --- sentences -----------------------------------------------------------------------


def test_sentences_of_different_lengths_add_up():
    work = count_teacher_sentences(TINY, [3, 5, 3])
    three, five = total(count_teacher(TINY, 3)), total(count_teacher(TINY, 5))
    assert total(work.counts) == three + three + five
    assert (work.sentences, work.mean_tokens) == (3, pytest.approx(11 / 3))
    assert work.macs_by_type == {"fp32": total(work.counts).macs}
    assert work.parameter_bits == parameters_of(TINY).bits(FP32)


def test_a_sentence_may_not_be_longer_than_the_positions():
    count_teacher(BERT, 512)
    with pytest.raises(InputError, match="513 tokens, but it has positions for 512"):
        count_teacher(BERT, 513)
    # RoBERTa has 514 rows, two of which no token uses.
    with pytest.raises(InputError, match="positions for 512"):
        count_teacher(SHAPES["roberta-base"], 513)


def test_refuses_sentences_without_tokens():
    with pytest.raises(InputError, match="'tiny': 0 tokens"):
        count_teacher(TINY, 0)
    with pytest.raises(InputError, match="'tiny': no sentences"):
        count_teacher_sentences(TINY, [])
