"""What the float student answers, for comparison with the chip's answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from spikewright.train.chip.model import ChipStudent
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.texts.data import pad_batch


def float_logits(
    student: ChipStudent
    | SpikeBertForSequenceClassification
    | SpikingBertForSequenceClassification,
    token_ids: Sequence[Sequence[int]],
    *,
    batch_size: int = 64,
) -> npt.NDArray[np.float64]:
    """Return logits (samples, classes) in float32 arithmetic.

    Args:
        student: in evaluation mode.
        token_ids: of each sentence, without padding, at most `max_tokens` of them.
        batch_size: sentences computed at once.

    Raises:
        InputError: a sentence has no token, or more than `max_tokens`.
    """
    parts = [np.empty((0, len(student.config.id2label or {})))]
    for start in range(0, len(token_ids), batch_size):
        chosen = token_ids[start : start + batch_size]
        batch = pad_batch([{"input_ids": list(ids)} for ids in chosen])
        with torch.inference_mode():
            output = student(batch["input_ids"], batch["attention_mask"])
        assert output.logits is not None  # noqa: S101 - forward sets them
        parts.append(output.logits.double().numpy())
    return np.concatenate(parts)
