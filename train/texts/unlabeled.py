"""The unlabeled texts of a run, none of which stands in its validation split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spikewright.train.meter import Say
from spikewright.train.settings.config import TrainConfig
from spikewright.train.texts import sources
from spikewright.train.texts.data import NO_LABEL, LabeledText


def read_unlabeled(
    config: TrainConfig,
    data: Path | None,
    validation: Sequence[LabeledText],
    say: Say,
) -> list[LabeledText]:
    """Read the texts of `[data] unlabeled`, but for those of the validation split.

    Raises:
        BackendMissingError: a hub name, and datasets is not installed.
        InputError: there is no such text.
    """
    held_out = {_letters(each.text) for each in validation}
    read = [
        LabeledText(text, NO_LABEL)
        for name in config.data.unlabeled
        for text in sources.read_unlabeled(data, name)
    ]
    kept = [each for each in read if _letters(each.text) not in held_out]
    if left := len(read) - len(kept):
        say(f"{left} unlabeled texts stand in the validation split, too: left out")
    return kept


def _letters(text: str) -> str:
    """Return letters and digits alone: sets of one origin differ in the rest."""
    return "".join(filter(str.isalnum, text.lower()))
