"""A finished report, and its formats, which all hold the same figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args
from urllib.parse import unquote

from spikewright.errors import CountError
from spikewright.hardware_profiles.prices.breakdown import BYS
from spikewright.hardware_profiles.prices.terms import Line
from spikewright.hardware_profiles.profiles.constant import Constant
from spikewright.hardware_profiles.reports.figures import (
    LIST,
    Figure,
    explain_figure,
    list_figures,
)
from spikewright.hardware_profiles.reports.page import to_html
from spikewright.hardware_profiles.reports.pictures import energy_pictures
from spikewright.hardware_profiles.text.document import Document, to_markdown, to_table
from spikewright.plots.picture import Picture
from spikewright.printable import one_line

Format: TypeAlias = Literal["table", "json", "markdown", "csv", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
SCHEMA = "spikewright.report/2"
"""name and version of the JSON form; a change that breaks readers raises it"""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
CSV_COLUMNS = (
    *("figure", "unit", "value", "node", "operation", "count", "samples"),
    *("factor", "constant", "constant_unit", "energy_j", "place", "evidence"),
    "source",
)


@dataclass(frozen=True, eq=False)
class Report:
    """What a run or a teacher costs: for people, and as data."""

    document: Document
    figures: tuple[Figure, ...]
    facts: Mapping[str, object]
    """what else the JSON form holds: counts, fit, choices"""
    gaps: tuple[str, ...] = ()
    """what was not counted, has no price, or does not fit its chip"""
    pictures: tuple[Picture, ...] = ()
    """for the page, besides those of its figures"""

    def refuse_gaps(self) -> None:
        """Raise `CountError` if there is a gap, naming all."""
        if self.gaps:
            raise CountError(f"--strict: {len(self.gaps)} gaps: {'; '.join(self.gaps)}")

    def explain(self, wanted: str) -> str:
        """Trace a figure to counts, constants and sources; `list` names all figures.

        Raises:
            InputError: there is no such figure, or its name fits several.
        """
        if wanted == LIST:
            lines = list_figures(self.figures)
        else:
            lines = explain_figure(self.figures, wanted)
        return "\n".join(map(one_line, lines))

    def to_text(self, form: Format) -> str:
        """Write the report in one of `FORMATS`."""
        match form:
            case "table":
                return self.to_table()
            case "json":
                return json.dumps(self.to_dict(), indent=2, allow_nan=False)
            case "markdown":
                return self.to_markdown()
            case "csv":
                return self.to_csv()
            case "html":
                return self.to_html()

    def to_table(self) -> str:
        """Return plain text, 100 columns wide."""
        return to_table(self.document)

    def to_markdown(self) -> str:
        """Return Markdown."""
        return to_markdown(self.document)

    def to_html(self) -> str:
        """Return one page.

        Raises:
            BackendMissingError: matplotlib, which draws its pictures, is not installed.
        """
        values = {each.name: each.value for each in self.figures}
        drawn = (*energy_pictures(self.facts, values), *self.pictures)
        return to_html(self.document, self.figures, self.facts, drawn)

    def to_dict(self) -> dict[str, object]:
        """Return everything as JSON can hold it; see docs/report.md."""
        constants = {
            line.constant: None for figure in self.figures for line in figure.lines
        }
        index = {each: number for number, each in enumerate(constants)}
        return {
            "schema": SCHEMA,
            "heading": self.document.heading,
            **self.facts,
            "gaps": list(self.gaps),
            "constants": [asdict(each) for each in constants],
            "figures": [_figure_dict(each, index) for each in self.figures],
        }

    def to_csv(self) -> str:
        """Return a row for each line of each figure, or for a figure without lines."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for figure in self.figures:
            writer.writerows(_csv_rows(figure))
        return out.getvalue()


def _figure_dict(figure: Figure, index: Mapping[Constant, int]) -> dict[str, object]:
    return {
        "name": figure.name,
        "title": figure.title,
        "unit": figure.unit,
        "value": figure.value,
        "samples": figure.samples,
        "lines": [_line_dict(each, figure.samples, index) for each in figure.lines],
        "because": list(figure.because),
        "of": list(figure.of),
    }


def _line_dict(
    line: Line, samples: int, index: Mapping[Constant, int]
) -> dict[str, object]:
    return {
        "operation": line.operation,
        "count": _number(line, samples),
        "factors": [
            {"value": float(each.value), "meaning": each.meaning}
            for each in line.factors
        ],
        "constant": index[line.constant],
        "place": line.place,
        "energy_j": line.energy_j,
    }


def _number(line: Line, samples: int) -> int | float:
    """Return the count over all samples, whole as it was counted."""
    whole = line.amount * samples
    return whole.numerator if whole.denominator == 1 else float(whole)


def _csv_rows(figure: Figure) -> Iterator[Sequence[object]]:
    start = (
        *(figure.name, figure.unit),
        "" if figure.value is None else repr(figure.value),
        _cell(_node(figure)),
    )
    if not figure.lines:
        yield (*start, "", "", figure.samples, *([""] * 7))
    for line in figure.lines:
        factor = float(line.times / line.amount) if line.amount else 1.0
        constant = line.constant
        yield (
            *(*start, line.operation, _number(line, figure.samples), figure.samples),
            *(repr(factor), repr(constant.value), constant.unit, repr(line.energy_j)),
            *(_cell(line.place), constant.evidence, _cell(constant.source)),
        )


def _cell(text: str) -> str:
    """Return text that spreadsheets take as text: a formula gets a quote before it."""
    return f"'{one_line(text)}" if text.startswith(_FORMULA) else one_line(text)


def _node(figure: Figure) -> str:
    """Return the part of the network or of the run that a figure is of."""
    parts = figure.name.split("/")
    return unquote(parts[-1]) if len(parts) > 1 and parts[-2] in BYS else ""
