"""Lines of keys in TOML files of many layouts."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from spikewright.hardware_profiles.profiles.lines import find_line, key_lines
from spikewright.hardware_profiles.profiles.profile import list_profiles


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = 2\n", ("b",), 2),
        ("\n# a = 0\n\na = 1", ("a",), 4),
        ("  a   =   1  # b = 2\nb = 3", ("b",), 2),
        # tables
        ("[t]\na = 1\n[u]\na = 2", ("u", "a"), 4),
        ("[t]\na = 1\n[ t . u ] # x\na = 2", ("t", "u", "a"), 4),
        ("[t.u.v]\na = 1", ("t", "u"), 1),
        ("[[t]]\na = 1\n[[t]]\na = 2", ("t", "a"), 2),
        # dotted keys
        ("[t]\nu.v = 1\nu . w = 2", ("t", "u", "w"), 3),
        ("a.b.c = 1\na.b.d = 2\n", ("a", "b", "d"), 2),
        # quoted keys
        ('x = 1\n"a.b" = 2\na.b = 3', ("a.b",), 2),
        ('x = 1\n"a.b" = 2\na.b = 3', ("a", "b"), 3),
        ("[t.'u v']\n\n\"w\\u0020x\" = 2", ("t", "u v", "w x"), 3),
        ('["]"]\n"=" = 1\n"#" = 2', ("]", "#"), 3),
        ('"" = 1\n"\\"" = 2', ('"',), 2),
        # values that look like keys
        ('a = """\nb = 1\n[c]\n"""\nb = 2', ("b",), 5),
        ("a = '''\nb = 1\n'''\nb = 2", ("b",), 4),
        ('a = """x\\"""\nb = 1\n"""\nb = 2', ("b",), 4),
        ('a = """x"""""\nb = 2', ("b",), 2),
        ('a = "\\" # [c]"\nb = 2', ("b",), 2),
        ("a = 'C:\\'\nb = 2", ("b",), 2),
        # lists
        ("a = [\n  'b = 1', # ]\n  [2, 3],\n]\nb = 4", ("b",), 5),
        ("a = [1,\n# b = 1\n{ b = 2 },\n]\nb = 5", ("b",), 5),
        ("a = []\nb = [ ]\nc = 1", ("c",), 3),
        # inline tables
        ("a = 1\nt = { u = 1, v = { w = 2 } }\nx = 3", ("t", "v", "w"), 2),
        ("t = { u = [\n1,\n2], v.w = 4 }\nx = 3", ("t", "v", "w"), 3),
        ("t = {}\nx = 3", ("x",), 2),
        # bare values
        ("a = 1979-05-27 07:32:00Z\nb = +inf\nc = 0xff # 1\nd = true", ("d",), 4),
    ],
)
def test_a_key_is_found_at_its_line(
    text: str, path: tuple[str, ...], line: int
) -> None:
    tomllib.loads(text)  # the layout is TOML
    assert find_line(text, path) == line


def test_a_key_that_is_not_there_has_the_line_of_its_table() -> None:
    text = "a = 1\n\n[t.u]\nb = 2\n"
    assert find_line(text, ("t", "u", "missing")) == 3
    assert find_line(text, ("t", "u", "missing", "deeper")) == 3
    assert find_line(text, ("a", "inside")) == 1
    assert find_line(text, ("missing",)) == 1
    assert find_line(text, ()) == 1


def test_lines_end_as_files_of_windows_end_them(tmp_path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"a = 1\r\n[t]\r\nb = '''\r\nc = 1\r\n'''\r\nc = 2\r\n")
    assert find_line(path.read_text(encoding="utf-8"), ("t", "c")) == 6


def _paths(table: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(table, dict):
        return {path}
    inside = {p for key, value in table.items() for p in _paths(value, (*path, key))}
    return inside | ({path} if path else set())


@pytest.mark.parametrize("name", list_profiles())
def test_every_key_of_a_shipped_file_has_a_line_that_starts_with_it(name: str) -> None:
    place = files("spikewright.hardware_profiles") / f"{name}.toml"
    text = place.read_text(encoding="utf-8")
    rows, lines = text.splitlines(), key_lines(text)
    assert set(lines) == _paths(tomllib.loads(text))
    for path, line in lines.items():
        row = rows[line - 1]
        assert row.startswith((f"{path[-1]} = ", f"[{'.'.join(path)}")), path
