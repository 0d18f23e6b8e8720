"""A trained student of any family with its tokenizer: sentences in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from spikewright.errors import InputError
from spikewright.train.answers.logits import float_logits
from spikewright.train.chip.model import ChipStudent
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.load import load_spikebert
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.load import load_spikingbert
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.student import load_student
from spikewright.train.texts.data import tokenize

Student = (
    ChipStudent
    | SpikeBertForSequenceClassification
    | SpikingBertForSequenceClassification
)


@dataclass(frozen=True, eq=False)
class Trained:
    """A student in evaluation mode that reads text."""

    student: Student
    tokenizer: PreTrainedTokenizerFast

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, as the student was trained on them.

        Raises:
            InputError: a text holds no token.
        """
        config = self.student.config
        is_bert = isinstance(config, SpikeBertConfig | SpikingBertConfig)
        ids = tokenize(
            texts,
            self.tokenizer,
            max_tokens=config.max_position_embeddings if is_bert else config.max_tokens,
            special_tokens=is_bert,
        )
        if empty := [text for text, each in zip(texts, ids, strict=True) if not each]:
            raise InputError(f"{empty[0]!r}: holds no token; give at least one word")
        return ids

    def logits(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return logits (texts, classes) in float32 arithmetic.

        Raises:
            InputError: a text holds no token.
        """
        return float_logits(self.student, self.token_ids(texts))


def load_trained(folder: Path) -> Trained:
    """Load a student of any family, and its tokenizer, from its folder.

    Raises:
        InputError: there is none, or it does not load whole.
    """
    kind = read_json(folder / "config.json").get("model_type")
    student: Student
    match kind:
        case SpikeBertConfig.model_type:
            student = load_spikebert(folder)
        case SpikingBertConfig.model_type:
            student = load_spikingbert(folder)
        case _:
            student = load_student(folder)
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: its tokenizer cannot be read: {error}") from error
    return Trained(student, tokenizer)
