"""`spikewright report`: what a run cost, in parts, and against a teacher."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spikewright.cli.lowering import check_outputs
from spikewright.cli.pricing import SPECIAL_TOKENS, card_baselines, embedding_bits
from spikewright.cli.report_runs import Runs, texts_runs, trace_runs
from spikewright.cli.report_wanted import read_wanted
from spikewright.errors import InputError
from spikewright.export.teacher_work import ONNX, teacher_baselines
from spikewright.files import whole_file
from spikewright.hardware_profiles.baselines import Baseline
from spikewright.hardware_profiles.report_schema import schema_text
from spikewright.hardware_profiles.report_traces import report_traces
from spikewright.hardware_profiles.reports import Report
from spikewright.hardware_profiles.run_report import Wanted
from spikewright.hardware_profiles.teacher import find_teacher
from spikewright.hardware_profiles.teacher_report import report_teacher

ALONE = "fp32"
"""format of a teacher that is priced alone: as its weights are published"""


def run_report(args: Namespace) -> int:
    """Print or write the report in the wanted format."""
    if args.schema:
        _put(schema_text(), args.output)
        return 0
    inputs = (args.file, args.trace, args.text)
    check_outputs([args.output], inputs)
    _refuse_foreign_options(args)
    wanted = read_wanted(args)
    report = _report_alone(args, wanted) if args.file is None else _run(args, wanted)
    if args.strict:
        report.refuse_gaps()
    _put(_text(report, args), args.output)
    return 0


def _refuse_foreign_options(args: Namespace) -> None:
    for name in ("batch", "workers"):
        if getattr(args, name) is not None and args.text is None:
            raise InputError(f"--{name}: only with --text; leave it out")


def _text(report: Report, args: Namespace) -> str:
    if args.explain is not None:
        return report.explain(args.explain)
    return report.to_text("json" if args.json else args.format)


def _put(text: str, output: Path | None) -> None:
    text = text.removesuffix("\n")
    if output is None:
        print(text)
        return
    with whole_file(output) as place:
        place.write_text(text + "\n", encoding="utf-8")


# --- a run ---------------------------------------------------------------------------


def _run(args: Namespace, wanted: Wanted) -> Report:
    runs = texts_runs(args) if args.text is not None else trace_runs(args)
    return report_traces(
        runs.graph,
        runs.parts,
        _baselines(args, runs),
        wanted,
        embedding_bits=embedding_bits(runs.graph, runs.deployment),
    )


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
    raise InputError(
        "--teacher: needed for a network without a card; NAME, config.json or X.onnx"
    )


def _tokens(args: Namespace, runs: Runs) -> list[int]:
    if args.tokens is not None:
        return [_checked_tokens(args)]
    if runs.lengths is not None:
        return [each + SPECIAL_TOKENS for each in runs.lengths]
    raise InputError("--tokens: needed, the trace does not say how long its texts are")


def _checked_tokens(args: Namespace) -> int:
    if args.tokens < 1:
        raise InputError(f"--tokens {args.tokens}: must be 1 or more")
    return int(args.tokens)


# --- a teacher alone -----------------------------------------------------------------


def _report_alone(args: Namespace, wanted: Wanted) -> Report:
    if args.tokens is None:
        raise InputError("--tokens: needed, how many tokens the teacher reads")
    tokens, name = _checked_tokens(args), args.teacher
    is_file = name.lower().endswith(ONNX)
    form = args.teacher_format if is_file else args.teacher_format or ALONE
    baselines = teacher_baselines(
        name, [tokens], steps=None, form=form, gamma=args.gamma
    )
    shape = None if is_file else find_teacher(name)
    return report_teacher(baselines, shape, tokens, wanted)
