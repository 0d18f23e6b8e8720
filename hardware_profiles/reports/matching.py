"""Whether a JSON document is a report of a run, as its schema says.

Knows the words of JSON Schema that `schema` uses. What a schema does not name is let
pass: a newer report may have more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from spikewright.errors import InputError
from spikewright.hardware_profiles.reports.schema import report_schema

_Schema = Mapping[str, Any]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2**1023 and math.isfinite(value)


_TYPES: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        "string": lambda x: isinstance(x, str),
        "boolean": lambda x: isinstance(x, bool),
        "integer": lambda x: isinstance(x, int) and not isinstance(x, bool),
        "number": _is_number,
        "object": lambda x: isinstance(x, dict),
        "array": lambda x: isinstance(x, list),
        "null": lambda x: x is None,
    }
)


def check_run_report(document: Mapping[str, Any]) -> None:
    """Check the JSON form of a report of a run.

    Raises:
        InputError: something is missing or of another type; says where.
    """
    schema = report_schema()
    definitions, forms = schema["definitions"], schema["oneOf"]
    assert isinstance(definitions, dict)  # noqa: S101 - report_schema made them
    assert isinstance(forms, list)  # noqa: S101
    for fault in _faults(document, forms[0], definitions, "the report"):
        raise InputError(
            f"not a whole report: {fault}; write it again with `spikewright report`"
        )


def _faults(value: Any, schema: _Schema, known: _Schema, at: str) -> Iterator[str]:
    """Yield what is wrong, outermost first."""
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        ways = [list(_faults(value, each, known, at)) for each in schema["oneOf"]]
        if all(ways):
            yield ways[0][0]
        return
    wanted = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if wanted is not None and value not in wanted:
        yield f"{at} is {value!r:.40}, not {' or '.join(map(repr, wanted))}"
        return
    kind = schema.get("type")
    if kind and not _TYPES[kind](value):
        yield f"{at} is {value!r:.40}, no {kind}"
        return
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        yield f"{at} is {value!r:.40}, below {schema['minimum']}"
    yield from _inner_faults(value, schema, known, at)


def _inner_faults(
    value: Any, schema: _Schema, known: _Schema, at: str
) -> Iterator[str]:
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _faults(each, schema["items"], known, f"{at}[{index}]")
    if not isinstance(value, dict):
        return
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at} lacks {name}"
    own, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, each in value.items():
        if name in own:
            yield from _faults(each, own[name], known, f"{at}.{name[:40]}")
        elif isinstance(others, dict):
            yield from _faults(each, others, known, f"{at}.{name[:40]}")
