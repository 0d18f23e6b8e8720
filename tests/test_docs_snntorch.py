"""docs/snntorch.md is true: its files run, and print what it quotes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "snntorch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)
PROGRAMS = {
    "python": [sys.executable],
    "spikewright": [sys.executable, "-m", "spikewright.cli"],
}


def _run(command: str, folder: Path) -> list[str]:
    """Return the lines that a command prints, on stdout and stderr."""
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return list(map(_without_rounding, done.stdout.splitlines()))


def _without_rounding(line: str) -> str:
    """Leave out what may differ in the last bit on another machine."""
    return re.sub(r"largest difference \S+", "largest difference", line)


@pytest.mark.slow
def test_the_quoted_commands_print_what_is_quoted(tmp_path: Path) -> None:
    ran = 0
    for language, block in BLOCKS:
        if language == "python":
            name = block.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(block)
            continue
        assert language == "console"
        for quoted in block.removeprefix("$ ").split("\n$ "):
            command, *wanted = quoted.splitlines()
            assert _run(command, tmp_path) == list(map(_without_rounding, wanted))
            ran += 1
    assert ran == 4


def test_every_link_leads_to_a_section_that_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)]+)\)", TEXT)
    assert len(links) > 2
    for link in links:
        file, _, section = link.partition("#")
        text = (DOCS / file).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.*)", text, flags=re.MULTILINE)
        assert not section or section in [t.lower().replace(" ", "-") for t in titles]
