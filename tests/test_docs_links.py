"""Every link of the documents leads to a file that is there, and to a section of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
        ROOT / "benchmarks" / "RESULTS.md",
    ]
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", flags=re.DOTALL | re.MULTILINE)
every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(each.relative_to(ROOT)) for each in DOCUMENTS]
)


def _links(document: Path) -> list[str]:
    prose = CODE.sub("", document.read_text(encoding="utf-8"))
    return [link for link in LINK.findall(prose) if ":" not in link]


def _anchors(document: Path) -> set[str]:
    """Return the sections as GitHub names them; the second of a name gets -1."""
    text = re.sub(
        r"^```.*?^```$",
        "",
        document.read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    seen: Counter[str] = Counter()
    anchors = set()
    for title in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE):
        slug = _slug(title)
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def _slug(title: str) -> str:
    words = re.sub(r"[^\w\- ]", "", title.strip().lower())
    return words.replace(" ", "-")


def test_sections_are_named_as_github_does() -> None:
    assert _slug("`Column A`: what, as papers print it?") == (
        "column-a-what-as-papers-print-it"
    )
    assert _slug("merge_soft_resets") == "merge_soft_resets"


@every_document
def test_links_lead_to_what_is_there(document: Path) -> None:
    for link in _links(document):
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in _anchors(target), f"{link}: no such section"


def test_enough_links_were_looked_at() -> None:
    assert sum(len(_links(each)) for each in DOCUMENTS) > 100


@every_document
def test_lists_stand_apart_from_the_words_before_them(document: Path) -> None:
    """Python-Markdown, which builds the site, would run them into the paragraph."""
    prose = CODE.sub("", document.read_text(encoding="utf-8"))
    before, in_list = "", False
    for line in prose.splitlines():
        begins = re.match(r"[-*] ", line) is not None
        if begins and not in_list:
            assert not before.strip() or before.startswith("#"), line
        ends = not before.strip() and bool(line.strip()) and not line.startswith("  ")
        in_list = begins or (in_list and not ends)
        before = line
