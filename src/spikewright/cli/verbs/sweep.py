"""`spikewright sweep`: a road for each choice of options; a table and a picture."""

from __future__ import annotations

import csv
import io
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from spikewright.cli.output.documents import document, print_document
from spikewright.cli.output.progress import progress, say
from spikewright.cli.output.screen import Table, show
from spikewright.cli.sweep.far import Outcome, go_far
from spikewright.cli.sweep.outcome import (
    Result,
    for_people,
    picture_of,
    result_of,
    rows_of,
)
from spikewright.cli.sweep.points import Point, Sweep, read_sweep
from spikewright.cli.verbs.run import StepError, check_road, go_road
from spikewright.errors import InputError
from spikewright.hardware_profiles.text.layout import markdown_table
from spikewright.holds import folder_for_one
from spikewright.plots.style import INSTALL
from spikewright.plots.write import write_picture
from spikewright.simulate.cluster.options import Cluster
from spikewright.whole_files import cannot_write, whole_file

NAME = "sweep"
"""of the files with the table and the picture"""


def run_sweep(args: Namespace, parser: ArgumentParser) -> int:
    """Go all points, or one; the status is 1 if one has no report.

    Args:
        args: the options of the verb.
        parser: of all verbs.

    Raises:
        ConfigError: the sweep file is wrong.
        InputError: a file is missing, or another sweep is at work.
        StepError: a step of the only point failed.
        WorkerError: the cluster failed.
    """
    sweep = read_sweep(parser, args.config, args.output)
    cluster = _cluster_of(args)
    if args.point is not None:
        return _go_one(args, sweep)
    points = list(sweep.points())
    for each in points:
        check_road(parser, each.road, each.store, args.config)
    _make(sweep.folder)
    cure = "wait for it, or give another folder with -o"
    with folder_for_one(sweep.folder, cure):
        results = list(_go_all(sweep, points, cluster))
        _write(args, sweep, results)
    _tell(args, sweep, results)
    return int(any(each.why for each in results))


def _cluster_of(args: Namespace) -> Cluster | None:
    if args.cluster is None:
        if args.workers is not None:
            raise InputError("--workers: only --cluster local has some; leave it out")
        return None
    if args.point is not None:
        raise InputError("--point: goes one point here; leave --cluster out")
    return Cluster(args.cluster, args.workers)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


# --- going ---------------------------------------------------------------------------


def _go_one(args: Namespace, sweep: Sweep) -> int:
    point = sweep.point(args.point)
    check_road(sweep.parser, point.road, point.store, args.config)
    done = go_road(sweep.parser, point.road, point.store)
    result = result_of(point, "", sweep.labels)
    if args.json:
        print_document(args, {"folder": str(sweep.folder), "point": result.document()})
    else:
        show(_table([result]))
    return max(each.status for each in done)


def _go_all(
    sweep: Sweep, points: Sequence[Point], cluster: Cluster | None
) -> Iterator[Result]:
    """Yield what came out at each point."""
    outcomes: Iterator[Outcome]
    if cluster is None:
        outcomes = (_go_here(sweep.parser, each) for each in points)
    else:
        outcomes = go_far(sweep, [each.number for each in points], cluster)
    with progress(len(points), NAME, unit="point") as advance:
        for point, (_, why) in zip(points, outcomes, strict=True):
            result = result_of(point, why, sweep.labels)
            if result.why:
                say(f"point {point.number}: {result.why}")
            yield result
            advance(point.number + 1)


def _go_here(parser: ArgumentParser, point: Point) -> Outcome:
    try:
        done = go_road(parser, point.road, point.store)
    except StepError as error:  # the others may do better
        return 1, str(error)
    return max(each.status for each in done), ""


# --- what is told --------------------------------------------------------------------


def _write(args: Namespace, sweep: Sweep, results: Sequence[Result]) -> None:
    """Write the table as JSON, CSV and Markdown, and the picture."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(rows_of(results))
    head, *rows = for_people(results)
    texts = {
        ".json": json.dumps(_body(args, sweep, results), indent=2),
        ".csv": lines.getvalue().rstrip("\n"),
        ".md": markdown_table(list(zip(head, *rows, strict=True))),
    }
    for suffix, text in texts.items():
        with whole_file(sweep.folder / f"{NAME}{suffix}") as place:
            place.write_text(text + "\n", encoding="utf-8")
    if find_spec("matplotlib") is None:
        say(f"no {NAME}.svg: matplotlib is not installed; {INSTALL}")
    elif any(each.prices for each in results):
        write_picture(picture_of(results), sweep.folder / f"{NAME}.svg")


def _body(args: Namespace, sweep: Sweep, results: Sequence[Result]) -> object:
    return document(
        args,
        {
            "folder": str(sweep.folder),
            "axes": {name: list(values) for name, values in sweep.axes.items()},
            "points": [each.document() for each in results],
        },
    )


def _tell(args: Namespace, sweep: Sweep, results: Sequence[Result]) -> None:
    if args.json:
        print(json.dumps(_body(args, sweep, results), indent=2))
    else:
        show(_table(results), f"-> {sweep.folder}")


def _table(results: Sequence[Result]) -> Table:
    head, *rows = for_people(results)
    words = {"point", "fits", "profile", "why not", *results[0].values}
    left = tuple(place for place, name in enumerate(head) if name in words)
    return Table(head, rows, left=left)
