"""Our students in transformers' own hands: Auto classes, tokenizers, pipelines."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    ByT5Tokenizer,
    Pipeline,
    pipeline,
)

from spikewright.errors import InputError
from spikewright.train.answers.logits import float_logits
from spikewright.train.auto import register_auto_classes
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.hub.tokenizer import save_tokenizer
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import (
    SpikeBertForSequenceClassification,
    SpikeBertModel,
)
from spikewright.train.student import ChipStudent, load_student, shipped_student

MakeStudent = Callable[..., ChipStudent]
WORDS = ("the", "soup", "was", "fine", "dull", "and", "very", "cold")
TEXTS = ["the soup", "fine", "dull and very cold soup", "dull " * 13 + "fine"]
LONGEST = 12
"""tokens that the students below have places for"""


@pytest.fixture(autouse=True)
def registered() -> None:
    register_auto_classes()


def _tokenizer() -> BertTokenizer:
    """A BERT's: it puts [CLS] and [SEP] around each text."""
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    return BertTokenizer(vocab={word: i for i, word in enumerate(words)})


@pytest.fixture
def chip(make_student: MakeStudent, tmp_path: Path) -> Path:
    """The folder of a deployable student for texts of LONGEST tokens."""
    folder = tmp_path / "chip"
    make_student(max_tokens=LONGEST).pack_encoder().save_pretrained(folder)
    save_tokenizer(_tokenizer(), folder)
    return folder


@pytest.fixture
def spikebert(tmp_path: Path) -> Path:
    """The folder of a SpikeBERT for texts of LONGEST words, [CLS] and [SEP]."""
    torch.manual_seed(0)
    config = SpikeBertConfig(
        vocab_size=13,
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        steps=2,
        max_position_embeddings=LONGEST + 2,
        id2label={0: "bad", 1: "good"},
    )
    SpikeBertForSequenceClassification(config).eval().save_pretrained(
        tmp_path / "spikebert"
    )
    save_tokenizer(_tokenizer(), tmp_path / "spikebert")
    return tmp_path / "spikebert"


def _classify(folder: Path, **options: object) -> Pipeline:
    return pipeline(
        "text-classification",
        model=str(folder),
        top_k=None,
        function_to_apply="none",
        **options,
    )


def _logits(answers: list[list[dict[str, object]]], labels: list[str]) -> np.ndarray:
    """Return (texts, classes) of what a pipeline answered, classes by label."""
    by_label = [{row["label"]: row["score"] for row in answer} for answer in answers]
    return np.array([[each[name] for name in labels] for each in by_label])


# --- registration --------------------------------------------------------------------


def test_a_folder_comes_back_as_what_it_is(chip: Path, spikebert: Path) -> None:
    assert isinstance(AutoConfig.from_pretrained(chip), ChipStudentConfig)
    assert isinstance(AutoConfig.from_pretrained(spikebert), SpikeBertConfig)
    classifier = AutoModelForSequenceClassification
    assert isinstance(classifier.from_pretrained(chip), ChipStudent)
    loaded = classifier.from_pretrained(spikebert)
    assert isinstance(loaded, SpikeBertForSequenceClassification)
    assert isinstance(AutoModel.from_pretrained(spikebert), SpikeBertModel)


def test_to_register_again_does_no_harm(chip: Path) -> None:
    register_auto_classes()
    register_auto_classes()
    assert isinstance(AutoConfig.from_pretrained(chip), ChipStudentConfig)


def test_no_import_registers() -> None:
    """Calls of `register` stand in one function of the whole folder."""
    owners, calls = set(), 0
    for path in Path(__file__).parents[2].glob("train/**/*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls += _registrations(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and _registrations(node):
                owners.add(f"{path.name}: {node.name}")
                calls -= _registrations(node)
    assert owners == {"auto.py: register_auto_classes"}
    assert calls == 0, "something registers outside of a function"


def _registrations(tree: ast.AST) -> int:
    names = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return sum(isinstance(n, ast.Attribute) and n.attr == "register" for n in names)


# --- what a pipeline feeds a student -------------------------------------------------


def test_a_deployable_student_reads_no_special_tokens(chip: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(chip)
    # "the" and "soup" are words 5 and 6, after the five special tokens.
    assert tokenizer("the soup") == {"input_ids": [5, 6], "attention_mask": [1, 1]}
    assert tokenizer.model_max_length == LONGEST
    assert tokenizer("the " * 19, truncation=True)["input_ids"] == [5] * LONGEST


def test_a_tokenizer_that_was_saved_again_still_adds_nothing(
    chip: Path, tmp_path: Path
) -> None:
    AutoTokenizer.from_pretrained(chip).save_pretrained(tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again")
    assert again("the soup")["input_ids"] == [5, 6]
    assert again.model_max_length == LONGEST


def test_a_spikebert_reads_what_its_teacher_read(spikebert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(spikebert)
    assert tokenizer("the soup")["input_ids"] == [2, 5, 6, 3]  # [CLS] … [SEP]
    cut = tokenizer("the " * 19, truncation=True)["input_ids"]
    assert cut == [2, *[5] * LONGEST, 3]


def test_a_teacher_s_tokenizer_is_saved_as_it_is(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=13, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    BertModel(config).save_pretrained(tmp_path)
    tokenizer = _tokenizer()
    before = tokenizer.model_max_length
    save_tokenizer(tokenizer, tmp_path)
    back = AutoTokenizer.from_pretrained(tmp_path)
    assert back("the soup")["input_ids"] == [2, 5, 6, 3]
    assert back.model_max_length == before


def test_the_teacher_s_own_tokenizer_is_left_alone(chip: Path, spikebert: Path) -> None:
    tokenizer = _tokenizer()
    before = tokenizer.model_max_length
    save_tokenizer(tokenizer, chip)
    save_tokenizer(tokenizer, spikebert)
    assert tokenizer("the soup")["input_ids"] == [2, 5, 6, 3]
    assert tokenizer.model_max_length == before


def test_a_tokenizer_that_no_chip_s_host_reads_is_refused(chip: Path) -> None:
    slow = ByT5Tokenizer()
    with pytest.raises(InputError, match=r"ByT5Tokenizer: is not of .* take a teacher"):
        save_tokenizer(slow, chip)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config.json: no such file"):
        save_tokenizer(_tokenizer(), tmp_path)


# --- pipelines -----------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_a_pipeline_answers_as_the_deployable_student_to_the_bit(
    chip: Path, batch: int
) -> None:
    answers = _classify(chip, truncation=True, batch_size=batch)(TEXTS)
    # By hand: words only, in order, the last text cut to twelve.
    ids = [[5, 6], [8], [9, 10, 11, 12, 6], [9] * 12]
    ours = float_logits(load_student(chip), ids, batch_size=batch)
    assert np.array_equal(_logits(answers, ["bad", "good"]), ours)
    assert len(np.unique(ours)) > 4  # the texts are told apart


@pytest.mark.parametrize("batch", [1, 3])
def test_a_pipeline_answers_as_the_spikebert_to_the_bit(
    spikebert: Path, batch: int
) -> None:
    answers = _classify(spikebert, truncation=True, batch_size=batch)(TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(spikebert).eval()
    ids = [[2, 5, 6, 3], [2, 8, 3], [2, 9, 10, 11, 12, 6, 3], [2, *[9] * 12, 3]]
    ours = np.concatenate(
        [
            float_logits(model, ids[start : start + batch])
            for start in range(0, len(ids), batch)
        ]
    )
    assert np.array_equal(_logits(answers, ["bad", "good"]), ours)
    assert len(np.unique(ours)) > 4


def test_a_text_too_long_is_refused_unless_it_may_be_cut(
    chip: Path, spikebert: Path
) -> None:
    with pytest.raises(
        InputError, match=r"a sentence of 19 tokens; .* 1 to 12; cut it"
    ):
        _classify(chip)("the " * 19)
    with pytest.raises(
        InputError, match=r"of 21 tokens; .* places for 1 to 14; cut it"
    ):
        _classify(spikebert)("the " * 19)


def test_the_shipped_student_answers_in_a_pipeline_as_ours_to_the_bit() -> None:
    folder, text = shipped_student(), "the acting is superb"
    (answer,) = _classify(folder)([text])
    ids = AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)
    ours = float_logits(load_student(folder), [ids["input_ids"]])
    assert np.array_equal(_logits([answer], ["negative", "positive"]), ours)
    assert ours[0, 1] > ours[0, 0]  # it likes it


# --- labels --------------------------------------------------------------------------


def test_a_deployable_student_tells_its_loss_where_labels_are_given(
    make_student: MakeStudent,
) -> None:
    student, ids = make_student(), torch.tensor([[5, 6, 7], [8, 9, 0]])
    mask, labels = torch.tensor([[1, 1, 1], [1, 1, 0]]), torch.tensor([1, 0])
    output = student(input_ids=ids, attention_mask=mask, labels=labels)
    assert output.logits is not None
    # Mean of -log softmax at the label, written out.
    logits = output.logits.double()
    told = torch.log_softmax(logits, dim=1)[[0, 1], [1, 0]]
    assert output.loss.item() == pytest.approx(-told.mean().item())
    assert student(input_ids=ids, attention_mask=mask).loss is None


# --- the page ------------------------------------------------------------------------


def test_the_code_of_the_page_prints_what_it_quotes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = Path(__file__).parents[2] / "docs" / "huggingface.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    exec(compile(code, str(page), "exec"), {})  # noqa: S102 - what readers will do
    quoted = re.findall(r"^# -> (.*)$", code, flags=re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == quoted
    assert len(quoted) == 2
