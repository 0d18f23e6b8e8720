"""docs/energy.md and docs/report.md are true: fields, options, commands, code."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import spikewright as sw
from spikewright.cli.parser import build_parser
from spikewright.counts import OperationCount
from spikewright.hardware_profiles.prices.preset_files import list_presets
from spikewright.hardware_profiles.prices.terms import TERM_NAMES
from spikewright.hardware_profiles.reports.report import CSV_COLUMNS, SCHEMA

DOCS = Path(__file__).parents[1] / "docs"
ENERGY, REPORT = ((DOCS / f"{x}.md").read_text("utf-8") for x in ("energy", "report"))
GOLDEN = Path(__file__).parent / "golden" / "residual_bias.nir"


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def first_cells(text: str) -> list[str]:
    """Return what stands in backquotes in the first cell of each row."""
    cells = re.findall(r"^\| (.*?) \|", text, flags=re.MULTILINE)
    return [each for cell in cells for each in re.findall(r"`([^`]+)`", cell)]


def test_every_count_has_its_row_once() -> None:
    known = [field.name for field in fields(OperationCount)]
    assert sorted(first_cells(section(ENERGY, "Counts"))) == sorted(known)


def test_every_term_and_preset_is_there() -> None:
    column_b = section(ENERGY, "Column B: full accounting")
    rows = re.findall(r"^\| ([a-z ]+) \|", column_b, flags=re.MULTILINE)
    assert rows == ["term", *TERM_NAMES]
    column_a = ENERGY.split("## Column A")[1].split("## Column B")[0]
    assert [name for name in list_presets() if name not in column_a] == []


def test_links_lead_somewhere() -> None:
    for text in (ENERGY, REPORT):
        links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
        assert links
        assert [link for link in links if not (DOCS / link).exists()] == []


def test_every_option_has_its_row() -> None:
    named = set(re.findall(r"--[a-z][a-z-]*", REPORT))
    known = set(re.findall(r"--[a-z][a-z-]*", _help()))
    assert named <= known
    common = {"--help", "--json", "--traceback", "--verbose", "--output"}
    assert known - common <= named


def _help() -> str:
    verbs = next(
        each for each in build_parser()._actions if isinstance(each.choices, dict)
    )
    assert isinstance(verbs.choices, dict)
    return str(verbs.choices["report"].format_help())


def test_commands_can_be_parsed() -> None:
    shell = re.search(r"```sh\n(.*?)```", REPORT, flags=re.DOTALL)
    assert shell is not None
    lines = shell[1].splitlines()
    assert len(lines) > 3
    for line in lines:
        program, *argv = shlex.split(line, comments=True)
        assert program == "spikewright"
        assert build_parser().parse_args(argv).verb == "report"


def test_schema_and_columns_are_those_of_the_formats() -> None:
    assert f'"schema": "{SCHEMA}"' in REPORT
    columns = re.search(r"with `(figure, .*?)`", REPORT, flags=re.DOTALL)
    assert columns is not None
    assert tuple(re.split(r",\s+", columns[1])) == CSV_COLUMNS


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    graph = sw.lower(sw.read_nir(GOLDEN), dt_s=1e-4).graph
    spikes = np.random.default_rng(0).random((2, 6, 12)) < 0.5
    trace = sw.run(graph, spikes, backend="integer")
    (code,) = re.findall(r"```python\n(.*?)```", REPORT, flags=re.DOTALL)
    exec(code, {"graph": graph, "trace": trace})  # noqa: S102 - our own document
    out = capsys.readouterr().out
    assert "Verdict:" in out
    assert "student/loihi1/fixed/total = " in out
    assert "Davies et al., IEEE Micro 38(1), 2018" in out
