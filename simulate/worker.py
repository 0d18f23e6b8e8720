"""A worker of the integer simulator: `python -m spikewright.simulate.worker TASK`."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import BinaryIO

from spikewright.errors import OverflowDetectedError
from spikewright.simulate.integer_batch import make_machine, run_batch
from spikewright.simulate.workers import Chunk, Task


def work(task: Task, given: BinaryIO, answers: BinaryIO) -> None:
    """Answer each chunk with its trace, or with the message of an overflow."""
    machine = make_machine(task.plan(), task.batch)
    while (chunk := _next(given)) is not None:
        answer: object
        try:
            answer = run_batch(machine, chunk.inputs, task.policy, chunk.first)
        except OverflowDetectedError as error:
            answer = str(error)
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _next(given: BinaryIO) -> Chunk | None:
    """Return the next chunk; None once the parent is done, or gone."""
    try:
        chunk = pickle.load(given)  # noqa: S301 - from our own parent
    except EOFError:
        return None
    assert isinstance(chunk, Chunk)  # noqa: S101 - the parent sends nothing else
    return chunk


def main() -> None:
    """Work until stdin ends; what anything prints goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    task = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - from our parent
    assert isinstance(task, Task)  # noqa: S101
    work(task, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
