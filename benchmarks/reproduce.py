"""The trainings behind benchmarks/RESULTS.md again: from configurations to tables.

python benchmarks/reproduce.py --data DATA --run RUN [--minutes M] [--only PART]
    [--seeds 0 1 2] [--chip FILE.toml] [--config FILE.toml] [--set KEY=VALUE]

Parts: chip (train the chip student; accuracy in float and in integers, energy), and
the grids of benchmarks/spikebert.py: tasks, losses, steps, depth, beta. RUN/tables
receives a Markdown table of each, and a picture where a number is varied. Status 3
where the time ended first: the same command goes on. The chip student trains to its
end in one slice; stopped by hand, it goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import accuracy
import spikebert
from machine import describe_machine
from spikebert_table import Row, table

from spikewright.cli import main as spikewright_main
from spikewright.cli.output.progress import hush_libraries, say
from spikewright.errors import InputError, SpikewrightError
from spikewright.plots.variants import variants
from spikewright.plots.write import write_picture
from spikewright.train.settings.config import load_config
from spikewright.train.texts.data import read_split
from spikewright.whole_files import whole_file

GRIDS = ("tasks", "losses", "steps", "depth", "beta")
PARTS = ("chip", *GRIDS)
NUMBERS = {"steps": "time steps T", "depth": "blocks N", "beta": "decay beta"}
"""grid -> what its pictures are against"""


def main(given: Sequence[str] | None = None) -> int:
    """Train what is not finished, write what is; 3 where the time ended first."""
    args = _parse(given)
    hush_libraries()
    end_s = None if args.minutes is None else time.monotonic() + 60 * args.minutes
    tables, is_done = args.run / "tables", True
    tables.mkdir(parents=True, exist_ok=True)
    try:
        for part in args.only or PARTS:
            left = None if end_s is None else (end_s - time.monotonic()) / 60
            work = chip if part == "chip" else grid
            is_done = work(args, part, left) and is_done
    except SpikewrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"-> {tables}")
    return 0 if is_done else spikebert.UNFINISHED


def chip(args: argparse.Namespace, part: str, minutes: float | None) -> bool:
    """Train the chip student and measure it; return whether the time sufficed."""
    if (args.run / "tables" / "chip.md").exists():
        return True
    if minutes is not None and minutes <= 0:
        return False
    config = load_config(args.chip)
    say(f"--- {part}: {args.chip.name}")
    given = [str(args.chip), "--data", str(args.data), "-o", str(args.run / part)]
    with redirect_stdout(io.StringIO()):
        status = spikewright_main(["train", *given])
    if status:
        raise InputError(f"{args.chip}: its training ended with status {status}")
    texts = read_split(args.data / config.data.validation, "validation")
    with redirect_stdout(io.StringIO()) as said:
        accuracy.measure(args.run / part / "student", texts, config.data.max_tokens)
    write_table(args, part, f"```\n{said.getvalue()}```")
    return True


def grid(args: argparse.Namespace, part: str, minutes: float | None) -> bool:
    """Train a grid as far as the time goes; return whether it sufficed."""
    plan = argparse.Namespace(
        **{**vars(args), "grid": part, "run": args.run / "grids", "only": None}
    )
    runs = spikebert.plan(plan)
    is_done = spikebert.train(runs, args.data, minutes)
    if found := spikebert.rows(runs):
        write_table(args, part, table(found))
        if part in NUMBERS:
            draw(args.run / "tables" / f"{part}.svg", part, found)
    return is_done


def draw(path: Path, part: str, found: Sequence[Row]) -> None:
    """Draw accuracy against the number that is the last word of each label."""
    numbers = [float(row.label.rpartition(" ")[2]) for row in found]
    series = {
        "student": [row.student for row in found],
        "teacher": [row.teacher for row in found],
    }
    write_picture(variants(NUMBERS[part], numbers, series), path)


def write_table(args: argparse.Namespace, part: str, text: str) -> None:
    """Write a table with the command that made it and the machine."""
    command = f"python benchmarks/reproduce.py --data DATA --run RUN --only {part}"
    set_ = "".join(f" --set {each}" for each in args.set)
    with whole_file(args.run / "tables" / f"{part}.md") as place:
        place.write_text(
            f"# {part}\n\n    {command}{set_}\n\n{text}\n\n{describe_machine()}\n",
            encoding="utf-8",
        )
    say(f"{part}: table written")


def _parse(given: Sequence[str] | None) -> argparse.Namespace:
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    configs = spikebert.CONFIGS
    parser.add_argument("--chip", type=Path, default=configs / "sst2_chip.toml")
    parser.add_argument("--config", type=Path, default=configs / "spikebert_sst2.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
