"""Write docs/licenses.md: what spikewright stands on, and under which license.

All that is declared in pyproject.toml and all that it brings, as the metadata of the
installed packages have it: `python docs/make_licenses.py`. No network.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licenses.md"
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0"),
    *("CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib"),
    "MPL-2.0",
}
"""permissive ones, and MPL-2.0, which asks only for changes to its own files"""
EXPLAINED: Mapping[str, str] = {
    "lava-nc": (
        "Its compiler and runtime are LGPL-2.1-or-later, the rest is BSD-3-Clause. "
        "spikewright holds no line of it and does not ship it: who wants it installs "
        "it, and `simulate/lava_backend/engine` imports it, unchanged."
    ),
    "nvidia-*": (
        "CUDA libraries, which torch brings where it is built for CUDA: proprietary, "
        "free to use. Not there with torch for CPUs."
    ),
}
"""packages that are under another license, and why that may be"""
BESIDE = {"lava-nc": "lava"}
"""what an extra needs and cannot declare: its metadata ask for Python 3.10"""
NOT_INSTALLED = {"datasets": "Apache-2.0"}
"""declared, but no test needs it: as the metadata of datasets 5.2.0 have it"""
_SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Other/Proprietary License": "",
    "Python Software Foundation License": "PSF-2.0",
}
"""what metadata say -> SPDX"""
_HEAD = """\
# Licenses of what spikewright stands on

`docs/make_licenses.py` makes this page of the metadata of the installed packages;
`tests/test_licenses.py` fails if a declared one is missing here, or if any is under a
license that is not allowed. spikewright itself is under [Apache-2.0](../LICENSE).

Allowed: {allowed}.
"""


def declared() -> dict[str, str]:
    """Return the packages that pyproject.toml names, and by what they are asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = {_name(each): "spikewright" for each in project["dependencies"]}
    for extra, lines in project["optional-dependencies"].items():
        for each in lines:
            found.setdefault(_name(each), extra)
    return {**found, **BESIDE}


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def brought() -> dict[str, list[str]]:
    """Return the installed packages that declared ones bring, and who asks for them."""
    first = declared()
    found: dict[str, list[str]] = defaultdict(list)
    waiting, seen = list(first), set(first)
    while waiting:
        name = waiting.pop()
        for other in _needs(name):
            if other not in first:
                found[other].append(name)
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return {name: sorted(found[name]) for name in sorted(found) if _installed(name)}


def _needs(name: str) -> Iterator[str]:
    found = None if name in BESIDE else _installed(name)
    for line in (found and found.requires) or []:
        each = Requirement(line)
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            yield canonicalize_name(each.name)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def license_of(name: str) -> str:
    """Return the license of a package as an SPDX expression; empty if none is told."""
    found = _installed(name)
    if found is None:
        return NOT_INSTALLED.get(name, "")
    if expression := found.metadata.get("License-Expression"):
        return expression
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in found.metadata.get_all("Classifier", [])
        if each.startswith("License :: ")
    ]
    text = (found.metadata.get("License") or "").strip().partition("\n")[0]
    told = [_SPELLINGS.get(each, each) for each in classifiers]
    own = _SPELLINGS.get(text, text)
    if not told or (told == ["BSD"] and own.startswith("BSD-")):
        return own
    return " AND ".join(each for each in told if each)


def is_allowed(name: str, license_: str) -> bool:
    """Say whether a package may be used: by its license, or because it is explained."""
    if explained(name):
        return True
    parts = re.split(r" AND | OR ", license_.replace("(", "").replace(")", ""))
    return all(part.partition(" WITH ")[0] in ALLOWED for part in parts)


def explained(name: str) -> str:
    """Return the key of `EXPLAINED` that a package falls under; empty if none."""
    keys = (key for key in EXPLAINED if re.fullmatch(key.replace("*", ".*"), name))
    return next(keys, "")


def licenses_page() -> str:
    """Return the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD.format(allowed=", ".join(sorted(ALLOWED)))
    yield from ("## Declared", "", "| package | license | for |", "| --- | --- | --- |")
    yield from (_row(name, what) for name, what in sorted(declared().items()))
    yield from ("", "`for`: spikewright itself, or an extra of it.", "")
    yield from ("## Brought by these", "", "| package | license | by |")
    yield "| --- | --- | --- |"
    yield from (_row(name, _few(who)) for name, who in brought().items())
    yield from ("", "## Not permissive, and why it may be", "")
    yield from (f"- {name}: {why}" for name, why in EXPLAINED.items())
    yield ""


def _row(name: str, why: str) -> str:
    return f"| {name} | {license_of(name)} | {why} |"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


if __name__ == "__main__":
    PAGE.write_text(licenses_page(), encoding="utf-8")
