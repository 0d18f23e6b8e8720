"""TOML that Python reads and the standard does not."""

from __future__ import annotations

import pytest

from spikewright.train.settings.toml_text import parse_toml


def test_reads_numbers_of_64_bits() -> None:
    text = f"a = {2**63 - 1}\nb = [{-(2**63)}]\n"
    assert parse_toml(text) == {"a": 2**63 - 1, "b": [-(2**63)]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a = {2**63}", "a is a whole number of more than 64 bits"),
        ("a = 0x" + "f" * 5000, "a is a whole number of more than 64 bits"),
        (f"[t]\nb = [[{10**400}]]", "b is a whole number of more than 64 bits"),
        ("a = " + "[" * 5000, "too deep"),
        ("a = 1 1", "line 1"),
    ],
)
def test_refuses_all_else_as_a_value_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_toml(text)
