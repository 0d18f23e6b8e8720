"""docs/api.md is current, and what it lists is typed, documented and importable."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import spikewright as sw
from spikewright.homes import HOMES

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "make_api.py"


def _load() -> ModuleType:
    spec = spec_from_file_location("make_api", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = _load()
PUBLIC = [
    (module, name)
    for homes in (HOMES, MAKE.WITH_TORCH)
    for module, names in homes.items()
    for name in names
]
every_public_name = pytest.mark.parametrize(
    ("module", "name"), PUBLIC, ids=[name for _, name in PUBLIC]
)


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == MAKE.api_page(), "run: python docs/make_api.py"


def test_the_page_has_a_section_for_each_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    titles = re.findall(r"^### (\w+)$", page, flags=re.MULTILINE)
    assert sorted(titles) == sorted(name for _, name in PUBLIC)


def _statement(module: str, name: str) -> ast.stmt:
    found: ast.stmt = MAKE._find(f"spikewright.{module}", name)[1]
    return found


def _functions(node: ast.stmt) -> list[ast.FunctionDef]:
    """Return a function, or the public methods of a class and how it is made."""
    if isinstance(node, ast.FunctionDef):
        return [node]
    body = node.body if isinstance(node, ast.ClassDef) else []
    methods = [each for each in body if isinstance(each, ast.FunctionDef)]
    return [m for m in methods if not m.name.startswith("_") or m.name == "__init__"]


@every_public_name
def test_public_names_are_typed_and_documented(module: str, name: str) -> None:
    node = _statement(module, name)
    if isinstance(node, ast.ClassDef):
        assert ast.get_docstring(node), f"{name}: no docstring"
    for function in _functions(node):
        where = f"{name}, {function.name}"
        if function.name != "__init__":
            assert ast.get_docstring(function), f"{where}: no docstring"
        assert function.returns is not None, f"{where}: what does it return?"
        args = function.args
        for each in (*args.posonlyargs, *args.args, *args.kwonlyargs):
            if each.arg not in ("self", "cls"):
                assert each.annotation is not None, f"{where}: type of {each.arg}"


@every_public_name
def test_public_names_can_be_imported_as_the_page_says(module: str, name: str) -> None:
    assert hasattr(import_module(f"spikewright.{module}"), name)


# --- the maker -----------------------------------------------------------------------


def test_sections_of_a_docstring_become_lists() -> None:
    docstring = "Do it.\n\nArgs:\n    a: one,\n        and more.\n\nReturns:\n    All."
    made = "\n".join(MAKE._prose(docstring))
    assert "- `a`: one,\n  and more." in made
    assert "Returns:\n\nAll." in made


def test_a_long_signature_is_broken_and_still_python() -> None:
    source = "def f(a: int, *more: str, name_that_is_long: float = 1.5, other: str = "
    source += "'x', **rest: object) -> dict[str, tuple[int, ...]]: pass"
    (node,) = ast.parse(source).body
    made = MAKE._signature(node)
    assert made.count("\n") == 6  # five arguments, each on its line
    again = ast.parse(made + ": pass").body[0]
    assert ast.unparse(again) == ast.unparse(node)


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(LookupError, match=r"spikewright.graph does not define Graf"):
        MAKE._find("spikewright.graph", "Graf")


def test_the_example_of_the_package_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    decimal_graph: Callable[[int], sw.Graph],
) -> None:
    monkeypatch.chdir(tmp_path)
    sw.write_nir(decimal_graph(0), "student.nir")
    spikes = np.random.default_rng(0).random((2, 5, 6)) < 0.5
    np.savez("spikes.npz", inputs=spikes)
    lines = (sw.__doc__ or "").splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    "))
    # Lava's start takes seconds, and has tests of its own.
    exec(code.replace('"lava"', '"integer"'))  # noqa: S102 - our own docstring
    table, full = capsys.readouterr().out.split("Student, operations", maxsplit=1)
    # 11 173 822 464 MACs x 4.6 pJ
    assert "| total |" in table and "| 51.4 mJ |" in table
    assert "student / teacher = " in table
    assert "fits, 1 core, 1 chip" in full
