"""Kill commands at any moment, run them again, and compare with an undisturbed run.

    python benchmarks/faults.py [--kills 20] [--only "train chip"] [-o FILE.md]

A trial kills a command once to three times by SIGKILL, at a random time or when a
random one of its files appears, then lets it come to its end. Its results must be those
of a run that nothing disturbed, to the byte (JSON: without clocks); no process and no
shared memory outlives a kill by long; in the end no temporary file is left.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fault_cases import PROGRAM, Case, cases, parts, results, write_inputs
from machine import describe_machine
from processes import MARK, left_segments, segments, wait_for_none

PATIENCE_S = 10.0
"""how long a child may outlive its parent"""
MOST_S = 900.0
LOOK_S = 0.002
MOST_KILLS = 3


@dataclass
class Place:
    """Where a command runs: results in `out`, temporary files in `tmp`."""

    folder: Path
    mark: str

    def __post_init__(self) -> None:
        for name in ("out", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command; all its processes have the mark."""
        places = {"TMPDIR": str(self.folder / "tmp"), MARK: self.mark}
        alone = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                [*PROGRAM, *words],
                cwd=self.folder,
                env={**os.environ, **alone, **places},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def paths(self) -> set[str]:
        """Return what lies there now."""
        found = set()
        for root in ("out", "tmp"):
            for where, folders, files in os.walk(self.folder / root):
                found |= {os.path.join(where, name) for name in (*folders, *files)}
        return found


@dataclass
class Calm:
    """An undisturbed run."""

    results: dict[str, str]
    seconds: float
    made: int
    """how many paths appeared while it ran"""


@dataclass
class Found:
    """What came of the trials of a case."""

    kills: int = 0
    equal: int = 0
    trials: int = 0
    faults: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    """that a process outlived its parent"""


def run_calm(place: Place, words: Sequence[str]) -> Calm:
    """Run a command to its end."""
    start, seen = time.monotonic(), place.paths()
    first = len(seen)
    process = place.start(words)
    while process.poll() is None:
        seen |= place.paths()
        time.sleep(LOOK_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: {process.returncode}: {_log(place)}")
    seconds = time.monotonic() - start
    return Calm(results(place.folder / "out"), seconds, len(seen) - first)


def kill_somewhere(
    place: Place, words: Sequence[str], calm: Calm, drawn: random.Random
) -> bool:
    """Kill a command at a random moment; return whether it was not over before."""
    at_s, at_path = drawn.uniform(0, calm.seconds), calm.made + 1
    if drawn.random() < 0.5:  # when a file appears: while it is being written
        at_s, at_path = MOST_S, drawn.randint(1, max(1, calm.made))
    start, before = time.monotonic(), place.paths()
    seen: set[str] = set()
    process = place.start(words)
    while process.poll() is None:
        seen |= place.paths() - before
        if time.monotonic() - start >= at_s or len(seen) >= at_path:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(LOOK_S)
    return False


def try_case(case: Case, inputs: Path, work: Path, kills: int, seed: int) -> Found:
    """Disturb a command until so many kills have hit it."""
    words, drawn, found = case.words(inputs), random.Random(seed), Found()  # noqa: S311
    calm = run_calm(Place(work / "calm", "calm"), words)
    left: set[str] = set()
    print(
        f"{case.name}: {calm.seconds:.1f} s undisturbed, {calm.made} paths", flush=True
    )
    while found.kills < kills and found.trials < 2 * kills:
        place = Place(work / f"{found.trials}", f"{os.getpid()}-{found.trials}")
        found.trials += 1
        before = segments()
        for _ in range(drawn.randint(1, min(MOST_KILLS, kills - found.kills))):
            found.kills += kill_somewhere(place, words, calm, drawn)
            check_children(place, found)
        left |= left_segments(before)
        check_end(place, words, calm, found)
    # what others, who work beside us, had left open is gone by now
    found.faults += [f"{name} in shared memory" for name in left & segments()]
    return found


def check_children(place: Place, found: Found) -> None:
    """Wait until no child lives; note those that live on."""
    start = time.monotonic()
    if left := wait_for_none(place.mark, PATIENCE_S):
        found.faults.append(f"trial {found.trials}: processes {left} live on")
    found.longest_s = max(found.longest_s, time.monotonic() - start)


def check_end(place: Place, words: Sequence[str], calm: Calm, found: Found) -> None:
    """Let the command come to its end, and compare what it left."""
    status = place.start(words).wait(MOST_S)
    said = f"trial {found.trials} ({place.folder})"
    left = parts(place.folder / "out") + os.listdir(place.folder / "tmp")
    now = results(place.folder / "out")
    wrong = {k for k in {**now, **calm.results} if now.get(k) != calm.results.get(k)}
    if left:
        found.faults.append(f"{said}: left {left}")
    if wrong:
        found.faults.append(f"{said}: status {status}, differs in {sorted(wrong)}")
    found.equal += not wrong


def _log(place: Place) -> str:
    return (place.folder / "log").read_text(errors="replace")[-2000:]


# --- what is told --------------------------------------------------------------------


def main() -> int:
    """Disturb every case; 1 if anything was lost or left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[each.name for each in cases()])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep everything here")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name) if args.folder is None else args.folder.resolve()
        inputs = work / "inputs"
        if not inputs.exists():
            write_inputs(inputs)
        # by number: with a long TMPDIR, managers' sockets do not fit into our folder
        found = {
            case.name: try_case(case, inputs, work / f"{i}", args.kills, args.seed)
            for i, case in enumerate(cases())
            if case.name in args.only
        }
    text = _table(found)
    print(text)
    if args.output is not None:
        args.output.write_text(text + "\n", encoding="utf-8")
    faults = [line for each in found.values() for line in each.faults]
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


def _table(found: dict[str, Found]) -> str:
    lines = [describe_machine(), ""]
    lines.append("| command | kills | runs | equal | child outlived by | left |")
    lines.append("|---|---|---|---|---|---|")
    for name, each in found.items():
        counted = f"{each.kills} | {each.trials} | {each.equal}"
        lines.append(
            f"| {name} | {counted} | {each.longest_s:.2f} s | {len(each.faults)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
