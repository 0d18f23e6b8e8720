"""Every command that the documents show can be read by the real parser."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest

from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.parser import build_parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docs" / "tutorials").glob("*.py"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile")),
        ROOT / "benchmarks" / "RESULTS.md",
    ]
)
SHOWN = re.compile(r"^(?: {4}|)(?:\$ )?(spikewright .*)$", flags=re.MULTILINE)
INLINE = re.compile(r"`(spikewright\s[^`]*)`")
OPEN = ("…", "[", "{", "|", "...")
"""signs of a command with places to fill in: its verb and options are looked at"""


def _commands(document: Path) -> Iterator[tuple[str, bool]]:
    """Yield commands, and whether they are whole."""
    text = document.read_text(encoding="utf-8")
    text = re.sub(r"\\\n\s*", "", text)
    if document.suffix == ".py":
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    for shown in SHOWN.findall(text):
        if not shown.startswith("spikewright export: "):  # an answer, quoted
            command = shown.partition(" > ")[0].replace("SECONDS", "1e-3")
            yield command, not any(sign in command for sign in OPEN)
    for command in INLINE.findall(text):
        yield " ".join(command.split()), False


COMMANDS = sorted(
    {
        (str(document.relative_to(ROOT)), command, whole)
        for document in DOCUMENTS
        for command, whole in _commands(document)
    }
)
PARSER = build_parser()
VERBS: dict[str, ArgumentParser] = dict(verbs_of(PARSER))


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) > 120
    assert {command.split()[1] for _, command, _ in COMMANDS} >= {
        name for name in VERBS if " " not in name
    }


@pytest.mark.parametrize(
    ("document", "command", "whole"),
    COMMANDS,
    ids=[f"{d}: {c}" for d, c, _ in COMMANDS],
)
def test_commands_can_be_read(document: str, command: str, whole: bool) -> None:
    if whole:
        _, *words = shlex.split(command, comments=True)
        if words == ["plot"]:  # the synopsis of a verb that has kinds
            return
        assert PARSER.parse_args(words).verb == words[0], document
    else:
        _check_names(command)


def _check_names(command: str) -> None:
    """Look at the verb and the options of a command that has places to fill in."""
    _, verb, *rest = command.partition("#")[0].split()
    if verb.startswith("-") or verb in ("VERB", "<verb>"):
        return
    for name in verb.split("|"):
        assert name in VERBS, f"{command}: no verb {name}"
    kind = next((f"{verb} {word}" for word in rest if f"{verb} {word}" in VERBS), verb)
    known = {*VERBS[kind]._option_string_actions, "--help"}
    if kind == "plot":  # its kinds have the options
        known |= {
            o
            for n, v in VERBS.items()
            if n.startswith("plot ")
            for o in v._option_string_actions
        }
    for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(rest)):
        assert option in known, f"{command}: no option {option}"


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        shown = re.findall(
            r"^(?: {4}|\$ )make ([a-z]+)|`make ([a-z]+)`", text, flags=re.MULTILINE
        )
        for target in (first or second for first, second in shown):
            assert target in targets, f"{document.name}: make {target}"


def test_scripts_exist() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for script in re.findall(
            r"python ((?:benchmarks|docs|tests)/[\w/]+\.py)", text
        ):
            assert (ROOT / script).is_file(), f"{document.name}: {script}"
