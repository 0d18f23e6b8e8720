"""The site builds without a warning, is whole, and fetches nothing when it is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
needs_mkdocs = pytest.mark.skipif(
    find_spec("mkdocs") is None or find_spec("material") is None,
    reason="needs MkDocs and its theme: pip install -e '.[docs]'",
)
pytestmark = needs_mkdocs


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"]
    done = subprocess.run(
        [*command, str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Loads(HTMLParser):
    """What a browser gets by itself when it opens a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        link = tag == "link" and given.get("rel") not in ("canonical", "next", "prev")
        place = given.get("href") if link else given.get("src")
        if place:
            self.found.append(place)


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found, page
        outside = [place for place in parser.found if re.match(r"(https?:)?//", place)]
        assert outside == [], page.name
        # the theme would fetch a script for these
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8")


def test_no_style_fetches_anything_from_elsewhere(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    assert styles
    for style in styles:
        text = style.read_text(encoding="utf-8")
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", text) == []


def test_every_document_and_tutorial_is_a_page(site: Path) -> None:
    for document in DOCS.rglob("*.md"):
        name = "index" if document.stem == "README" else document.stem
        place = site / document.relative_to(DOCS).parent
        assert (place / f"{name}.html").is_file(), document
    for tutorial in (DOCS / "tutorials").glob("*.py"):
        page = site / "tutorials" / f"{tutorial.stem}.html"
        assert (site / "tutorials" / tutorial.name).is_file(), "the file itself, too"
        assert "import spikewright" in re.sub(r"<[^>]+>", "", page.read_text("utf-8"))
    for name in ("index", "results", "changelog", "license"):
        assert (site / f"{name}.html").is_file()


def test_scripts_of_this_folder_are_not_published(site: Path) -> None:
    assert list(site.glob("*.py")) == []
    assert list((site / "pictures").glob("*.py")) == []
    assert list(site.rglob("*.pyc")) == []
    assert list((site / "pictures").glob("*.svg"))


def test_the_front_page_leads_into_the_site(site: Path) -> None:
    front = (site / "index.html").read_text(encoding="utf-8")
    for place in ("lowering.html", "results.html", "changelog.html", "license.html"):
        assert f'href="{place}"' in front
    assert 'href="docs/' not in front


def test_no_markup_is_left_over(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        prose = re.sub(r"<(pre|code|script)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert "```" not in prose, page.name
        assert not re.search(r"\]\([\w./#-]+\)", prose), page.name
        assert not re.search(r"<p>\s*\|", prose), f"{page.name}: a table of one column"
