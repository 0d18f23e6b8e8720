"""What a report over a whole validation set costs, and counting's share of it.

    OMP_NUM_THREADS=1 python benchmarks/pricing.py [--data FOLDER] [--sentences 872]

The shipped student on SST-2 validation, or, without --data, on sentences of the words
of our own examples: simulated on `integer` in batches, counted, and priced on every
profile. First the parts in turns, then the one command that does it all. CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backends import DT_S
from counting import own_sentences
from machine import describe_machine

from spikewright.cli import main as spikewright
from spikewright.cli.report.pricing import (
    PRESETS,
    SPECIAL_TOKENS,
    card_baselines,
    embedding_bits,
)
from spikewright.cli.report.runs import chunk_size
from spikewright.cli.student import export_student
from spikewright.export.deployment.folder import read_deployment
from spikewright.export.deployment.texts import encode_texts
from spikewright.export.lower import lower
from spikewright.hardware_profiles.placement.capacity import check_capacity
from spikewright.hardware_profiles.prices.preset_files import load_preset
from spikewright.hardware_profiles.profiles.profile import list_profiles, load_profile
from spikewright.hardware_profiles.reports.facts import finish_run
from spikewright.hardware_profiles.reports.run import Wanted, report_run
from spikewright.hardware_profiles.reports.traces import Lengths, count_traces
from spikewright.simulate.integer import run_integer
from spikewright.trace import SpikeTrace
from spikewright.train.student import load_student, shipped_student
from spikewright.train.texts.data import read_split


class Clock:
    """CPU seconds by what was done."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, what: str) -> Iterator[None]:
        """Add the block's CPU seconds to `what`."""
        start = time.process_time()
        yield
        spent = time.process_time() - start
        self.seconds[what] = self.seconds.get(what, 0.0) + spent


def main() -> None:
    """Print seconds, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sentences", type=int, default=872)
    parser.add_argument("--tokens", type=int, default=64)
    args = parser.parse_args()
    print(describe_machine())
    texts = own_sentences(args.sentences)
    if args.data is not None:
        rows = read_split(args.data / "sst2", "validation")
        texts = [each.text for each in rows[: args.sentences]]
    with tempfile.TemporaryDirectory() as folder:
        deployment = Path(folder) / "deployment"
        checkpoint = shipped_student()
        student = load_student(checkpoint)
        export_student(student, checkpoint, deployment, tokens=args.tokens, dt_s=DT_S)
        measure_parts(deployment, texts)
        measure_command(deployment, texts)


def measure_parts(folder: Path, texts: Sequence[str]) -> None:
    """Print what each part of a report takes."""
    clock, profiles = Clock(), [load_profile(each) for each in list_profiles()]
    with clock.time("read and lower"):
        deployment = read_deployment(folder)
        graph = lower(deployment.graph, dt_s=DT_S).graph
    lengths: list[int] = []

    with clock.time("place"):
        check_capacity(graph, [each.name for each in profiles])

    def parts() -> Iterator[tuple[SpikeTrace, Lengths]]:
        chunk = chunk_size(graph, int(deployment.card["steps"]))
        for start in range(0, len(texts), chunk):
            with clock.time("encode"):
                encoded = encode_texts(deployment, texts[start : start + chunk])
            lengths.extend(encoded.lengths.tolist())
            with clock.time("simulate"):
                trace = run_integer(graph, encoded.inputs)
            with clock.time("count"):  # who asks for the next trace has counted this
                yield trace, encoded.lengths

    bits = embedding_bits(graph, deployment)
    counted = count_traces(graph, parts(), profiles, embedding_bits=bits)
    with clock.time("price, draw and write JSON"):
        tokens = [each + SPECIAL_TOKENS for each in lengths]
        baselines = card_baselines(deployment, tokens, steps=counted.run.steps)
        presets = [load_preset(each) for each in PRESETS]
        wanted = Wanted(profiles, presets=presets)
        report = finish_run(report_run(counted, baselines, wanted))
        size = len(report.to_text("json"))
    spent = clock.seconds
    print(
        f"{len(texts)} sentences, {len(profiles)} profiles, "
        f"{len(report.figures)} figures"
    )
    print("\n".join(f"  {what}: {each:.2f} s" for what, each in spent.items()))
    print(
        f"  counting: {spent['count'] / spent['simulate']:.1%} of the simulation; "
        f"JSON of {size / 1e6:.1f} MB"
    )


def measure_command(folder: Path, texts: Sequence[str]) -> None:
    """Print what the one command takes, and the memory of this process."""
    sentences = folder.parent / "sentences.jsonl"
    rows = (json.dumps({"text": each}) for each in texts)
    sentences.write_text("\n".join(rows) + "\n", encoding="utf-8")
    output = folder.parent / "report.json"
    command = ["report", str(folder), "--text", str(sentences), "--profile", "all"]
    start = time.process_time()
    status = spikewright([*command, "--format", "json", "-o", str(output)])
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        "spikewright report FOLDER --text sentences.jsonl --profile all: exit "
        f"{status}, {spent:.1f} s, {spent / len(texts) * 1e3:.1f} ms a sentence, "
        f"at most {peak:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
