"""Who holds a folder, what a second run is told, and what a dead process leaves."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spikewright import holds
from spikewright.errors import InputError
from spikewright.holds import LOCK, folder_for_one, work_folder
from spikewright.whole_files import private_folder, whole_file, write_json

ELSEWHERE = """
import sys, time
from pathlib import Path
from spikewright.holds import folder_for_one, work_folder
from spikewright.whole_files import private_folder, whole_file
place = Path(sys.argv[1])
with BLOCK as made:
    if made is not None:
        (made / "half" if made.is_dir() else made).write_text("half")
    print(made, flush=True)
    time.sleep(1000)
"""


def _start(block: str, place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that is in the block; return it and what the block gave."""
    process = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE.replace("BLOCK", block), str(place)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def _kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


# --- one run in a folder -------------------------------------------------------------


def test_a_second_run_is_told_who_is_at_work_and_a_dead_one_lets_go(
    tmp_path: Path,
) -> None:
    process, _ = _start("folder_for_one(place, 'wait')", tmp_path)
    message = rf"run is at work here \(process {process.pid} on .+\); go away"
    with pytest.raises(InputError, match=message), folder_for_one(tmp_path, "go away"):
        pass
    _kill(process)
    assert str(process.pid) in (tmp_path / LOCK).read_text()
    with folder_for_one(tmp_path, "go away"):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_the_lock_is_empty(tmp_path: Path, fails: bool) -> None:
    try:
        with folder_for_one(tmp_path, "wait"):
            assert (tmp_path / LOCK).read_text()
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert (tmp_path / LOCK).read_bytes() == b""


def test_a_lock_that_says_nothing_holds_all_the_same(tmp_path: Path) -> None:
    with folder_for_one(tmp_path, "wait"):
        (tmp_path / LOCK).write_text("no JSON")
        message = r"\(a process that has not said which\)"
        with pytest.raises(InputError, match=message), folder_for_one(tmp_path, "wait"):
            pass


def test_a_link_instead_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (tmp_path / LOCK).symlink_to(tmp_path / "mine")
    message = "cannot be written"
    with pytest.raises(InputError, match=message), folder_for_one(tmp_path, "wait"):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_drive_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(holds.fcntl, "flock", refuse)
    message = r"its drive knows no locks \(No locks available\).*on another drive"
    with pytest.raises(InputError, match=message), folder_for_one(tmp_path, "wait"):
        pass
    write_json(tmp_path / "x.json", 1)  # a file needs none
    assert (tmp_path / "x.json").read_text() == "1\n"


def test_without_flock_nothing_is_held_and_nothing_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "fcntl", None)
    (tmp_path / ".x.json.old.part").write_text("somebody's")
    with folder_for_one(tmp_path, "wait"), folder_for_one(tmp_path, "wait"):
        write_json(tmp_path / "x.json", 1)
    assert sorted(os.listdir(tmp_path)) == [".x.json.old.part", "x.json"]


# --- what a dead process leaves ------------------------------------------------------


@pytest.mark.parametrize("kind", ["whole_file", "private_folder"])
def test_what_a_killed_process_half_wrote_goes_with_the_next_write(
    tmp_path: Path, kind: str
) -> None:
    process, part = _start(f"{kind}(place / 'x')", tmp_path)
    for alive in (True, False):
        if not alive:
            _kill(process)
        with whole_file(tmp_path / "x") as temporary:
            temporary.write_text("whole")
        assert part.exists() is alive
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "whole"


def test_parts_of_other_files_stay(tmp_path: Path) -> None:
    for name in (".xy.abc.part", ".x.abc.other", "x.abc.part"):
        (tmp_path / name).touch()
    with private_folder(tmp_path / "x") as part:
        part.rename(tmp_path / "x")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_work_folder_goes_when_it_is_done_and_those_of_the_dead_before(
    temporary: Path,
) -> None:
    process, other = _start("work_folder('test')", temporary)
    with work_folder("test") as mine:
        assert sorted(temporary.iterdir()) == sorted([mine, other])
        assert mine.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == [other]
    _kill(process)
    with work_folder("another"):
        assert other.exists()
    with work_folder("test"):
        assert not other.exists()
    assert list(temporary.iterdir()) == []
