"""What each part of SpikeBERT is worth: grids of trainings, in resumable slices.

python benchmarks/spikebert.py --data DATA --run FOLDER
    --grid losses|steps|depth|beta|tasks [--minutes M] [--seeds 0 1 2]
    [--config FILE.toml] [--set KEY=VALUE] [--only LABEL]

Prints a table of all runs that are finished and writes FOLDER/GRID.json; status 3 where
the time ended first: the same command goes on. A run takes teacher, stage 1 and new
texts from one in FOLDER that differs only in what comes after: they would be the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe_machine
from spikebert_table import Row, document, table

import spikewright.train
from spikewright.cli.output.progress import hush_libraries, say
from spikewright.errors import InputError, SpikewrightError
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.settings.spikebert import SpikeBertRun
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.spikebert.rates import mean_rate
from spikewright.train.stages.card import CARD, begin_card
from spikewright.train.stages.run import train_spikebert
from spikewright.whole_files import write_json

CONFIGS = Path(spikewright.train.__file__).parent / "configs"
UNFINISHED = 3
TASKS = ("mr", "sst2", "subj", "sst5", "chnsenti", "waimai")
Variants = dict[str, tuple[str, ...]]
"""label -> what is set"""
GRIDS: dict[str, Variants] = {
    "losses": {
        "all": (),
        "no features in stage 2": ("stage2.feature_weight=0",),
        "no words": ("stage1.embedding_weight=0", "stage2.embedding_weight=0"),
        "no logits": ("stage2.logit_weight=0",),
        "no labels": ("stage2.label_weight=0",),
        "no stage 1": ("stage1.epochs=0",),
        "no new texts": ("augment.rounds=0",),
    },
    "steps": {f"T {n}": (f"student.steps={n}",) for n in (1, 2, 4, 8)},
    "depth": {f"N {n}": (f"student.blocks={n}",) for n in (2, 4, 6, 8, 12)},
    "beta": {f"beta {b}": (f"student.beta={b}",) for b in (0.0, 0.25, 0.5, 0.75, 0.9)},
}
SHARED = {
    "teacher": ("seed", "data", "teacher"),
    "stage1": ("seed", "data", "teacher", "student", "stage1"),
    "augmented.jsonl": ("seed", "data", "teacher", "augment"),
}
"""part of a run -> the tables that it comes of"""


@dataclass(frozen=True)
class Run:
    """One training of a grid."""

    label: str
    config: SpikeBertRun
    folder: Path

    def card(self) -> dict[str, Any] | None:
        """Return its card once it is finished.

        Raises:
            InputError: the folder holds another run.
        """
        path = self.folder / CARD
        if not path.exists():
            return None
        card = read_json(path)
        if card["config"] != json.loads(json.dumps(self.config.as_dict())):
            raise InputError(
                f"{self.folder}: holds a run of another configuration; choose another "
                "--run"
            )
        return card


# --- the plan ------------------------------------------------------------------------


def plan(args: argparse.Namespace) -> list[Run]:
    """Return the trainings of a grid, seed by seed.

    Raises:
        ConfigError: a setting that a run cannot have.
        InputError: there is no variant of a name given as --only.
    """
    named = list(_variants(args))
    if unknown := sorted(set(args.only or ()) - {label for label, *_ in named}):
        known = ", ".join(label for label, *_ in named)
        raise InputError(f"--only {unknown[0]}: the grid has {known}")
    return [
        _run(args, label, config, settings, seed)
        for seed in args.seeds
        for label, config, settings in named
        if not args.only or label in args.only
    ]


def _variants(args: argparse.Namespace) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    if args.grid == "tasks":
        for task in TASKS:
            yield task, CONFIGS / f"spikebert_{task}.toml", ()
        return
    for label, settings in GRIDS[args.grid].items():
        yield label, args.config, settings


def _run(
    args: argparse.Namespace,
    label: str,
    path: Path,
    settings: tuple[str, ...],
    seed: int,
) -> Run:
    usual = [*args.set, f"seed={seed}"]
    config = load_run(path, [*usual, *settings])
    # The variant that changes nothing is one run in all grids.
    is_base = config.as_dict() == load_run(path, usual).as_dict()
    parts = [path.stem, *(() if is_base else settings), f"seed={seed}"]
    return Run(label, config, args.run / "+".join(parts))


# --- training ------------------------------------------------------------------------


def train(runs: Sequence[Run], data: Path, minutes: float | None) -> bool:
    """Train what is not finished; return whether the time sufficed.

    Raises:
        SpikewrightError: a run cannot be.
    """
    end_s = None if minutes is None else time.monotonic() + 60 * minutes
    for run in runs:
        if run.card() is not None:
            continue
        left = None if end_s is None else (end_s - time.monotonic()) / 60
        if left is not None and left <= 0:
            return False
        say(f"--- {run.folder.name}")
        take_shared(run, data)
        if train_spikebert(run.config, data, run.folder, minutes=left, say=say) is None:
            return False
    return True


def take_shared(run: Run, data: Path) -> None:
    """Copy finished parts of runs beside this one that would come out the same."""
    begun = json.loads(json.dumps(begin_card(run.config, data, processes=1)))
    wanted, hashes = begun["config"], begun["data_sha256"]
    for card in sorted(run.folder.parent.glob(f"*/{CARD}")):
        known = read_json(card)
        if any(known["data_sha256"].get(k, v) != v for k, v in hashes.items()):
            continue
        for part, tables in SHARED.items():
            source, target = card.parent / part, run.folder / part
            alike = all(known["config"][key] == wanted[key] for key in tables)
            if alike and source.exists() and not target.exists():
                _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if source.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part, ignore=shutil.ignore_patterns("checkpoints"))
    else:
        shutil.copy2(source, part)
    part.rename(target)


def rows(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each variant that has a finished run."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for run in runs:
        if (card := run.card()) is not None:
            found.setdefault(run.label, []).append((run.config.seed, card))
    return [
        Row(
            label,
            tuple(seed for seed, _ in cards),
            tuple(card["student"]["validation_accuracy"] for _, card in cards),
            tuple(card["teacher"]["validation_accuracy"] for _, card in cards),
            tuple(mean_rate(card["student"]["rates"]) for _, card in cards),
        )
        for label, cards in found.items()
    ]


# --- the command line ----------------------------------------------------------------


def main(given: Sequence[str] | None = None) -> int:
    """Train a grid, or go on with it; 3 where the time ended first."""
    args = _parse(given)
    hush_libraries()
    print(describe_machine())
    try:
        runs = plan(args)
        is_done = train(runs, args.data, args.minutes)
        found = rows(runs)
    except SpikewrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(found))
    args.run.mkdir(parents=True, exist_ok=True)
    write_json(
        args.run / f"{args.grid}.json", document(args.grid, found, planned=len(runs))
    )
    return 0 if is_done else UNFINISHED


def _parse(given: Sequence[str] | None) -> argparse.Namespace:
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--grid", choices=(*GRIDS, "tasks"), required=True)
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--config", type=Path, default=CONFIGS / "spikebert_sst2.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--only", action="append", metavar="LABEL")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
