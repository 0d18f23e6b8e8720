"""A tokenizer saved such that pipelines feed a student what it was trained on."""

from __future__ import annotations

import copy
from pathlib import Path

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from spikewright.errors import InputError
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.folders.writing import Writing
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikingbert.config import SpikingBertConfig

SPECIAL = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a tokenizer beside the model in `folder`, as that model reads texts.

    A deployable student's adds no special tokens; with `truncation=True` a student's
    cuts where the student has no more positions. That of another model is saved as it
    is.

    Raises:
        InputError: there is no model in the folder, it cannot be written, or the
            tokenizer of a deployable student is not of the tokenizers library.
    """
    config = read_json(folder / "config.json")
    match config.get("model_type"):
        case ChipStudentConfig.model_type:
            tokenizer = without_special_tokens(tokenizer, int(config["max_tokens"]))
        case SpikeBertConfig.model_type | SpikingBertConfig.model_type:
            tokenizer = copy.deepcopy(tokenizer)
            tokenizer.model_max_length = int(config["max_position_embeddings"])
    with Writing(folder):
        tokenizer.save_pretrained(folder)


def without_special_tokens(
    tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> PreTrainedTokenizerFast:
    """Return a tokenizer with the same words that adds nothing around them.

    Args:
        tokenizer: of the teacher.
        max_tokens: where `truncation=True` cuts.

    Raises:
        InputError: it is not of the tokenizers library.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(
            f"tokenizer {type(tokenizer).__name__}: is not of the tokenizers library, "
            "and the host of a chip reads no other; take a teacher that has a "
            "tokenizer.json"
        )
    plain = copy.deepcopy(tokenizer.backend_tokenizer)
    plain.post_processor = None
    plain.no_truncation()
    plain.no_padding()
    names = {
        name: token for name in SPECIAL if (token := getattr(tokenizer, name, None))
    }
    # Not the teacher's class: BertTokenizer puts [CLS] and [SEP] back when it loads.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=plain,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )
