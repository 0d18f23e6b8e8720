"""A model card: what a hub shows of a checkpoint, written from what its run recorded.

It holds no number that was not measured by the run or by a report that was given, and
says of everything else that it is not known.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from spikewright.errors import InputError
from spikewright.printable import as_code, as_markdown, one_line
from spikewright.train.chip.config import SIZES, ChipStudentConfig
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.hub.card_energy import energy_lines
from spikewright.train.hub.card_text import ARITHMETIC, HEAD, LIMITS, STAGES, USE
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.texts.sources import HUB

CARD = "card.json"
STUDENT, CHECKPOINT = "student", "checkpoint"
"""entry of a run's card for its student; key that says which entry a folder is of"""
TAGS = ("spiking-neural-network", "snntorch", "neuromorphic", "knowledge-distillation")
_SIZES: Mapping[str, tuple[str, ...]] = {
    ChipStudentConfig.model_type: (*SIZES, "beta"),
    SpikeBertConfig.model_type: (
        *("vocab_size", "max_position_embeddings", "hidden_size", "num_hidden_layers"),
        *("num_attention_heads", "intermediate_size", "steps", "beta", "leak", "ties"),
        *("threshold", "attention", "attention_threshold", "encoding", "positions"),
        *("pad_mask", "norm", "readout"),
    ),
    SpikingBertConfig.model_type: (
        *("vocab_size", "max_position_embeddings", "hidden_size", "num_hidden_layers"),
        *("num_attention_heads", "intermediate_size", "steps", "decay", "threshold"),
        *("start", "ties", "nonlinear_reads", "attention", "norm", "activation"),
        *("readout", "feedback", "training_rates"),
    ),
}
"""what a card tells of each configuration"""
_BAR, _ESCAPED_BAR = re.compile(r"(?<!\\)\|"), r"\\|"
"""a bar ends a cell even in code"""


@dataclass(frozen=True)
class CardFacts:
    """All that a card is written from."""

    name: str
    config: Mapping[str, Any]
    """the model's config.json"""
    run: Mapping[str, Any]
    """card.json of its run; empty if there is none"""
    stage: str
    """its entry in the run's card"""
    numbers: Mapping[str, int]
    """how many of each type are in model.safetensors"""
    energy: Mapping[str, Any] | None = None
    """of `spikewright report --format json`"""
    language: str | None = None
    license: str | None = None

    @property
    def labels(self) -> list[str]:
        """Return the names of the classes, in order."""
        names: Mapping[str, str] = self.config.get("id2label") or {}
        return [names[key] for key in sorted(names, key=int)]

    @property
    def accuracy(self) -> Mapping[str, float]:
        """Return the accuracy on validation of teacher and student, as recorded."""
        found = {
            "teacher": self.run.get("teacher", {}).get("validation_accuracy"),
            STUDENT: self.run.get(self.stage, {}).get("validation_accuracy"),
        }
        return {name: value for name, value in found.items() if value is not None}


def read_facts(
    folder: Path,
    *,
    name: str | None = None,
    energy: Mapping[str, Any] | None = None,
    language: str | None = None,
    license_name: str | None = None,
) -> CardFacts:
    """Read what a checkpoint and its run recorded.

    The run's card lies in the folder, or beside it, where a SpikeBERT run keeps it.

    Raises:
        InputError: there is no `config.json`, or a file is not readable.
    """
    place = folder.resolve().name
    run, stage = _run_of(folder, place)
    return CardFacts(
        name=name or place,
        config=read_json(folder / "config.json"),
        run=run,
        stage=stage,
        numbers=_numbers(folder / "model.safetensors"),
        energy=energy,
        language=language,
        license=license_name,
    )


def _run_of(folder: Path, place: str) -> tuple[dict[str, Any], str]:
    """Return the run's card and this checkpoint's entry in it; {} if it has none."""
    if (folder / CARD).exists():
        run = read_json(folder / CARD)
        stage = run.get(CHECKPOINT, place if place in run else STUDENT)
    elif (folder.parent / CARD).exists():
        run, stage = read_json(folder.parent / CARD), place
    else:
        run, stage = {}, place
    return (run if stage in run else {}), stage


def _numbers(path: Path) -> dict[str, int]:
    """Count the numbers of each type, from the file's header alone."""
    counts: dict[str, int] = {}
    try:
        with safe_open(path, framework="np") as file:
            for key in file.keys():
                part = file.get_slice(key)
                kind, size = part.get_dtype(), math.prod(part.get_shape())
                counts[kind] = counts.get(kind, 0) + size
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    return counts


def model_card(facts: CardFacts) -> str:
    """Return README.md: YAML for the hub, then what a reader should know."""
    return "\n".join([*_front_matter(facts), "", *_body(facts)]) + "\n"


# --- for the hub ---------------------------------------------------------------------


def _front_matter(facts: CardFacts) -> Iterator[str]:
    """Yield YAML; its values are spelled as JSON, which YAML reads."""
    yield "---"
    for key, value in (("language", facts.language), ("license", facts.license)):
        if value is not None:
            yield f"{key}: {json.dumps(value)}"
    yield 'library_name: "spikewright"'
    yield 'pipeline_tag: "text-classification"'
    yield f"tags: {json.dumps(list(TAGS))}"
    if names := [each for each in _data_names(facts) if each.startswith(HUB)]:
        paths = dict.fromkeys(_dataset(each)["type"] for each in names)
        yield f"datasets: {json.dumps(list(paths))}"
    if STUDENT in facts.accuracy:
        yield f"model-index: {json.dumps([_index(facts)])}"
    yield "---"


def _index(facts: CardFacts) -> dict[str, Any]:
    name = facts.run["config"]["data"]["validation"]
    measured = {"type": "accuracy", "value": facts.accuracy[STUDENT]}
    return {
        "name": facts.name,
        "results": [
            {
                "task": {"type": "text-classification"},
                "dataset": {**_dataset(name), "split": "validation"},
                "metrics": [measured],
            }
        ],
    }


def _dataset(name: str) -> dict[str, str]:
    """Return a data set as the hub names it; a local folder has its own name only."""
    path, _, config = name.removeprefix(HUB).partition(":")
    found = {"name": path, "type": path}
    return {**found, "config": config} if config else found


def _data_names(facts: CardFacts) -> list[str]:
    splits = facts.run.get("data_sha256", {})
    return list(dict.fromkeys(each.rpartition("/")[0] for each in splits))


# --- for a reader --------------------------------------------------------------------


def _body(facts: CardFacts) -> Iterator[str]:
    kind = str(facts.config["model_type"])
    labels = ", ".join(as_code(str(each)) for each in facts.labels)
    yield from (f"# {as_markdown(facts.name)}", "", HEAD[kind].format(labels=labels))
    name = one_line(facts.name)
    use = USE[kind].format(text=json.dumps(name), word=shlex.quote(name))
    yield from ("", "## Use", "", *use.splitlines(), "")
    yield from ("## Model", "", *_sizes(facts, kind), "")
    yield from ("## Training", "", *_training(facts), "")
    yield from ("## Results", "", *_results(facts), "")
    yield from ("## Energy", "", *energy_lines(facts.energy), "")
    yield from ("## Limits", "", *LIMITS[kind].format(**_longest(facts)).splitlines())


def _longest(facts: CardFacts) -> dict[str, object]:
    keys = ("max_tokens", "max_position_embeddings")
    return {"tokens": next(facts.config[key] for key in keys if key in facts.config)}


def _sizes(facts: CardFacts, kind: str) -> Iterator[str]:
    yield from _table(
        ("of config.json", "value"),
        [
            (as_code(k), as_markdown(str(facts.config[k])))
            for k in _SIZES[kind]
            if k in facts.config
        ],
    )
    counts = ", ".join(f"{n:,} of {kind}" for kind, n in sorted(facts.numbers.items()))
    yield from ("", f"`model.safetensors` holds {counts}.")


def _training(facts: CardFacts) -> Iterator[str]:
    if not facts.run:
        yield "No run card came with this checkpoint: how it was trained is not known."
        return
    config = facts.run["config"]
    teacher, stages = config["teacher"], list(STAGES)
    until = stages[: stages.index(facts.stage) + 1]
    done = [STAGES[each] for each in until if each in facts.run]
    tuned = (
        f"fine-tuned, {teacher['epochs']:g} epochs" if teacher["epochs"] else "as is"
    )
    yield f"Teacher: {teacher_name(teacher['base'])}, {tuned}. Then {', '.join(done)}."
    yield f"Seed {config['seed']}; every value of the configuration is in `{CARD}`."
    yield ""
    hashes = facts.run["data_sha256"].items()
    yield from _table(
        ("data", "SHA-256"), [(as_code(k), as_code(str(v))) for k, v in hashes]
    )
    versions = (as_markdown(f"{k} {v}") for k, v in facts.run["versions"].items())
    yield from ("", f"Versions: {', '.join(versions)}.")


def teacher_name(base: str) -> str:
    """Say what the teacher was, without where it lay on somebody's disk."""
    if base.startswith("package:"):
        return f"{as_code(base.removeprefix('package:'))}, a Python package"
    if base.startswith(("/", ".", "~")):
        return f"a local folder {as_code(Path(base).name)}"
    if base == "fresh":
        return "a BERT that started from random weights"
    return as_code(base)


def _results(facts: CardFacts) -> Iterator[str]:
    if not facts.accuracy:
        yield "None were recorded."
        return
    name = as_code(facts.run["config"]["data"]["validation"])
    rows = [(who, f"{value:.4f}") for who, value in facts.accuracy.items()]
    yield from _table(("model", f"accuracy on validation of {name}"), rows)
    yield ""
    where = ARITHMETIC.get(facts.stage, "floating point")
    yield f"As the run measured them, the student in {where}. The checkpoint was chosen"
    yield "on these rows, so that another sample of the task is likely to score lower."
    yield "One run: no spread is claimed."


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield _row(head)
    yield "|---|---|"
    yield from map(_row, rows)


def _row(cells: tuple[str, str]) -> str:
    return f"| {' | '.join(_BAR.sub(_ESCAPED_BAR, cell) for cell in cells)} |"
