"""A command line in process, networks and inputs to use it on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np
import pytest
import transformers

from spikewright.cli import main

ROOT = Path(__file__).parents[2]
SHAPES = {
    "residual_bias": (12,),
    "recurrent": (8,),
    "chip_attention": (6, 5),
    "random_branching": (7,),
    "li_readout": (2, 6),
    "ties": (6,),
}
"""golden network -> shape of its input"""


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int
    out: str
    err: str

    def refusal(self) -> str:
        """Return the one line of a refusal; fail if it was none."""
        assert self.status == 1, (self.status, self.err)
        assert self.out == ""
        assert self.err.startswith("spikewright ")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err


Run = Callable[..., Done]


@pytest.fixture(scope="session", autouse=True)
def hushed() -> None:
    """Do what the command line does by environment before transformers is loaded."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; argparse's exits are statuses too."""

    def call(*argv: object) -> Done:
        try:
            status = main([str(each) for each in argv])
        except SystemExit as error:
            assert isinstance(error.code, int)
            status = error.code
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return call


@pytest.fixture
def body() -> Callable[[str], dict[str, object]]:
    """Read a JSON document, without what says how it came about."""

    def read(text: str) -> dict[str, object]:
        origin = {"schema", "versions", "seed", "config"}
        return {k: v for k, v in json.loads(text).items() if k not in origin}

    return read


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def golden() -> Callable[[str], Path]:
    """Return the path of a golden network."""
    return lambda name: ROOT / "tests" / "golden" / f"{name}.nir"


@pytest.fixture
def inputs(tmp_path: Path) -> Callable[[str], Path]:
    """Return a file of 2 samples, 5 steps of spikes for a golden network."""

    def make(name: str) -> Path:
        rng = np.random.default_rng(0)
        path = tmp_path / f"{name}.npy"
        np.save(path, (rng.random((2, 5, *SHAPES[name])) < 0.5).astype(np.uint8))
        return path

    return make


@pytest.fixture
def timeless(tmp_path: Path) -> Path:
    """A NIR file as other tools write it: without a time step."""
    three = np.ones(3)
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "fc": nir.Linear(np.eye(3)),
        "lif": nir.LIF(three * 2e-4, three * 2, three * 0, three * 0.5, three * 0),
        "output": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    path = tmp_path / "timeless.nir"
    nir.write(path, nir.NIRGraph(nodes, list(itertools.pairwise(names))))
    return path


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    """The student that is part of the package."""
    return ROOT / "train" / "students" / "sst2_chip"


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """The shipped student, deployed for 8 tokens. Do not write into it."""
    folder = tmp_path_factory.mktemp("exported") / "student"
    assert main(["export", str(checkpoint), "-o", str(folder), "--tokens", "8"]) == 0
    return folder
