"""A report as one HTML page: verdict, pictures, tables, sources; nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from spikewright.hardware_profiles.reports.assumptions import assumptions
from spikewright.hardware_profiles.reports.cards import cards, picker
from spikewright.hardware_profiles.reports.figures import Figure
from spikewright.hardware_profiles.reports.parts import (
    bullets,
    figure_details,
    picture,
    section,
    tag,
)
from spikewright.hardware_profiles.reports.pictures import Facts, Values
from spikewright.hardware_profiles.reports.style import POLICY, SCRIPT, STYLE
from spikewright.hardware_profiles.text.document import Document, Section
from spikewright.plots.picture import Picture
from spikewright.printable import as_html

_CHAPTERS: Mapping[str, str] = {
    "energy": "Where the energy goes",
    "profiles": "On which hardware",
    "break-even": "At which firing rate",
    "rates": "How the network fires",
    "raster": "How the network fires",
    "attention": "What it looks at",
    "sweep": "How many time steps it needs",
    "quantization": "What integers cost",
    "placement": "Where it lies on the chip",
    "graph": "The network",
}
"""kind of a picture -> the heading that it stands under, in this order"""


def to_html(
    document: Document,
    figures: Sequence[Figure],
    facts: Facts,
    pictures: Sequence[Picture] = (),
) -> str:
    """Write the page; every figure can be opened and shows what it is made of.

    Raises:
        BackendMissingError: there are pictures, and matplotlib is not installed.
    """
    values = {each.name: each.value for each in figures}
    first, *rest = document.sections
    names = {each["name"] for each in facts["profiles"]}
    return "\n".join(
        [
            *_head(document.heading),
            tag("h1", document.heading),
            "<main>",
            *_verdict(first, facts, values),
            picker(facts),
            *_chapters(pictures),
            *(section(each, number, names) for number, each in enumerate(rest)),
            "<section><h2>Every figure, and what it is made of</h2>",
            *(figure_details(each) for each in figures),
            "</section>",
            assumptions(facts, figures),
            f"</main><script>{SCRIPT}</script>",
            "</body></html>",
        ]
    )


def _verdict(first: Section, facts: Facts, values: Values) -> list[str]:
    """Return the cards, and the verdict in words: of a teacher alone, the words."""
    parts = [f"<section>{tag('h2', first.title)}"]
    found = cards(facts, values)
    if not found:
        return [*parts, bullets(first.lines), "</section>"]
    teacher, *others = first.lines
    words = f"<details><summary>In words</summary>{bullets(others)}</details>"
    return [*parts, tag("p", teacher), found, words, "</section>"]


def _head(title: str) -> list[str]:
    return [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{as_html(title)}</title>",
        f"<style>{STYLE}</style></head>",
        "<body>",
    ]


def _chapters(pictures: Sequence[Picture]) -> list[str]:
    """Return the pictures under their headings."""
    order = list(_CHAPTERS)
    chosen = sorted(pictures, key=lambda each: order.index(each.kind))
    found = []
    number = 0
    for title, group in groupby(chosen, key=lambda each: _CHAPTERS[each.kind]):
        found.append(f"<section>{tag('h2', title)}")
        for each in group:
            number += 1
            found.append(picture(each, f"picture-{number}", _profile(each)))
        found.append("</section>")
    return found


def _profile(drawn: Picture) -> str:
    """Return the profile that a picture is of; empty if it is of none or several."""
    where = getattr(drawn, "where", "")
    return str(where).partition(" ")[0]
