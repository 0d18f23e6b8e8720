"""`spikewright demo`: sentence to spikes to Lava to joules, with nothing downloaded."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewright.cli.networks.lowering import STUDENT_DT_S
from spikewright.cli.networks.texts import SENTENCES, encode_and_tell
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.progress import progress, say
from spikewright.cli.output.screen import Table, is_rich, show, show_document
from spikewright.cli.report.pricing import price_trace
from spikewright.cli.student import export_student
from spikewright.export.deployment.encoder import parse_tokenizer, token_ids
from spikewright.export.deployment.folder import Deployment, read_deployment
from spikewright.export.deployment.texts import EncodedTexts, logits_of
from spikewright.export.lower import lower
from spikewright.graph import Graph
from spikewright.hardware_profiles.reports.report import Report
from spikewright.holds import work_folder
from spikewright.nodes import SYNAPSES
from spikewright.simulate.compare import Comparison, compare_traces
from spikewright.simulate.lava_backend.job import LAVA, LavaOptions
from spikewright.simulate.run import run
from spikewright.train.answers.logits import float_logits
from spikewright.train.folders.checkpoint import read_json
from spikewright.train.student import ChipStudent, load_student, shipped_student

_WIDE = len("on the chip (integers)")
"""both answers get as much room"""


@dataclass(frozen=True, eq=False)
class _Road:
    """What the demo has in hand when it reports."""

    texts: Sequence[str]
    encoded: EncodedTexts
    deployment: Deployment
    graph: Graph
    integer: npt.NDArray[np.float64]
    """logits of the chip's arithmetic, (samples, classes)"""
    float_: npt.NDArray[np.float64]
    """logits of the snnTorch student"""
    comparison: Comparison
    report: Report


@dataclass(frozen=True)
class _Clock:
    """Seconds of each stage, told on stderr as they pass."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Measure the block."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
        say(f"{stage}: {self.seconds[stage]:.1f} s")


def run_demo(args: Namespace) -> int:
    """Run the whole road; 1 if a single spike differs between Lava and integers."""
    texts = args.sentences or SENTENCES
    clock = _Clock()
    if args.output is not None:
        road = _travel(args, texts, args.output, clock)
    else:
        with work_folder("demo") as folder:
            road = _travel(args, texts, folder / "deployment", clock)
    if args.json:
        print_document(args, _document(road, clock))
    else:
        _show(road)
    return 0 if road.comparison.is_equal else 1


def _travel(
    args: Namespace, texts: Sequence[str], folder: Path, clock: _Clock
) -> _Road:
    with clock.time("export to NIR"):
        student, deployment = _export(folder, texts)
    encoded = encode_and_tell(deployment, texts)
    with clock.time("lower to Loihi's integers"):
        graph = lower(deployment.graph, dt_s=STUDENT_DT_S).graph
    with clock.time(f"run on Lava ({args.runtime} runtime)"):
        with progress(len(texts), "lava") as advance:
            lava = run(
                graph,
                encoded.inputs,
                backend="lava",
                lava=_lava(args),
                on_samples=advance,
            )
    with clock.time("run in the integer simulator"):
        integer = run(graph, encoded.inputs, backend="integer")
    with clock.time("count and price"):
        report = price_trace(graph, lava, encoded.lengths, deployment)
    return _Road(
        texts,
        encoded,
        deployment,
        graph,
        logits_of(lava.output, encoded.lengths),
        float_logits(student, encoded.token_ids),
        compare_traces(lava, integer, given=[graph.input_name]),
        report,
    )


def _lava(args: Namespace) -> LavaOptions:
    deadline_s = args.deadline or LAVA.deadline_s
    return LavaOptions(args.runtime, deadline_s=deadline_s)


def _export(folder: Path, texts: Sequence[str]) -> tuple[ChipStudent, Deployment]:
    """Export the shipped student and read everything back, as a user's tool would.

    The network is sized for the longest sentence: padding changes no answer, but a
    silent neuron is updated all the same.
    """
    checkpoint = shipped_student()
    student = load_student(checkpoint)
    text = json.dumps(read_json(checkpoint / "tokenizer.json"))
    tokenizer = parse_tokenizer(str(checkpoint / "tokenizer.json"), text)
    longest = max(len(token_ids(tokenizer, each)) for each in texts)
    tokens = min(longest, int(student.config.max_tokens))
    export_student(student, checkpoint, folder, tokens=tokens, dt_s=STUDENT_DT_S)
    return student, read_deployment(folder)


def _answers(road: _Road) -> list[dict[str, Any]]:
    labels = road.deployment.card["labels"]
    return [
        {
            "text": text,
            "tokens": int(road.encoded.lengths[i]),
            "tokens_cut": int(road.encoded.cut[i]),
            "label": labels[int(road.integer[i].argmax())],
            "logits": road.integer[i].tolist(),
            "float_label": labels[int(road.float_[i].argmax())],
            "float_logits": road.float_[i].tolist(),
        }
        for i, text in enumerate(road.texts)
    ]


def _document(road: _Road, clock: _Clock) -> dict[str, Any]:
    same = asdict(road.comparison)
    return {
        "sentences": _answers(road),
        "compared": same.pop("compared"),
        "mismatches": same.pop("mismatches"),
        **same,
        "graph_sha256": road.graph.fingerprint(),
        "report": road.report.to_dict(),
        "seconds": clock.seconds,
    }


def _show(road: _Road) -> None:
    show(*_summary(road), _answer_table(road), "")
    if is_rich():
        show_document(road.report.document)
    else:
        print(road.report.to_table())


def _summary(road: _Road) -> list[str]:
    same = road.comparison
    verdict = "identical" if same.is_equal else f"DIFFERENT, first at {same.first}"
    synapses = sum(isinstance(each, SYNAPSES) for each in road.graph.nodes.values())
    return [
        f"{len(road.graph.populations())} populations, {synapses} projections in NIR, "
        "lowered to 8-bit weights, on Lava processes (fixed point)",
        f"Lava and the integer simulator: {verdict}; {same.compared:,} entries "
        f"compared, {same.spikes:,} of them spikes, {same.mismatches} mismatches",
        "",
    ]


def _answer_table(road: _Road) -> Table:
    rows = []
    for answer in _answers(road):
        chip = f"{answer['label']} {_margin(answer['logits'])}"
        float_ = f"{answer['float_label']} {_margin(answer['float_logits'])}"
        cut = answer["tokens_cut"]
        note = f" (the last {cut} tokens did not fit)" if cut else ""
        rows.append((chip, float_.ljust(_WIDE), f"{answer['text'][:60]}{note}"))
    head = ("on the chip (integers)", "snnTorch (float)".ljust(_WIDE), "sentence")
    return Table(head, rows, left=(0, 1, 2))


def _margin(logits: Sequence[float]) -> str:
    """Return how far the first class leads the second."""
    ordered = sorted(logits)
    return f"by {ordered[-1] - ordered[-2]:.2f}"
