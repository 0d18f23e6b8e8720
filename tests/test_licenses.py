"""What spikewright stands on is listed, and may be used."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (?!package |-)([\w.-]+) \| ([^|]+) \|", flags=re.MULTILINE)
ROWS = dict(_ROW.findall(PAGE))
"""package -> license, as the page has them"""


def _load() -> ModuleType:
    spec = spec_from_file_location("make_licenses", ROOT / "docs" / "make_licenses.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LICENSES = _load()
DECLARED: dict[str, str] = LICENSES.declared()


@pytest.mark.parametrize("name", DECLARED)
def test_every_declared_package_is_listed_as_its_metadata_say(name: str) -> None:
    assert name in ROWS, "run: python docs/make_licenses.py"
    if LICENSES.license_of(name):  # else it is not installed here
        assert ROWS[name] == LICENSES.license_of(name)


def test_every_listed_license_is_allowed() -> None:
    assert len(ROWS) > len(DECLARED)
    assert {k: v for k, v in ROWS.items() if not LICENSES.is_allowed(k, v)} == {}


def test_whatever_else_is_installed_is_allowed_too() -> None:
    brought = LICENSES.brought()
    licenses = {name: LICENSES.license_of(name) for name in brought}
    assert len(licenses) > 10
    refused = {k: v for k, v in licenses.items() if not LICENSES.is_allowed(k, v)}
    assert refused == {}


@pytest.mark.parametrize(
    "license_",
    ["", "GPL-3.0-only", "AGPL-3.0", "MIT AND GPL-2.0", "LGPL-2.1-or-later", "UNKNOWN"],
)
def test_other_licenses_are_refused(license_: str) -> None:
    assert not LICENSES.is_allowed("a-package", license_)


def test_what_is_not_permissive_is_explained_by_name() -> None:
    assert LICENSES.is_allowed("lava-nc", "BSD AND LGPL-2.1-or-later")
    assert not LICENSES.is_allowed("lava-nc-2", "LGPL-2.1-or-later")
    assert LICENSES.explained("nvidia-cublas-cu12") == "nvidia-*"
    for name, why in LICENSES.EXPLAINED.items():
        assert f"- {name}: {why}" in PAGE
