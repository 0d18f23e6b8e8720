"""The teacher's operations, against published numbers and by hand."""

import json

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.energy import estimate_energy
from spikewright.hardware_profiles.profile import load_profile
from spikewright.hardware_profiles.teacher import (
    SHAPES,
    TransformerShape,
    count_teacher,
    count_teacher_sentences,
    find_teacher,
    read_teacher_config,
)

TINY = TransformerShape("tiny", 4, 1, 2, 8, 100, 3)

CONFIG = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30522,
    "hidden_act": "gelu",
}


def total(counts):
    return sum(counts.values(), OperationCount())


def encoder_macs(tokens):
    counts = count_teacher(SHAPES["bert-base"], tokens)
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
    assert total(count_teacher(SHAPES["bert-base"], 128)).macs == 11_174_217_216


@pytest.mark.parametrize(
    ("tokens", "millijoules"), [(64, 25.35), (128, 51.40), (256, 105.58)]
)
def test_bert_base_costs_what_a_mac_costs(tokens, millijoules):
    counts = count_teacher(SHAPES["bert-base"], tokens)
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
    assert counts["layer0"] == OperationCount(
        macs=4 * 12 * 4 + 2 * 12 * 8 + 2 * 3 * 12,  # 456
        additions=5 * 12 + 24 + 2 * 12 + 18,  # biases, residuals, mask
        norm_elements=2 * 12,
        exp_elements=18 + 24,  # softmax, GELU
    )


def test_embeddings_pooler_and_classifier():
    counts = count_teacher(TINY, 3)
    # Word, position and type: three lookups, two sums, one normalization of L h = 12.
    assert counts["embeddings"] == OperationCount(
        lookups=36, additions=24, norm_elements=12
    )
    assert counts["pooler"] == OperationCount(macs=16, additions=4, exp_elements=4)
    assert counts["classifier"] == OperationCount(macs=12, additions=3)


def test_sentences_of_different_lengths_add_up():
    work = count_teacher_sentences(TINY, [3, 5, 3])
    three, five = total(count_teacher(TINY, 3)), total(count_teacher(TINY, 5))
    assert total(work.counts) == three + three + five
    assert (work.sentences, work.mean_tokens) == (3, pytest.approx(11 / 3))


# --- configs -------------------------------------------------------------------------


def test_reads_a_dict_a_file_and_a_folder_alike(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    shapes = [
        read_teacher_config(CONFIG),
        read_teacher_config(tmp_path),
        read_teacher_config(tmp_path / "config.json"),
        find_teacher(str(tmp_path)),
    ]
    for shape in shapes:
        assert count_teacher(shape, 21) == count_teacher(SHAPES["minilm-l6"], 21)


def test_labels_come_from_id2label_then_num_labels_then_two():
    names = {"0": "a", "1": "b", "2": "c"}
    assert read_teacher_config({**CONFIG, "id2label": names}).labels == 3
    assert read_teacher_config({**CONFIG, "num_labels": 5}).labels == 5
    assert read_teacher_config(CONFIG).labels == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "cannot count a 'gpt2'"),
        ({"hidden_size": "384"}, "'hidden_size' is '384', must be a positive integer"),
        ({"num_hidden_layers": 0}, "'num_hidden_layers' is 0, must be"),
        ({"vocab_size": True}, "'vocab_size' is True, must be"),
        ({"num_attention_heads": 7}, "7 heads do not divide hidden size 384"),
    ],
)
def test_refuses_a_config_that_is_no_bert(changes, message):
    with pytest.raises(InputError, match=message):
        read_teacher_config({**CONFIG, **changes})


def test_refuses_a_config_without_a_size():
    config = {key: value for key, value in CONFIG.items() if key != "hidden_size"}
    with pytest.raises(InputError, match="'hidden_size' is missing; a BERT config has"):
        read_teacher_config(config)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_refuses_a_file_that_is_no_config(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"config\.json: .*teacher config"):
        read_teacher_config(path)


def test_refuses_a_teacher_that_does_not_exist():
    with pytest.raises(InputError, match="built in: bert-base, minilm-l6"):
        find_teacher("bert-enormous")


def test_refuses_sentences_without_tokens():
    with pytest.raises(InputError, match="'tiny': 0 tokens"):
        count_teacher(TINY, 0)
    with pytest.raises(InputError, match="'tiny': no sentences"):
        count_teacher_sentences(TINY, [])
