"""Thousands of sentences through one backend: memory flat, answers the same each time.

    python benchmarks/soak.py lava --data /data/sst2_phrases --run build/soak/lava
        [--samples 5000] [--minutes M] [--workers 1] [--tokens 32]
    python benchmarks/soak.py integer --data … --run build/soak/integer --samples 100000
    python benchmarks/soak.py table --run build/soak/lava build/soak/integer
        [--picture docs/soak.svg]

Texts come a chunk at a time from DATA/train.jsonl, again from the start after its end;
only outputs are kept, and of these a hash: of a block of samples and all before it.
`table` compares the hashes of its runs, which may differ in backend, threads, workers
and BLAS kernels (another machine's: OPENBLAS_CORETYPE=Haswell), and fits lines to the
memory of the process and of its children, which live for a chunk.
Status 3: the time ended first, and the same command goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from soak_memory import Watch
from soak_table import write_table

from spikewright.cli.networks.lowering import STUDENT_DT_S
from spikewright.cli.road.store import hash_path
from spikewright.cli.student import export_student
from spikewright.export.deployment.encoder import token_ids
from spikewright.export.deployment.folder import Deployment, read_deployment
from spikewright.export.deployment.texts import encode_texts, logits_of
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.holds import folder_for_one, work_folder
from spikewright.simulate.integer import Batching
from spikewright.simulate.lava_backend.job import LavaOptions
from spikewright.simulate.run import run
from spikewright.trace import Keep, SpikeTrace, TracePolicy
from spikewright.train.student import load_student, shipped_student
from spikewright.whole_files import write_json

SAMPLES = {"lava": 5_000, "integer": 100_000}
CHUNK = {"lava": 500, "integer": 2_000}
"""samples that are encoded, run and forgotten together"""
BLOCK = 100
"""samples that are hashed together; every chunk is some blocks"""
UNFINISHED = 3
Row = dict[str, Any]
"""`text` and `label`"""


def main() -> int:
    """Soak, or tell what soaks have found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("lava", "integer", "table"))
    parser.add_argument("--data", type=Path, help="folder with train.jsonl")
    parser.add_argument("--run", type=Path, nargs="+", required=True)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    if args.what == "table":
        return write_table(args.run, args.picture)
    if args.data is None or len(args.run) != 1:
        parser.error("give --data, and one --run")
    (folder,) = args.run
    folder.mkdir(parents=True, exist_ok=True)
    with folder_for_one(folder, "wait for it, or give another --run"):
        return soak(args, folder)


def soak(args: argparse.Namespace, folder: Path) -> int:
    """Go on from where the folder is; return 3 if the time ends before the samples."""
    state = begin(args, folder)
    wanted = args.samples or SAMPLES[args.what]
    deployment, graph = deployed(args.tokens)
    texts = sentences(args.data, deployment, state["done"])
    end_s = None if args.minutes is None else time.monotonic() + 60 * args.minutes
    with Watch(folder / "memory.csv", state["done"], state["slices"]) as watch:
        while state["done"] < wanted:
            if end_s is not None and time.monotonic() >= end_s:
                return UNFINISHED
            size = min(state["chunk"], wanted - state["done"])
            rows = list(itertools.islice(texts, size))
            start = time.monotonic()
            answers = answer(
                args, deployment, graph, [row["text"] for row in rows], watch
            )
            state["seconds"] += time.monotonic() - start
            take_in(state, answers, rows)
            write_json(folder / "state.json", state)
            watch.chunk(state["done"])
    return 0


def begin(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the state of the folder, or a new one."""
    path = folder / "state.json"
    state: dict[str, Any] = {
        "backend": args.what,
        "tokens": args.tokens,
        "student": hash_path(shipped_student()),
        "chunk": CHUNK[args.what],
        "done": 0,
        "slices": 0,
        "right": 0,
        "seconds": 0.0,
        "hash": "",
        "hashes": {},
        "ways": [],
    }
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if any(found[key] != state[key] for key in ("backend", "tokens", "student")):
            raise SystemExit(f"{folder}: holds another soak; choose another folder")
        state = found
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    kernels = os.environ.get("OPENBLAS_CORETYPE", "this machine's")
    way = f"{describe_machine()}, {args.workers} workers, {threads} threads, "
    way += f"BLAS kernels: {kernels}"
    state["ways"] = sorted({*state["ways"], way})
    state["slices"] += 1
    return state


def deployed(tokens: int) -> tuple[Deployment, Graph]:
    """Return the shipped student, and its graph in integers."""
    source = shipped_student()
    with work_folder("soak") as place:
        student = load_student(source)
        folder = place / "student"
        export_student(student, source, folder, tokens=tokens, dt_s=STUDENT_DT_S)
        deployment = read_deployment(folder)
    return deployment, lower(deployment.graph, dt_s=STUDENT_DT_S).graph


def sentences(
    data: Path, deployment: Deployment, skip: int
) -> Iterator[dict[str, Any]]:
    """Yield rows that hold a token, for ever, from the one after `skip`."""

    def every() -> Iterator[Row]:
        while True:
            with (data / "train.jsonl").open(encoding="utf-8") as file:
                for line in file:
                    row = json.loads(line)
                    if token_ids(deployment.tokenizer, row["text"]):
                        yield row

    return itertools.islice(every(), skip, None)


def answer(
    args: argparse.Namespace,
    deployment: Deployment,
    graph: Graph,
    texts: Sequence[str],
    watch: Watch,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs, (samples, steps, classes), and the logits of texts."""
    encoded = encode_texts(deployment, texts)
    trace: SpikeTrace = run(
        graph,
        encoded.inputs,
        backend=args.what,
        trace=TracePolicy(Keep.NONE),
        batching=Batching(None, args.workers),
        lava=LavaOptions("local", deadline_s=3600.0),
        on_samples=watch.at,
    )
    return trace.output, logits_of(trace.output, encoded.lengths)


def take_in(
    state: dict[str, Any],
    answers: tuple[np.ndarray, np.ndarray],
    rows: Sequence[Row],
) -> None:
    """Count the right answers, and hash the outputs block by block."""
    outputs, logits = answers
    labels = np.array([row["label"] for row in rows])
    state["right"] += int((logits.argmax(axis=1) == labels).sum())
    for first in range(0, len(rows), BLOCK):
        block = np.ascontiguousarray(outputs[first : first + BLOCK], np.float64)
        digest = hashlib.sha256(state["hash"].encode() + block.tobytes())
        state["hash"] = digest.hexdigest()
        state["done"] += len(block)
        state["hashes"][str(state["done"])] = state["hash"]


if __name__ == "__main__":
    raise SystemExit(main())
