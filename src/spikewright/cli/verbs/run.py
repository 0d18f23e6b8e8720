"""`spikewright run`: the whole road of a configuration, what is done already kept."""

from __future__ import annotations

import io
import shutil
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from spikewright.cli.argument_parser import UsageError
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.progress import hush_libraries, say
from spikewright.cli.output.screen import Table, show
from spikewright.cli.road.command import command_of, plain_document
from spikewright.cli.road.config import Road, Step, check_files, read_road
from spikewright.cli.road.options import check_options
from spikewright.cli.road.plan import KEPT, RUNS, Decision, decide, foresee
from spikewright.cli.road.store import Store
from spikewright.errors import InputError, SpikewrightError
from spikewright.plots.style import INSTALL
from spikewright.whole_files import write_json

RECORD = "spikewright.run.step/1"
"""name and revision of the record of a step"""
_NO = {"check": "does not fit", "lower": "spikes differ"}
"""what status 1 of a step that judges means"""
UNFINISHED = 3
"""of a training that was cut"""


class StepError(SpikewrightError):
    """A step of a road failed."""


@dataclass(frozen=True)
class Done:
    """What became of a step."""

    decision: Decision
    status: int
    seconds: float | None = None


def run_run(args: Namespace, parser: ArgumentParser) -> int:
    """Go the road; the status is the worst of its steps'.

    Args:
        args: the options of the verb.
        parser: of all verbs: a step is one of them, with the options of its table.

    Raises:
        ConfigError: the configuration is wrong.
        InputError: a file is missing, or another run is at work.
        StepError: a step failed.
    """
    if args.sample:
        _print_sample(args)
        return 0
    road = read_road(parser, args.config, args.output)
    names = [step.name for step in road.steps]
    if wrong := [each for each in args.force if each not in names]:
        raise InputError(f"--force {wrong[0]}: this road has only {', '.join(names)}")
    store = Store(road.folder)
    check_road(parser, road, store, args.config)
    if road.lacks_page:
        say(f"no report.html: matplotlib is not installed; {INSTALL}")
    if args.dry_run:
        done = [Done(each, 0) for each in _foreseen(road, store, args.force)]
    else:
        done = go_road(parser, road, store, args.force)
    _tell(args, road, done)
    return max(each.status for each in done)


def _print_sample(args: Namespace) -> None:
    text = (files("spikewright.cli.road") / "sample_run.toml").read_text(
        encoding="utf-8"
    )
    if args.json:
        print_document(args, {"sample": text})
    else:
        print(text, end="")


def _foreseen(road: Road, store: Store, forced: list[str]) -> Iterator[Decision]:
    """Yield what would become of each step."""
    doubtful: list[str] = []
    at: dict[str, Path] = {}
    for step in road.steps:
        last = store.current(step.name)
        found = foresee(step, doubtful) or decide(step, store, at, last, forced)
        at[step.name] = store.result(step.name, found.key)
        if found.action != KEPT:
            doubtful.append(step.name)
        yield found


def go_road(
    parser: ArgumentParser, road: Road, store: Store, forced: Sequence[str] = ()
) -> list[Done]:
    """Do what of a road is not done yet.

    Raises:
        InputError: another run is at work in its folder.
        StepError: a step failed.
    """
    with store.claim():
        return list(_go(parser, road, store, forced))


def check_road(parser: ArgumentParser, road: Road, store: Store, where: Path) -> None:
    """Raise `ConfigError` or `InputError` if an option or a file is wrong."""
    for step in road.steps:
        words = command_of(step, store, store.place(step.name))
        check_options(parser, words, f"{where} [{step.name}]")
    check_files(road)


def _go(
    parser: ArgumentParser, road: Road, store: Store, forced: Sequence[str]
) -> Iterator[Done]:
    last = {step.name: store.current(step.name) for step in road.steps}
    at: dict[str, Path] = {}
    for place, step in enumerate(road.steps):
        found = decide(step, store, at, last[step.name], forced)
        at[step.name] = store.result(step.name, found.key)
        if found.action == RUNS:
            for later in road.steps[place:]:
                store.unlink(later.name)
            with store.hold(step.name, found.key):
                # another road may have made it while we waited
                found = decide(step, store, at, last[step.name], forced)
                done = _do(parser, found, store)
        else:
            done = _do(parser, found, store)
        yield done
        if done.status == UNFINISHED:
            return
        store.link(step.name, found.key)


def _do(parser: ArgumentParser, found: Decision, store: Store) -> Done:
    """Run a step, or take the status of the result that is kept."""
    if found.action == RUNS:
        return _run_step(parser, found, store)
    record = store.record(found.step.name, found.key)
    return Done(found, record["status"] if record else 0)


def _run_step(parser: ArgumentParser, found: Decision, store: Store) -> Done:
    step, key = found.step, found.key
    say(f"{step.name}: {found.why}")
    part = store.part(step.name, key)
    if step.name != "train":  # which goes on from its own checkpoints
        shutil.rmtree(part, ignore_errors=True)
    part.mkdir(exist_ok=True)
    start = time.perf_counter()
    status, printed = _call(parser, step, store, part)
    seconds = round(time.perf_counter() - start, 3)
    if status != UNFINISHED:
        if printed:
            (part / f"{step.name}.json").write_text(printed, encoding="utf-8")
        for path in part.glob("*.json"):
            text = path.read_text(encoding="utf-8")
            write_json(path, plain_document(text, part, store.folder, step.name))
        store.keep(step.name, key, _record(found, status))
    return Done(found, status, seconds)


def _call(
    parser: ArgumentParser, step: Step, store: Store, here: Path
) -> tuple[int, str]:
    """Call the verb of a step as its command line would; return what it printed."""
    hush_libraries()
    args = check_options(parser, command_of(step, store, here), step.name)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            status: int = args.run(args)
    except (SpikewrightError, UsageError, OSError) as error:
        raise StepError(f"{step.name}: {error}") from error
    return status, printed.getvalue()


def _record(found: Decision, status: int) -> dict[str, Any]:
    seed = found.step.options.get("seed")
    drawn = {} if seed is None else {"seed": int(str(seed[0]))}
    return {"schema": RECORD, **found.parts, **drawn, "status": status}


# --- what is told --------------------------------------------------------------------


def _tell(args: Namespace, road: Road, done: list[Done]) -> None:
    if args.json:
        steps = [_document(each) for each in done]
        body = {"folder": str(road.folder), "road": road.config, "steps": steps}
        print_document(args, body)
        return
    rows = [
        (each.decision.step.name, _word(each, args), each.decision.why) for each in done
    ]
    show(Table(("step", "what", "why"), rows, left=(0, 1, 2)), f"-> {road.folder}")
    verdict = _verdict(road.folder / "report" / "report.txt")
    if verdict and not args.dry_run:
        show("", verdict)


def _document(done: Done) -> dict[str, Any]:
    return {
        "step": done.decision.step.name,
        "action": done.decision.action,
        "why": done.decision.why,
        "key": done.decision.key or None,
        "status": done.status,
        "seconds": done.seconds,
    }


def _word(done: Done, args: Namespace) -> str:
    if done.decision.action == RUNS and not args.dry_run:
        word = f"done in {done.seconds:.1f} s"
        return "unfinished" if done.status == UNFINISHED else word + _judged(done)
    return done.decision.action + _judged(done)


def _judged(done: Done) -> str:
    return f", {_NO[done.decision.step.name]}" if done.status == 1 else ""


def _verdict(path: Path) -> str:
    """Return the first section of a report."""
    try:
        parts = path.read_text(encoding="utf-8").split("\n\n")
    except OSError:
        return ""
    return next((each for each in parts if each.startswith("Verdict:")), "")
