"""The new texts of stage 2, made once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from spikewright.errors import InputError
from spikewright.train.settings.stage_tables import StagedRun
from spikewright.train.stages.material import Texts, tuned_teacher, tuned_tokenizer
from spikewright.train.stages.model import word_table
from spikewright.train.stages.place import Place, by_one
from spikewright.train.teachers.mask_fill import fill_masks, load_filler
from spikewright.train.texts.replace import (
    Replace,
    by_groups,
    by_neighbors,
    by_vocabulary,
    make_texts,
)
from spikewright.whole_files import whole_file


def made_texts(place: Place[StagedRun], texts: Texts) -> list[str]:
    """Return the augmented texts, made once."""
    path = place.run / "augmented.jsonl"
    if not place.config.augment.rounds:
        return []

    def make() -> None:
        if not path.exists():
            made = _augment(place, [each.text for each in texts.train])
            with whole_file(path) as temporary:
                lines = (json.dumps(text, ensure_ascii=False) for text in made)
                temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    by_one(make)
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [json.loads(line) for line in lines if line]


def _augment(place: Place[StagedRun], texts: Sequence[str]) -> list[str]:
    config, table = place.config, place.config.augment
    tokenizer = tuned_tokenizer(place)
    mask, rng = tokenizer.mask_token, np.random.default_rng(config.seed)
    if mask is None and table.mask_probability:
        raise InputError(
            "augment: the teacher's tokenizer has no mask; set [augment] "
            "mask_probability = 0 or take another teacher"
        )
    replace = _replacement(place, texts, tokenizer)
    made = make_texts(texts, table, rng, replace=replace, mask=str(mask))
    place.say(f"augment: {len(made)} new texts")
    if not table.fill:
        return made
    filler, own = load_filler(table.fill)
    longest = config.data.max_tokens
    return fill_masks(
        made, filler, own, rng, mask=str(mask), max_tokens=longest, say=place.say
    )


def _replacement(
    place: Place[StagedRun], texts: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> Replace:
    table = place.config.augment
    match table.replacement:
        case "vocabulary":
            return by_vocabulary(texts)
        case "groups":
            return by_groups(Path(table.groups))
    return by_neighbors(texts, tokenizer, word_table(tuned_teacher(place)))
