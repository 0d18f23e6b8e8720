"""Accuracy and energy against time steps: one run over labeled sentences."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from spikewright.cli.plot.run import student_of
from spikewright.cli.report.pricing import PROFILES, card_baselines, embedding_bits
from spikewright.cli.report.runs import texts_runs
from spikewright.cli.report.texts import JSONL, read_texts
from spikewright.errors import InputError
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.reports.pictures import energies_by_step
from spikewright.hardware_profiles.reports.run import Wanted
from spikewright.hardware_profiles.reports.traces import Lengths, report_traces
from spikewright.plots.sweep import Floats, Sweep, sweep
from spikewright.trace import SpikeTrace

_ONE = 1
"""token that the teacher reads: it is not in the picture"""


def plot_sweep(args: Namespace) -> Sweep:
    """Simulate labeled sentences once; judge and price what each step adds.

    Raises:
        InputError: the folder is no student, or a line has no label.
    """
    deployment = student_of(args)
    texts = read_texts(args.text)
    labels = read_labels(args.text, deployment.card["labels"])
    if labels is None:
        raise InputError(
            f'{args.text}: needs a label for each text: {{"text": "…", "label": 0}} a '
            f"line in a file {JSONL}"
        )
    # `report`, whose reader this is, has four options more.
    others = dict.fromkeys(("student", "dt", "cluster", "shard"))
    runs = texts_runs(Namespace(**vars(args), **others), texts)
    outputs: list[Floats] = []
    report = report_traces(
        runs.graph,
        _watched(runs.parts, outputs),
        card_baselines(deployment, [_ONE], steps=runs.steps),
        Wanted([load_profile(each) for each in args.profile or PROFILES], by="step"),
        embedding_bits=embedding_bits(runs.graph, deployment),
    )
    values = {each.name: each.value for each in report.figures}
    return sweep(
        np.concatenate(outputs), labels, energies_by_step(report.facts, values)
    )


def _watched(
    parts: Iterable[tuple[SpikeTrace, Lengths]], outputs: list[Floats]
) -> Iterator[tuple[SpikeTrace, Lengths]]:
    """Keep the output of each trace that passes."""
    for trace, lengths in parts:
        outputs.append(trace.output)
        yield trace, lengths


def read_labels(path: Path, names: Sequence[str]) -> list[int] | None:
    """Read the label of each line, a name or a number; None if no line has one.

    Raises:
        InputError: some lines have one and others not, or it is none of `names`.
    """
    if path.suffix != JSONL:
        return None
    lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    rows = [json.loads(line) for line in lines]
    if not any("label" in row for row in rows):
        return None
    return [
        _label(row.get("label"), names, f"{path}:{number}")
        for number, row in enumerate(rows, start=1)
    ]


def _label(label: object, names: Sequence[str], where: str) -> int:
    if isinstance(label, str) and label in names:
        return list(names).index(label)
    is_number = isinstance(label, int) and not isinstance(label, bool)
    if is_number and 0 <= int(str(label)) < len(names):
        return int(str(label))
    raise InputError(
        f"{where}: label {label!r}; must be one of {', '.join(names)}, or 0 to "
        f"{len(names) - 1}"
    )
