"""docs/validation.md lists every difference to other counters, and no other."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = (TESTS.parent / "docs" / "validation.md").read_text(encoding="utf-8")
DIFFERENCES = TESTS / "conformance" / "test_counts_differ.py"


def test_each_difference_has_its_line() -> None:
    tree = ast.parse(DIFFERENCES.read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    tests = [each.name for each in functions if each.name.startswith("test_")]
    listed = re.findall(r"`(test_\w+)`", DOCUMENT)
    assert sorted(listed) == sorted(tests)


def test_files_that_it_names_exist() -> None:
    named = re.findall(r"tests/[\w/]+\.py", DOCUMENT)
    assert len(named) == 5
    for each in named:
        assert (TESTS.parent / each).is_file(), each


def test_versions_are_the_pinned_ones() -> None:
    pins = (TESTS.parent / "requirements-conformance.txt").read_text(encoding="utf-8")
    for name, version in re.findall(r"(\w+) (\d+\.\d+\.\d+)", DOCUMENT):
        if name != "syops":
            assert f"{name.lower()}=={version}\n" in pins
