"""Our students in transformers' Auto classes: by a call, since no import registers."""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.model import ChipStudent
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import (
    SpikeBertForSequenceClassification,
    SpikeBertModel,
)
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import (
    SpikingBertForSequenceClassification,
    SpikingBertModel,
)

CLASSIFIERS: tuple[tuple[type[PretrainedConfig], type[PreTrainedModel]], ...] = (
    (ChipStudentConfig, ChipStudent),
    (SpikeBertConfig, SpikeBertForSequenceClassification),
    (SpikingBertConfig, SpikingBertForSequenceClassification),
)
"""what `AutoModelForSequenceClassification` and pipelines make of a configuration"""
ENCODERS: tuple[tuple[type[PretrainedConfig], type[PreTrainedModel]], ...] = (
    (SpikeBertConfig, SpikeBertModel),
    (SpikingBertConfig, SpikingBertModel),
)
"""what `AutoModel` makes of one"""


def register_auto_classes() -> None:
    """Let transformers' Auto classes and pipelines load our students from a folder.

    Call it once in a program, before `pipeline("text-classification", model=folder)`
    or `AutoModelForSequenceClassification.from_pretrained(folder)`; again does no harm.
    """
    for config, model in CLASSIFIERS:
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForSequenceClassification.register(config, model, exist_ok=True)
    for config, model in ENCODERS:
        AutoModel.register(config, model, exist_ok=True)
