"""How the rates of a trained SpikingBERT settle on texts; needs torch."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spikewright.cli.plot.run import WEIGHTS
from spikewright.errors import InputError
from spikewright.plots.convergence import Convergence, convergence_picture
from spikewright.train.answers.trained import load_trained
from spikewright.train.spikingbert.convergence import convergence
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.texts.data import pad_batch

STUDENT = "student"
"""folder of a run that holds the model"""


def plot_settling(args: Namespace) -> Convergence:
    """Return how far each population is from its equilibrium after each step.

    Raises:
        InputError: no SpikingBERT is there, or the texts or numbers are unusable.
        NoEquilibriumError: there is none, or none that rates settle at.
    """
    if not 0 < args.tolerance < 1:
        raise InputError(
            f"--tolerance {args.tolerance:g}: rates are 0 to 1; give a number between"
        )
    trained = load_trained(_folder(args.file))
    student = trained.student
    if not isinstance(student, SpikingBertForSequenceClassification):
        raise InputError(
            f"{args.file}: is a {type(student).__name__}, whose rates have no "
            "equilibrium to settle at; give a SpikingBERT"
        )
    batch = pad_batch([{"input_ids": each} for each in trained.token_ids(args.text)])
    found = convergence(student, batch, steps=args.steps)
    return convergence_picture(
        found.distance,
        found.largest,
        found.steps_needed(args.tolerance),
        tolerance=args.tolerance,
        samples=len(args.text),
    )


def _folder(path: Path) -> Path:
    """Return the folder of the model: the one given, or the one in a run."""
    for folder in (path, path / STUDENT):
        if (folder / WEIGHTS).is_file():
            return folder
    raise InputError(
        f"{path}: holds no {WEIGHTS}, nor does {path / STUDENT}; give the folder of a "
        "trained SpikingBERT or of its run, not one that was exported"
    )
