"""Small students whose every parameter matters, and a tiny task to train one on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
)

from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.distill.pipeline import train_run
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.settings.config import TrainConfig, load_config
from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.stages.run import train_spikebert
from spikewright.train.student import ChipStudent

MakeStudent = Callable[..., ChipStudent]

# Threads that wait for each other make these small products ten times slower.
torch.set_num_threads(1)


def _student(seed: int = 0, **sizes: Any) -> ChipStudent:
    """Return a random student in evaluation mode; its norms have seen something."""
    torch.manual_seed(seed)
    small = {
        "vocab_size": 50,
        "max_tokens": 12,
        "channels": 16,
        "position_channels": 8,
        "hidden": 24,
        "steps": 3,
        "id2label": {0: "bad", 1: "good"},
    }
    student = ChipStudent(ChipStudentConfig(**{**small, **sizes}))
    norms = [each for each in student.modules() if isinstance(each, FoldableNorm)]
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if name.endswith((".skip", ".gain")):
                parameter.uniform_(-0.3, 1.3)
        for norm in norms:
            norm.weight.uniform_(1, 3)
            norm.bias.uniform_(-1, 2)
            norm.momentum = 1.0
        student.train()(torch.randint(0, 50, (16, 12)))  # so that all layers are busy
    for norm in norms:
        norm.momentum = 0.05
    return student.eval()


@pytest.fixture
def make_student() -> MakeStudent:
    """Return a maker of small random students: seed, then sizes by keyword."""
    return _student


# --- a tiny task ---------------------------------------------------------------------

GOOD, BAD = ("fine", "lovely", "warm", "bright"), ("dull", "sour", "cold", "grim")
OTHER = ("the", "soup", "road", "tale", "was", "and", "very", "quite")
WORDS = (*GOOD, *BAD, *OTHER)
CONFIG = """
[data]
train = ["tiny"]
validation = "tiny"
labels = ["bad", "good"]
max_tokens = 10

[teacher]
base = "BASE"
epochs = 8
learning_rate = 5e-3
batch_size = 16

[student]
channels = 16
position_channels = 8
hidden = 16
blocks = 1
steps = 2
beta = 0.5

[distill]
epochs = 6
learning_rate = 2e-2
batch_size = 16
compile = "never"
"""


def _sentences(rng: np.random.Generator, count: int) -> str:
    """Return lines whose class is that of their one good or bad word."""
    lines = []
    for i in range(count):
        words = [str(each) for each in rng.choice(OTHER, rng.integers(2, 6))]
        telling = rng.choice(GOOD if i % 2 else BAD)
        words.insert(int(rng.integers(len(words) + 1)), str(telling))
        lines.append(json.dumps({"text": " ".join(words), "label": i % 2}))
    return "\n".join(lines) + "\n"


def _save_encoder(folder: Path) -> None:
    """Save a random BERT of one layer, 16 wide, and a tokenizer of our words."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    fast.add_special_tokens({"pad_token": "[PAD]", "unk_token": "[UNK]"})
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the encoder, the data and the configuration."""
    place = tmp_path_factory.mktemp("place")
    _save_encoder(place / "encoder")
    rng = np.random.default_rng(0)
    (place / "data" / "tiny").mkdir(parents=True)
    for split, count in (("train", 192), ("validation", 40)):
        (place / "data" / "tiny" / f"{split}.jsonl").write_text(_sentences(rng, count))
    text = CONFIG.replace("BASE", str(place / "encoder"))
    (place / "run.toml").write_text(text)
    return place


@pytest.fixture(scope="session")
def config(place: Path) -> TrainConfig:
    return load_config(place / "run.toml")


@pytest.fixture(scope="session")
def done(place: Path, config: TrainConfig) -> Path:
    """The folder of a run that nothing disturbed."""
    train_run(config, place / "data", place / "done")
    return place / "done"


@pytest.fixture(scope="session")
def spike_config(place: Path) -> SpikeBertRun:
    """A SpikeBERT run on the tiny task, its encoder with a mask."""
    shutil.copytree(place / "encoder", place / "masked")
    tokenizer = AutoTokenizer.from_pretrained(place / "masked")
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(place / "masked")
    text = (Path(__file__).parent / "spikebert.toml").read_text()
    text = text.replace("BASE", str(place / "masked"))
    (place / "spikebert.toml").write_text(text)
    return load_run(place / "spikebert.toml")


@pytest.fixture(scope="session")
def finished(place: Path, spike_config: SpikeBertRun) -> Path:
    """The folder of a SpikeBERT run that nothing disturbed."""
    train_spikebert(spike_config, place / "data", place / "spikebert")
    return place / "spikebert"
