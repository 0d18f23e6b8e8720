"""What stages are made of: heads, the order of rows, a fresh BERT, data by name."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertModel, BertTokenizer

from spikewright.errors import BackendMissingError, InputError
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.settings.stage_tables import TeacherTable
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import (
    SpikeBertForSequenceClassification,
    SpikeBertModel,
)
from spikewright.train.stages.model import StudentWithHeads, load_encoder
from spikewright.train.teachers.fresh_bert import make_fresh_bert, vocabulary
from spikewright.train.texts.sources import hash_texts, read_labeled, read_unlabeled
from spikewright.train.training.order import LikeLengths

# --- student and heads ---------------------------------------------------------------


def _student(**options: Any) -> SpikeBertForSequenceClassification:
    torch.manual_seed(0)
    small = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 3}
    config = SpikeBertConfig(**{**small, "num_attention_heads": 2, **options})
    return SpikeBertForSequenceClassification(config)


def _with_heads(
    student: SpikeBertForSequenceClassification, **changes: Any
) -> StudentWithHeads:
    given = {"blocks": [2, 3], "table_shape": (20, 10), "teacher_width": 12}
    given |= {"with_logits": True, "with_table": True, "with_padding": False}
    return StudentWithHeads(student, **{**given, **changes})


IDS = torch.tensor([[3, 4, 5], [6, 0, 0]])
MASK = torch.tensor([[1, 1, 1], [1, 0, 0]])


def test_heads_meet_any_width_of_the_teacher() -> None:
    student = _student()
    output = _with_heads(student)(IDS, MASK)
    # Two pairs, four real tokens.
    assert [each.shape for each in output.features] == [(4, 12), (4, 12)]
    assert output.table.shape == (20, 10)
    assert torch.equal(output.logits, student(IDS, MASK).logits)


def test_a_table_of_the_teachers_width_is_compared_as_it_is() -> None:
    student = _student()
    output = _with_heads(student, table_shape=(20, 16))(IDS, MASK)
    assert output.table is student.spikebert.words.weight


def test_features_are_a_normed_linear_map_of_the_mean_over_steps() -> None:
    student = _student()
    model = _with_heads(student)
    states = student(IDS, MASK, output_hidden_states=True).hidden_states
    head = model.heads["3"]
    expected = head.norm(states[3][MASK.bool()] @ head.linear.weight.T)
    torch.testing.assert_close(model(IDS, MASK).features[1], expected)


def test_the_published_form_compares_padding_too() -> None:
    student = _student(pad_mask=False)
    output = _with_heads(student, with_padding=True)(IDS, MASK)
    assert output.features[0].shape == (6, 12)


def test_stage_1_leaves_no_parameter_without_a_gradient() -> None:
    # A process of several waits for ever for a gradient that does not come.
    model = _with_heads(_student(), with_logits=False)
    output = model(IDS, MASK)
    assert output.logits is None
    (
        sum(each.square().sum() for each in output.features) + output.table.sum()
    ).backward()
    assert [n for n, each in model.named_parameters() if each.grad is None] == []


def test_an_encoder_and_its_heads_go_from_stage_to_stage(tmp_path: Path) -> None:
    first = _with_heads(_student(), with_logits=False)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.1)
    first.encoder.save_pretrained(tmp_path)
    first.save_heads(tmp_path)
    student = _student()
    second = _with_heads(student)
    load_encoder(student, tmp_path)
    second.load_heads(tmp_path)
    for name, value in first.state_dict().items():
        other = name.replace("student.", "student.spikebert.")
        assert torch.equal(second.state_dict()[other], value), name
    assert isinstance(second.encoder, SpikeBertModel)


def test_refuses_an_encoder_of_another_depth(tmp_path: Path) -> None:
    # The public code took what fitted: half of the model, in silence.
    _student(num_hidden_layers=2).spikebert.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="does not fit the configuration: Error"):
        load_encoder(_student(), tmp_path)


def test_refuses_heads_of_another_teacher(tmp_path: Path) -> None:
    _with_heads(_student(), teacher_width=8).save_heads(tmp_path)
    with pytest.raises(InputError, match=r"has shape \(8,\), .* \(12,\): another"):
        _with_heads(_student()).load_heads(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        _with_heads(_student()).load_heads(tmp_path / "none")


# --- the order of rows ---------------------------------------------------------------


def _order(epoch: int = 0, seed: int = 0) -> list[int]:
    order = LikeLengths([i % 40 for i in range(1003)], batch=8, seed=seed)
    order.epoch = epoch
    return list(order)


def test_every_row_comes_once_in_an_order_of_seed_and_epoch() -> None:
    first = _order()
    assert sorted(first) == list(range(1003))
    assert _order() == first
    assert _order(epoch=1) != first
    assert _order(seed=1) != first


def test_rows_of_a_batch_have_like_lengths_and_batches_none_order() -> None:
    batches = [_order()[i : i + 8] for i in range(0, 1000, 8)]
    spread = [max(r % 40 for r in b) - min(r % 40 for r in b) for b in batches]
    # 400 rows of 40 lengths are sorted: 8 neighbors span at most 2 lengths; but the
    # last pool holds 203 rows, half as many of each.
    assert max(spread) <= 4
    firsts = [b[0] % 40 for b in batches]
    assert firsts != sorted(firsts)


# --- a fresh BERT --------------------------------------------------------------------


def test_a_fresh_bert_reads_its_own_texts(tmp_path: Path) -> None:
    texts = ["菜 很 好吃", "菜不好 ok", "ok service, ok food"]
    table = TeacherTable(base="fresh", fresh_width=16, fresh_layers=1, fresh_heads=2)
    make_fresh_bert(texts, table, tmp_path, max_tokens=20, seed=0)
    tokenizer = BertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("菜不好") == ["菜", "不", "好"]
    assert tokenizer.tokenize("OK food") == ["ok", "f", "##o", "##o", "##d"]
    assert tokenizer.mask_token_id == 4
    assert BertModel.from_pretrained(tmp_path).config.vocab_size == len(tokenizer)


def test_a_vocabulary_has_frequent_words_first() -> None:
    found = vocabulary(["bb aa aa", "bb aa cc"])
    assert found[5:] == ["a", "b", "c", "##a", "##b", "##c", "aa", "bb"]


# --- data ----------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A datasets package that notes what it is asked for."""
    asked: list[tuple[Any, ...]] = []

    def load_dataset(path: str, name: str | None, *, split: str) -> list[Any]:
        asked.append((path, name, split))
        if split == "dev":
            raise ValueError("Unknown split 'dev'. Should be one of ['train']")
        return [{"sentence": "a fine tale", "label": 1, "idx": 0}]

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def test_data_of_the_hub_are_read_by_name(hub: list[tuple[Any, ...]]) -> None:
    (row,) = read_labeled(None, "hub:nyu-mll/glue:sst2", "train", classes=2)
    assert (row.text, row.label) == ("a fine tale", 1)
    assert read_unlabeled(None, "hub:rotten_tomatoes") == ["a fine tale"]
    assert len(hash_texts(None, "hub:rotten_tomatoes", "train")) == 64
    asked = [("nyu-mll/glue", "sst2", "train"), ("rotten_tomatoes", None, "train")]
    assert hub[:2] == asked
    with pytest.raises(
        InputError, match="'hub:x' dev: cannot be loaded: Unknown split"
    ):
        read_labeled(None, "hub:x", "dev", classes=2)
    with pytest.raises(InputError, match=r"hub:x train:1: label 1; .* names 0 to 0"):
        read_labeled(None, "hub:x", "train", classes=1)


def test_the_hub_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(BackendMissingError, match=r"pip install 'spikewright\[hub\]'"):
        read_unlabeled(None, "hub:rotten_tomatoes")


def test_a_folder_without_the_data_directory_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"'mr' is a folder .* as --data, or write hub:"
    ):
        read_labeled(None, "mr", "train", classes=2)


def test_unlabeled_texts_need_no_label(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "train.jsonl"
    lines = [{"text": "a", "label": 3.5}, {"text": "b", "text_pair": "c"}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert read_unlabeled(tmp_path, "a") == ["a", "b"]
    path.write_text('{"words": "a"}\n')
    with pytest.raises(InputError, match="a row has no str in text; it has words"):
        read_unlabeled(tmp_path, "a")


# --- the configurations that ship ----------------------------------------------------

CONFIGS = Path(__file__).parents[3] / "train" / "configs"
TASKS = {"mr": 2, "sst2": 2, "subj": 2, "sst5": 5, "chnsenti": 2, "waimai": 2}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_of_the_paper_has_a_configuration(task: str) -> None:
    run = load_run(CONFIGS / f"spikebert_{task}.toml")
    assert len(run.data.labels) == TASKS[task]
    assert run.data.validation == task
    assert task in run.data.train
    assert run.student.pad_mask
    assert run.student.positions != "none"
    assert run.augment.rounds > 0
