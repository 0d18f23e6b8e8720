"""A worker of the integer simulator: `python -m spikewright.simulate.worker TASK`."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO

from spikewright.errors import OverflowDetectedError
from spikewright.simulate.integer_batch import make_machine, run_batch
from spikewright.simulate.wire import Message, receive, send
from spikewright.simulate.workers import Task, answer_of, task_of


def work(task: Task, chunks: SimpleQueue[Message], answers: IO[bytes]) -> None:
    """Answer each chunk with its trace, or with the message of an overflow."""
    machine = make_machine(task.plan, task.batch)
    while True:
        chunk = chunks.get()
        first, inputs = chunk.plain["first"], dict(chunk.arrays)
        try:
            answer = answer_of(run_batch(machine, inputs, task.policy, first))
        except OverflowDetectedError as error:
            answer = Message({"overflow": str(error)})
        send(answer, answers)


def listen(given: IO[bytes], chunks: SimpleQueue[Message]) -> None:
    """Take chunks in, and end the process once the parent is gone.

    At once, also in the middle of a chunk: nobody waits for its trace any more.
    """
    code = 1
    try:
        while (chunk := receive(given)) is not None:
            chunks.put(chunk)
        code = 0
    except EOFError:
        code = 0  # the parent died within a message
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def main() -> None:
    """Work until stdin ends; what anything prints goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with Path(sys.argv[1]).open("rb") as file:
        told = receive(file)
    assert told is not None  # noqa: S101 - the parent wrote it
    chunks: SimpleQueue[Message] = SimpleQueue()
    # Not sys.stdin: Python would wait at its end for the lock that the thread holds.
    given = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    Thread(target=listen, args=(given, chunks), daemon=True).start()
    work(task_of(told), chunks, answers)


if __name__ == "__main__":
    main()
