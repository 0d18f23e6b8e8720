"""Tools in processes of their own, and graphs to try on them."""

from __future__ import annotations

import itertools
import json
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.export.nir.check import read_nested
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.export.passes.discretize import discretize
from spikewright.export.tools.judge import tool_verdicts
from spikewright.export.tools.ties import find_ties
from spikewright.export.tools.verdict import Effect, ToolVerdict
from spikewright.graph import Graph
from spikewright.nodes import SpikingNeurons
from spikewright.simulate.reference import run_reference

SAMPLES, STEPS, RATE = 4, 50, 0.4
IMPORT_S, RUN_S = 300, 20
"""how long a tool may take to be imported, and to load and run one small file"""
MARGIN = 2e-6
"""of the threshold: float32 sums of a dozen numbers around 1 are that exact"""


@dataclass
class Tool:
    """A tool in a process of its own, started when it is needed."""

    name: str
    process: subprocess.Popen[str] | None = None

    def ask(self, job: dict[str, object]) -> dict[str, str]:
        """Load and run a file; a tool that does not answer is ended."""
        if self.process is None:
            self.start()
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self.read(RUN_S)

    def start(self) -> None:
        worker = Path(__file__).with_name("load_in_tool.py")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(worker), self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert "torch" in self.read(IMPORT_S), f"{self.name} cannot be imported"

    def read(self, seconds: float) -> dict[str, str]:
        assert self.process is not None and self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            self.stop()
            return {"error": "", "hangs": "yes"}
        found: dict[str, str] = json.loads(self.process.stdout.readline())
        return found

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None


@dataclass(frozen=True)
class Trial:
    """What a tool made of a file."""

    verdict: ToolVerdict
    error: str
    hangs: bool
    wrong: int | None
    """outputs that are not those of the reference; None if there are none to compare"""

    @property
    def is_exact(self) -> bool:
        return not self.error and not self.hangs and self.wrong == 0

    def check(self) -> None:
        """Fail unless the verdict is what happened."""
        effects = {each.effect for each in self.verdict.obstacles}
        if self.verdict.loads:
            assert self.is_exact, self
        elif Effect.HANGS in effects and Effect.RAISES not in effects:
            assert self.hangs, self
        elif Effect.RAISES in effects:
            assert self.error, self
        else:
            assert not self.hangs and not self.is_exact, self


@dataclass
class Bench:
    """All tools, and a folder for files."""

    folder: Path
    tools: dict[str, Tool] = field(default_factory=dict)
    count: Iterator[int] = field(default_factory=itertools.count)

    def try_graph(self, graph: Graph, tool: str, *, dt_s: float) -> Trial:
        """Write a graph, and compare what a tool makes of the file."""
        path = self.folder / f"{next(self.count)}.nir"
        write_nir(graph, path, dt_s=dt_s)
        return self.try_file(path, tool, dt_s=dt_s)

    def try_file(self, path: Path, tool: str, *, dt_s: float) -> Trial:
        graph = read_nir(path)
        verdicts = tool_verdicts(graph, dt_s=dt_s, nested=read_nested(path))
        (verdict,) = (each for each in verdicts if each.tool == tool)
        inputs, wanted = self._reference(graph, dt_s, is_strict=verdict.loads)
        given, made = path.with_suffix(".in.npy"), path.with_suffix(".out.npy")
        np.save(given, inputs)
        job = {"file": str(path), "inputs": str(given), "outputs": str(made)}
        said = self.tools[tool].ask({**job, "dt_s": dt_s})
        is_done = not said["error"] and "hangs" not in said
        wrong = _wrong(np.load(made), wanted) if is_done else None
        return Trial(verdict, said["error"], "hangs" in said, wrong)

    def _reference(
        self, graph: Graph, dt_s: float, *, is_strict: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and the first Output's; `is_strict` about what they test."""
        rng = np.random.default_rng(0)
        discrete = discretize(graph, dt_s=dt_s)
        inputs = {
            name: (rng.random((SAMPLES, STEPS, *node.shape)) < RATE).astype(np.uint8)
            for name, node in graph.inputs.items()
        }
        nearest = [np.inf]

        def probe(name: str, step: int, a: np.ndarray, state: Any) -> None:
            node = discrete.nodes[name]
            if isinstance(node, SpikingNeurons):
                gap = np.abs(state.reached - node.threshold)
                nearest[0] = min(
                    nearest[0], float(np.min(gap / np.abs(node.threshold).max()))
                )

        outputs = run_reference(discrete, inputs, probe=probe).outputs
        wanted = next(iter(outputs.values()))
        if is_strict:
            assert np.unique(wanted).size > 1, "the outputs are all alike: no test"
            if not [*find_ties(graph, dt_s)]:
                assert nearest[0] > MARGIN, "float32 could decide: another seed"
        return next(iter(inputs.values())), wanted


def _wrong(found: np.ndarray, wanted: np.ndarray) -> int:
    """Count entries that differ: spikes at all, other numbers by more than float32."""
    if found.shape != wanted.shape:
        return wanted.size
    is_binary = bool(np.all((wanted == 0) | (wanted == 1)))
    off = np.abs(found - wanted) > (0 if is_binary else 1e-5)
    return int(off.sum())


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    names = ("snnTorch", "SpikingJelly", "Norse")
    tools = {name: Tool(name) for name in names}
    yield Bench(tmp_path_factory.mktemp("conformance"), tools)
    for tool in tools.values():
        tool.stop()
