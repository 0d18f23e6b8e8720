"""The README is true: its commands exist, its code runs, its output comes out."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
LEFT_OUT = "…"
"""a line of the quoted output that stands for any number of lines"""


def _blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = re.findall(
        r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE
    )
    commands = re.findall(r"^\$ make (\w+)", README, flags=re.MULTILINE)
    assert commands == ["demo", "test"]
    assert set(commands) <= set(targets)


def test_every_link_into_the_repository_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert len(links) > 4
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.lava
def test_the_python_example_runs_and_finds_no_difference(tmp_path: Path) -> None:
    (code,) = _blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.lava
@pytest.mark.slow
def test_the_quoted_output_is_what_the_command_prints() -> None:
    (quoted,) = [text for text in _blocks("console") if "$ spikewright" in text]
    command, *wanted = quoted.splitlines()
    arguments = shlex.split(command.removeprefix("$ spikewright "))
    # Our runtime prints the same as Lava's own, sooner.
    done = subprocess.run(
        [sys.executable, "-m", "spikewright.cli", *arguments, "--runtime", "local"],
        capture_output=True,
        text=True,
        check=True,
    )
    printed = iter(done.stdout.splitlines())
    for line in wanted:
        if line.strip() != LEFT_OUT:
            assert line in printed, f"not printed, or not in this order: {line!r}"
