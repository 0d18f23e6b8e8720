"""A step of a road as the command line of its verb, and what the verb printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spikewright.cli.road.config import Step
from spikewright.cli.road.options import Made
from spikewright.cli.road.store import Store

WITHOUT_JSON = frozenset({"report"})
"""steps whose results are files of several formats"""


def command_of(step: Step, store: Store, here: Path) -> list[str]:
    """Return the command line of a step that makes its files in the folder `here`."""

    def text(word: str | Path | Made) -> str:
        return str(
            store.place(word.step) / word.name if isinstance(word, Made) else word
        )

    words = [step.name]
    for name, values in step.options.items():
        words += [f"--{name}={text(each)}" for each in values] or [f"--{name}"]
    for name in step.makes:
        words += ["-o", str(here / name)]
    if step.name not in WITHOUT_JSON:
        words.append("--json")
    return [*words, "--", *map(text, step.given)]


def plain_document(text: str, part: Path, folder: Path, step: str) -> dict[str, Any]:
    """Return a verb's document without clocks, with paths from the road's folder.

    So the same road gives the same bytes, wherever and however often it is gone.
    """
    for path, instead in ((part, f"{step}/"), (folder, "")):
        text = text.replace(json.dumps(f"{path}/")[1:-1], instead)
    document: dict[str, Any] = json.loads(text)
    document.pop("seconds", None)
    return document
