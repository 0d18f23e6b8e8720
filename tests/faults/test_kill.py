"""A verb that is killed and called again ends as if it had not been: `make faults`."""

from __future__ import annotations

import os
import random
from importlib import import_module
from pathlib import Path

import pytest

fault_cases = import_module("fault_cases")
faults = import_module("faults")
processes = import_module("processes")


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A folder with `net.nir` and inputs for it."""
    fault_cases.write_net(tmp_path)
    return tmp_path


def test_a_killed_simulation_leaves_nothing_and_ends_the_same(net: Path) -> None:
    given = ["simulate", f"{net}/net.nir", "--dt", "1e-3", "--inputs", f"{net}/net.npy"]
    words = [*given, "--backend", "integer", "--workers", "2", "--batch", "1"]
    words += ["-o", "out/trace.npz"]
    calm = faults.run_calm(faults.Place(net / "calm", "calm"), words)
    assert list(calm.results) == ["trace.npz"]
    # the workers' folder, its task and two logs, the trace's part and the trace
    assert calm.made >= 5
    place, found = faults.Place(net / "cut", f"kill-{os.getpid()}"), faults.Found()
    drawn = random.Random(4)  # noqa: S311 - kills when the fourth file or so appears
    assert faults.kill_somewhere(place, words, calm, drawn)
    faults.check_children(place, found)
    faults.check_end(place, words, calm, found)
    assert found.faults == []
    assert found.equal == 1


def test_what_differs_or_is_left_is_found(net: Path) -> None:
    """The harness itself: it sees a wrong byte and a forgotten part."""
    place, found = faults.Place(net / "cut", "none"), faults.Found()
    words = ["convert", f"{net}/net.nir", "-o", "out/again.nir"]
    calm = faults.Calm({"again.nir": "another hash"}, 1.0, 1)
    (place.folder / "out" / ".other.abc.part").touch()
    faults.check_end(place, words, calm, found)
    assert found.equal == 0
    assert len(found.faults) == 2
    assert "left ['.other.abc.part']" in found.faults[0]
    assert "differs in" in found.faults[1]
