"""Try broken and hostile files and texts at every door of spikewright.

    python tests/fuzz/run.py --cases 20000
    python tests/fuzz/run.py --door nir-bytes --cases 500 --seed 3

A case is made from its door, the seed and its number alone: the same arguments try the
same cases, `--start` goes on where a run ended, `--only` tries one again. Each must end
in a result or in one of our errors, in 512 MiB more than its worker has, and in 10
seconds of processor time. What does not is kept under `--kept`; the status is 1 then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

os.environ |= {
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "SPIKEWRIGHT_MAX_ARRAY_BYTES": str(2**26),
}
ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from doors import DOORS  # noqa: E402
from engine import Door, Outcome, Task, dice_of, outcomes, try_case  # noqa: E402
from machine import describe_machine  # noqa: E402

MOST_KINDS = 10
"""of failures of one door; then it is left"""


def main() -> int:
    """Try all cases; say how many were read and refused, and what broke."""
    args = _arguments()
    doors = [each for each in DOORS if each.name in (args.door or [each.name])]
    print(describe_machine(), flush=True)
    print(f"seed {args.seed}, {len(doors)} doors", flush=True)
    start = time.monotonic()
    if args.only is not None:
        return _try_one(doors[0], args)
    total: Counter[str] = Counter()
    for door in doors:
        total += _try_door(door, _share(door, doors, args.cases), args)
    seconds = time.monotonic() - start
    broken = total["broken"]
    cases = sum(total.values())
    print(
        f"{cases} cases in {seconds / 60:.1f} min: "
        f"{total['read'] + total['warned']} read, {total['warned']} of them warned of, "
        f"{total['refused']} refused, {broken} broken"
    )
    if not broken and not any(args.kept.iterdir()):
        args.kept.rmdir()
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [each.name for each in DOORS]
    parser.add_argument("--door", choices=names, action="append", help="these alone")
    parser.add_argument("--cases", type=int, default=20_000, help="of all doors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", type=int, help="number of the one case of --door")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kept", type=Path, default=ROOT / "build" / "fuzz")
    args = parser.parse_args()
    if args.only is not None and len(args.door or ()) != 1:
        parser.error("--only needs one --door")
    return args


def _share(door: Door, doors: list[Door], cases: int) -> int:
    return -(-cases * door.share // sum(each.share for each in doors))


def _try_door(door: Door, cases: int, args: argparse.Namespace) -> Counter[str]:
    task = Task(door.name, door.open(), args.seed, args.kept)
    found: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    start = shown = time.monotonic()
    slowest = 0.0
    for outcome in outcomes(task, range(args.start, args.start + cases), args.jobs):
        found["broken" if outcome.is_failure else outcome.kind] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.is_failure:
            kinds[outcome.kind] += 1
            _tell_failure(door, outcome, kinds[outcome.kind])
        elif outcome.kind == "warned" and found["warned"] == 1:
            print(f"  {door.name} {outcome.index}: {outcome.words}", flush=True)
        if time.monotonic() - shown > 20:
            shown = time.monotonic()
            print(f"  {door.name}: {sum(found.values())} of {cases}", flush=True)
        if len(kinds) >= MOST_KINDS:
            print(f"  {door.name}: {MOST_KINDS} kinds of failure; left", flush=True)
            break
    print(
        f"{door.name:<18} {sum(found.values()):>6} cases, "
        f"{found['read'] + found['warned']:>5} read, "
        f"{found['refused']:>5} refused, {found['broken']:>4} broken, "
        f"{time.monotonic() - start:>5.0f} s, slowest {slowest:.1f} s",
        flush=True,
    )
    _tidy(task)
    return found


def _tell_failure(door: Door, outcome: Outcome, times: int) -> None:
    if times == 1:
        print(f"  {door.name} {outcome.index}: {outcome.kind}", flush=True)


def _tidy(task: Task) -> None:
    for each in task.kept.glob(f".{task.door}.*"):
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _try_one(door: Door, args: argparse.Namespace) -> int:
    """Try a case in this process, without bounds, and show what comes of it."""
    folder = args.kept / f"{door.name}-{args.seed}-{args.only}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dice = dice_of(door.name, args.seed, args.only)
    outcome = try_case(door.open(), dice, folder, args.only)
    print(f"{folder}\n{outcome.kind}: {outcome.words}")
    return int(outcome.is_failure)


if __name__ == "__main__":
    sys.exit(main())
