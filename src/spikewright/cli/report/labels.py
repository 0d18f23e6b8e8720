"""The right class of each sample of a run, for its answers after each step."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from spikewright.cli.report.runs import Runs
from spikewright.cli.report.texts import JSONL
from spikewright.errors import InputError
from spikewright.files import read_arrays
from spikewright.hardware_profiles.reports.early_exit import Judge

NPY = ".npy"


def judge_of(args: Namespace, runs: Runs) -> Judge | None:
    """Return who judges the answers of a run; None: nothing says that it has any.

    Raises:
        InputError: labels cannot be read.
    """
    deployment = runs.deployment
    names = [] if deployment is None else deployment.card["labels"]
    if args.labels is not None:
        return Judge(read_labels(args.labels, names))
    if deployment is None:
        return None
    # One output is a grade: its labels are no classes.
    has_classes = args.text is not None and len(names) > 1
    return Judge(labels_of_texts(args.text, names) if has_classes else None)


def read_labels(path: Path, names: Sequence[str]) -> list[int]:
    """Read classes: a .npy of whole numbers, or `label` of each line of a .jsonl.

    Raises:
        InputError: the file is missing or damaged, or a line has no class.
    """
    if path.suffix == NPY:
        return _of_array(path)
    labels = labels_of_texts(path, names)
    if labels is None:
        raise InputError(
            f'{path}: give a {NPY} of whole numbers, or a {JSONL} with {{"label": 0}} '
            "a line"
        )
    return labels


def _of_array(path: Path) -> list[int]:
    found = list(read_arrays(path).values())
    if len(found) != 1 or found[0].ndim != 1 or found[0].dtype.kind not in "iu":
        got = ", ".join(f"{each.dtype} of shape {each.shape}" for each in found)
        raise InputError(f"{path}: {got}; needs a whole number for each sample")
    return [int(each) for each in found[0]]


def labels_of_texts(path: Path, names: Sequence[str]) -> list[int] | None:
    """Read `label` of each line of a .jsonl; None if no line has one.

    Args:
        path: of JSON objects, a line each; another file has no labels.
        names: of the classes; none: labels are numbers.

    Raises:
        InputError: the file cannot be read, some lines have a label and others not, or
            one is no class.
    """
    if path.suffix != JSONL:
        return None
    rows = _rows(path)
    if not any("label" in row for row in rows):
        return None
    return [
        _label(row.get("label"), names, f"{path}:{number}")
        for number, row in enumerate(rows, start=1)
    ]


def _rows(path: Path) -> list[Mapping[str, object]]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read: {reason}") from error
    rows: list[Mapping[str, object]] = []
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: holds no JSON object")
        rows.append(row)
    return rows


def _label(label: object, names: Sequence[str], where: str) -> int:
    if isinstance(label, str) and label in names:
        return list(names).index(label)
    is_number = isinstance(label, int) and not isinstance(label, bool)
    if is_number and 0 <= int(str(label)) < (len(names) or int(str(label)) + 1):
        return int(str(label))
    allowed = (
        f"one of {', '.join(names)}, or 0 to {len(names) - 1}"
        if names
        else "a whole number from 0 on"
    )
    raise InputError(f"{where}: label {label!r}; must be {allowed}")
