"""Accuracy and energy against time steps: one run over labeled sentences."""

from __future__ import annotations

from argparse import Namespace

from spikewright.cli.plot.run import student_of
from spikewright.cli.report.labels import labels_of_texts
from spikewright.cli.report.pricing import PROFILES, card_baselines, embedding_bits
from spikewright.cli.report.runs import texts_runs
from spikewright.cli.report.texts import JSONL, read_texts
from spikewright.errors import InputError
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.hardware_profiles.reports.early_exit import Judge
from spikewright.hardware_profiles.reports.pictures import early_exit_curve
from spikewright.hardware_profiles.reports.run import Wanted
from spikewright.hardware_profiles.reports.traces import report_traces
from spikewright.plots.sweep import Sweep

_ONE = 1
"""token that the teacher reads: it is not in the picture"""


def plot_sweep(args: Namespace) -> Sweep:
    """Simulate labeled sentences once; judge and price what each step adds.

    Raises:
        InputError: the folder is no student, or a line has no label.
    """
    deployment = student_of(args)
    texts = read_texts(args.text)
    labels = labels_of_texts(args.text, deployment.card["labels"])
    if labels is None:
        raise InputError(
            f'{args.text}: needs a label for each text: {{"text": "…", "label": 0}} a '
            f"line in a file {JSONL}"
        )
    # `report`, whose reader this is, has four options more.
    others = dict.fromkeys(("student", "dt", "cluster", "shard"))
    runs = texts_runs(Namespace(**vars(args), **others), texts)
    report = report_traces(
        runs.graph,
        runs.parts,
        card_baselines(deployment, [_ONE], steps=runs.steps),
        Wanted([load_profile(each) for each in args.profile or PROFILES]),
        embedding_bits=embedding_bits(runs.graph, deployment),
        judge=Judge(labels),
    )
    return early_exit_curve(report.facts)
