"""`spikewright report`: what a run cost, in parts, and against a teacher."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from spikewright.cli.networks.cluster import cluster_of
from spikewright.cli.networks.lowering import check_outputs
from spikewright.cli.output.documents import origin
from spikewright.cli.output.progress import say
from spikewright.cli.output.screen import is_rich, show_document
from spikewright.cli.plot.page import Onlooker
from spikewright.cli.report.labels import judge_of
from spikewright.cli.report.pricing import (
    SPECIAL_TOKENS,
    card_baselines,
    embedding_bits,
)
from spikewright.cli.report.runs import Runs, find_runs, refuse_foreign_options
from spikewright.cli.report.sharded import Wish, count_on_cluster
from spikewright.cli.report.wanted import read_wanted
from spikewright.errors import InputError
from spikewright.export.teacher_work import ONNX, teacher_baselines
from spikewright.hardware_profiles.prices.baselines import Baseline
from spikewright.hardware_profiles.reports.report import Format, Report
from spikewright.hardware_profiles.reports.run import Wanted
from spikewright.hardware_profiles.reports.schema import schema_text
from spikewright.hardware_profiles.reports.teacher import report_teacher
from spikewright.hardware_profiles.reports.traces import (
    prepare_counting,
    report_counts,
    report_traces,
)
from spikewright.hardware_profiles.teachers.operations import find_teacher
from spikewright.plots.style import load_matplotlib
from spikewright.whole_files import whole_file

ALONE = "fp32"
"""format of a teacher that is priced alone: as its weights are published"""
TEACHER, TOKENS = "bert-base", 128
"""what papers compare with, if nothing else is asked for; it is told"""
_SUFFIXES: Mapping[str, Format] = MappingProxyType(
    {".html": "html", ".json": "json", ".md": "markdown", ".csv": "csv"}
)


def run_report(args: Namespace) -> int:
    """Print or write the report in the wanted format."""
    outputs: list[Path] = args.output or []
    if args.schema:
        _put(schema_text(), outputs)
        return 0
    if args.show is not None and not _is_page(args):
        raise InputError("--show: only a page shows a sample; add -o FILE.html")
    given = (args.file, args.trace, args.text, args.inputs, args.labels)
    check_outputs(outputs, given)
    refuse_foreign_options(args)
    if _is_page(args):
        load_matplotlib()
    wanted = read_wanted(args)
    report = _report_alone(args, wanted) if args.file is None else _run(args, wanted)
    if args.strict:
        report.refuse_gaps()
    if not outputs:
        _tell(report, args)
    for output in outputs:
        _put(_text(report, args, _form_of(args, output)), [output])
    return 0


def _tell(report: Report, args: Namespace) -> None:
    form = _form_of(args, None)
    if form == "table" and args.explain is None and is_rich():
        show_document(report.document)
    else:
        _put(_text(report, args, form), [])


def _form_of(args: Namespace, output: Path | None) -> Format:
    """Return the format that is asked for, or that the name of a file ends in."""
    if args.json:
        return "json"
    if args.format is not None:
        chosen: Format = args.format
        return chosen
    return _SUFFIXES.get("" if output is None else output.suffix, "table")


def _text(report: Report, args: Namespace, form: Format) -> str:
    if args.explain is not None:
        return report.explain(args.explain)
    if form == "json":
        made = {key: each for key, each in origin(args).items() if key != "seed"}
        return json.dumps({**report.to_dict(), **made}, indent=2, allow_nan=False)
    return report.to_text(form)


def _put(text: str, outputs: Sequence[Path]) -> None:
    text = text.removesuffix("\n")
    if not outputs:
        print(text)
    for output in outputs:
        with whole_file(output) as place:
            place.write_text(text + "\n", encoding="utf-8")


# --- a run ---------------------------------------------------------------------------


def _run(args: Namespace, wanted: Wanted) -> Report:
    runs = find_runs(args)
    onlooker = Onlooker(args, runs, args.show or 0) if _is_page(args) else None
    bits = embedding_bits(runs.graph, runs.deployment)
    if runs.shards is not None:
        report = _run_on_cluster(args, runs, wanted, bits, onlooker)
    else:
        report = report_traces(
            runs.graph,
            runs.parts if onlooker is None else onlooker.parts(),
            _baselines(args, runs),
            wanted,
            embedding_bits=bits,
            judge=judge_of(args, runs),
        )
    if onlooker is None:
        return report
    return replace(report, pictures=(*report.pictures, *onlooker.pictures()))


def _run_on_cluster(
    args: Namespace,
    runs: Runs,
    wanted: Wanted,
    bits: Mapping[str, int],
    onlooker: Onlooker | None,
) -> Report:
    cluster = cluster_of(args)
    assert cluster is not None  # noqa: S101 - else there were no shards
    baselines = _baselines(args, runs)
    counting = prepare_counting(runs.graph, wanted.profiles, judge_of(args, runs))
    wish = Wish(wanted.by == "sample", None if onlooker is None else onlooker.show)
    on_glance = (lambda glance: None) if onlooker is None else onlooker.take
    counts = count_on_cluster(runs, cluster, counting, bits, wish, on_glance)
    with closing(counts):
        return report_counts(counting, counts, baselines, wanted)


def _is_page(args: Namespace) -> bool:
    """Say whether one of the outputs is a page, which has pictures."""
    outputs: list[Path | None] = [*(args.output or [None])]
    return any(_form_of(args, each) == "html" for each in outputs)


def _baselines(args: Namespace, runs: Runs) -> tuple[Baseline, ...]:
    """Count the teacher: an ONNX file, a name, a config, or the one in the card."""
    tokens = _tokens(args, runs)
    form, gamma = args.teacher_format, args.gamma
    if args.teacher is not None:
        return teacher_baselines(
            args.teacher, tokens, steps=runs.steps, form=form, gamma=gamma
        )
    if runs.deployment is not None:
        return card_baselines(
            runs.deployment, tokens, steps=runs.steps, form=form, gamma=gamma
        )
    say(f"no --teacher: beside {TEACHER}")
    return teacher_baselines(TEACHER, tokens, steps=runs.steps, form=form, gamma=gamma)


def _tokens(args: Namespace, runs: Runs) -> list[int]:
    if args.tokens is None and runs.lengths is not None:
        return [each + SPECIAL_TOKENS for each in runs.lengths]
    return [_checked_tokens(args)]


def _checked_tokens(args: Namespace) -> int:
    if args.tokens is None:
        say(f"no --tokens: the teacher reads {TOKENS}")
        return TOKENS
    if args.tokens < 1:
        raise InputError(f"--tokens {args.tokens}: must be 1 or more")
    return int(args.tokens)


# --- a teacher alone -----------------------------------------------------------------


def _report_alone(args: Namespace, wanted: Wanted) -> Report:
    tokens, name = _checked_tokens(args), args.teacher
    is_file = name.lower().endswith(ONNX)
    form = args.teacher_format if is_file else args.teacher_format or ALONE
    baselines = teacher_baselines(
        name, [tokens], steps=None, form=form, gamma=args.gamma
    )
    shape = None if is_file else find_teacher(name)
    return report_teacher(baselines, shape, tokens, wanted)
