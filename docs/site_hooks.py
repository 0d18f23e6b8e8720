"""What MkDocs needs to know of this repository: pages that lie elsewhere, tutorials.

The README is the front page; results, changes and license are pages; tutorials, which
are Python files with cells, become pages too. Links between all of these are bent to
the pages that they become. Nothing is written into the checkout.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
ROOT = DOCS.parent
ELSEWHERE: Mapping[str, str] = {
    "index.md": "README.md",
    "results.md": "benchmarks/RESULTS.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "license.md": "LICENSE",
}
"""page of the site -> file of the repository"""
TUTORIALS = "tutorials"
_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"^```(\w+) .*$", flags=re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/ as Markdown."""
    for page, source in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == "LICENSE":
            text = f"# License\n\n```text\n{text}```\n"
        files.append(File.generated(config, page, content=text))
    for path in sorted((DOCS / TUTORIALS).glob("*.py")):
        page = f"{TUTORIALS}/{path.stem}.md"
        text = tutorial_page(path)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Bend links to what becomes a page, and fences to what Python-Markdown reads."""
    del config, files
    uri = page.file.src_uri
    bent = _LINK.sub(lambda link: _bend(link, uri), markdown)
    return _FENCE.sub(lambda fence: f"```{fence[1]}", bent)


def _bend(link: re.Match[str], uri: str) -> str:
    """Return the link from the page `uri` to the page that its target becomes."""
    before, target, anchor, after = link.groups(default="")
    if ":" in target:
        return link[0]
    home = ELSEWHERE.get(uri, f"docs/{uri}")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
    pages = {source: name for name, source in ELSEWHERE.items()}
    new = pages.get(place, place.removeprefix("docs/"))
    if uri == f"{TUTORIALS}/README.md" and new.endswith(".py"):
        new = f"{new.removesuffix('.py')}.md"
    relative = posixpath.relpath(new, posixpath.dirname(uri) or ".")
    return f"{before}{relative}{anchor}{after}"


def tutorial_page(path: Path) -> str:
    """Return a Python file with cells as Markdown: words as text, the rest as code."""
    cells = list(_cells(path.read_text(encoding="utf-8")))
    where = f"*The file behind this page: [{path.name}]({path.name}).*\n"
    head, *rest = cells
    title, _, words = head.partition("\n")
    return "\n".join([title, "", where, words.strip(), "", *rest])


def _cells(source: str) -> Iterator[str]:
    for cell in re.split(r"^# %%", source, flags=re.MULTILINE):
        kind, _, body = cell.partition("\n")
        if not body.strip():
            continue
        if "[markdown]" in kind:
            lines = (re.sub(r"^# ?", "", line) for line in body.strip().splitlines())
            yield "\n".join(lines) + "\n"
        else:
            yield f"```python\n{body.strip()}\n```\n"
