"""Cases in worker processes, each within bounds; what becomes of each."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random

from spikewright.errors import SpikewrightError

ROOM_BYTES = 2**29
"""what a case may take beyond what its worker has"""
CPU_S = 10.0
"""processor time of a case"""
LARGEST_KEPT = 2**25
WALL_S = 90.0
"""when a worker is killed: other work may have the processors"""

FINE = ("read", "warned", "refused")
"""kinds of outcomes: a result; one that numpy warned of; one of our errors"""

Way = tuple[str, Callable[[], object]]
"""a name, and what goes through the door"""
Maker = Callable[[Random, Path], Sequence[Way]]
"""writes the files of a case into a folder, and returns what to do with them"""


@dataclass(frozen=True)
class Door:
    """A place where what users give comes in."""

    name: str
    share: int
    """of the cases of all doors"""
    open: Callable[[], Maker]
    """imports and makes valid files, once"""


@dataclass(frozen=True)
class Outcome:
    """What became of a case; `kind` is the same for cases that break alike."""

    index: int
    kind: str
    words: str
    seconds: float

    @property
    def is_failure(self) -> bool:
        """Tell a failure from a result and a refusal."""
        return self.kind not in FINE


class ContractError(Exception):
    """A command broke the rules of its exit; raised by ways themselves."""


def dice_of(door: str, seed: int, index: int) -> Random:
    """Return the random numbers of a case: the same in every run."""
    return Random(f"{seed}/{door}/{index}")


# --- a case --------------------------------------------------------------------------


def try_case(make: Maker, dice: Random, folder: Path, index: int) -> Outcome:
    """Make a case and go through each of its ways."""
    try:
        ways = make(dice, folder)
    except Exception as error:  # whatever it is, it is ours to mend
        words = "".join(traceback.format_exception(error))
        return Outcome(
            index, f"a case that cannot be made: {_place(error)}", words, 0.0
        )
    _bound_memory()
    try:
        return _try_ways(ways, folder, index)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)


def _try_ways(ways: Sequence[Way], folder: Path, index: int) -> Outcome:
    start = time.process_time()
    kind, words = "read", ""
    made = {path for path in folder.rglob("*")}
    for name, way in ways:
        found, told = _try_way(way)
        left = sorted(p.name for p in folder.rglob("*") if p not in made)
        made |= set(folder.rglob("*"))
        if found not in FINE:
            return Outcome(index, f"{name}: {found}", told, _since(start))
        if half := [
            each for each in left if each.startswith(".") or found == "refused"
        ]:
            return Outcome(index, f"{name}: left {half[0]}", told, _since(start))
        if found != "read":
            kind, words = found, told
    seconds = _since(start)
    if seconds > CPU_S:
        return Outcome(index, "slow", f"{seconds:.1f} s of processor time", seconds)
    return Outcome(index, kind, words, seconds)


def _since(start: float) -> float:
    return time.process_time() - start


def _try_way(way: Callable[[], object]) -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            way()
        except SpikewrightError as error:
            return _judge_refusal(error)
        except (ContractError, Exception, SystemExit, KeyboardInterrupt) as error:
            return _kind_of(error), "".join(traceback.format_exception(error))
    told = [each for each in caught if issubclass(each.category, RuntimeWarning)]
    if told:
        place = f"{Path(told[0].filename).name}:{told[0].lineno}"
        return "warned", f"{place}: {told[0].message}"
    return "read", ""


def _judge_refusal(error: SpikewrightError) -> tuple[str, str]:
    words = str(error)
    for each in _chain(error):
        if isinstance(each, MemoryError) or "Unable to allocate" in str(each):
            told = "".join(traceback.format_exception(error))
            return f"memory, told as an error at {_place(error)}", told
    if not words.strip():
        return "an error without words", repr(error)
    return "refused", words


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kind_of(error: BaseException) -> str:
    detail = f" {error}" if isinstance(error, ContractError) else ""
    return f"{type(error).__name__}{detail} at {_place(error)}"


def _place(error: BaseException) -> str:
    """Return the innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/tests/fuzz/" not in f.filename]
    own = [f for f in ours if "/main/" in f.filename or "spikewright" in f.filename]
    if not own:
        return "the case itself"
    return f"{Path(own[-1].filename).name}:{own[-1].name}"


# --- a worker ------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """Which cases a worker tries, and where failing ones are kept."""

    door: str
    make: Maker
    seed: int
    kept: Path

    def scratch(self, slot: int) -> Path:
        """Return the folder in which a worker makes its cases."""
        return self.kept / f".{self.door}.{slot}"


def _work(task: Task, slot: int, indices: range, pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stacks = open(task.kept / f".{task.door}.{slot}.stack", "w")
    faulthandler.enable(stacks)
    temporary = task.scratch(slot)
    os.environ["TMPDIR"] = tempfile.tempdir = str(task.kept)
    for index in indices:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        faulthandler.dump_traceback_later(0.9 * WALL_S, file=stacks)
        dice = dice_of(task.door, task.seed, index)
        outcome = try_case(task.make, dice, temporary, index)
        faulthandler.cancel_dump_traceback_later()
        if outcome.is_failure:
            keep(task, slot, outcome)
            gc.collect()
        pipe.send(outcome)
    shutil.rmtree(temporary, ignore_errors=True)


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def keep(task: Task, slot: int, outcome: Outcome) -> None:
    """Keep the files of a case, with what became of it."""
    place = task.kept / f"{task.door}-{task.seed}-{outcome.index}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(task.scratch(slot), place, symlinks=True, ignore=_too_large)
    again = f"--door {task.door} --seed {task.seed} --only {outcome.index}"
    told = f"{outcome.kind}\n\nagain: {again}\n\n{outcome.words}\n"
    (place / "WHAT.txt").write_text(told, encoding="utf-8", errors="backslashreplace")


def _too_large(folder: str, names: list[str]) -> list[str]:
    sizes = {name: (Path(folder) / name).lstat().st_size for name in names}
    return [name for name, size in sizes.items() if size > LARGEST_KEPT]


# --- all of them ---------------------------------------------------------------------


def outcomes(task: Task, indices: range, jobs: int) -> Iterator[Outcome]:
    """Yield what becomes of each case; a worker that hangs or dies is one outcome."""
    task.kept.mkdir(parents=True, exist_ok=True)
    slots = [_Slot(task, slot, indices[slot::jobs]) for slot in range(jobs)]
    try:
        while any(each.left for each in slots):
            busy = [each for each in slots if each.left]
            ready = wait([each.pipe for each in busy], timeout=1.0)
            for each in busy:
                if each.pipe in ready:
                    yield each.take()
                elif time.monotonic() - each.since > WALL_S:
                    yield each.end("hangs")
    finally:
        for each in slots:
            each.stop()


class _Slot:
    """A worker, started anew after each death."""

    def __init__(self, task: Task, slot: int, left: range) -> None:
        self.task, self.slot, self.left = task, slot, left
        if left:
            self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe(duplex=False)
        arguments = (self.task, self.slot, self.left, theirs)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.since = time.monotonic()

    def take(self) -> Outcome:
        """Return the outcome that has arrived, or that the worker died."""
        try:
            outcome: Outcome = self.pipe.recv()
        except EOFError:
            self.process.join()
            return self.end(f"dies with {self.process.exitcode}")
        self.left, self.since = self.left[1:], time.monotonic()
        return outcome

    def end(self, how: str) -> Outcome:
        """Kill the worker, keep its case, and go on with the next one."""
        self.stop()
        stack = self.task.kept / f".{self.task.door}.{self.slot}.stack"
        words = stack.read_text() if stack.exists() else ""
        first = next((x for x in words.splitlines() if "spikewright" in x), "")
        outcome = Outcome(self.left[0], f"{how} {first.strip()}", words, 0.0)
        keep(self.task, self.slot, outcome)
        self.left = self.left[1:]
        if self.left:
            self._start()
        return outcome

    def stop(self) -> None:
        """End the worker, if it lives, and remove its own files."""
        if not hasattr(self, "process"):
            return
        self.process.kill()
        self.process.join()
        self.pipe.close()
