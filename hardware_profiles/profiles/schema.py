"""A JSON Schema of profiles for editors, made of the dataclasses that read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Literal, TypeAlias, get_args, get_origin, get_type_hints

from spikewright.hardware_profiles.profiles.constant import UNITS, Constant
from spikewright.hardware_profiles.profiles.reading import HEAD
from spikewright.hardware_profiles.profiles.sections import NAMED, SECTIONS

Schema: TypeAlias = dict[str, object]

DRAFT = "http://json-schema.org/draft-07/schema#"
FIELDS: Mapping[str, str] = {
    "value": "in SI units, never negative",
    "unit": "of value, low and high; each key takes one unit only",
    "kind": "how the number was found; unstated: its source does not say",
    "statistic": "what one more event costs; all over all events at one point of work; "
    "the least or the most that was published; unstated: its source does not say",
    "evidence": "primary: the source was read; quoted: a third party quotes it with "
    "page and table; reviewed: a peer-reviewed third party prints it; secondary: any "
    "other third party; assumed: by the author of this profile",
    "source": "where the number is from, so that it can be found again",
    "includes": "what the number includes; a total that has a term twice is refused",
    "low": "lower end of the published range; none below a published minimum",
    "high": "upper end of the published range; none above a published maximum",
    "node": "process, if it is not that of the profile",
    "supply_v": "supply in volts; absent: its source does not say",
    "table": "table, figure or page of the source",
    "quote": "words of the source",
}
"""field of `Constant` -> what it says"""
TOP: Mapping[str, str] = {
    "title": "one line for lists",
    "node": "process and supply voltage",
    "notes": "what was decided, and what to keep in mind",
    "unknown": "what nobody publishes and is absent, as `what: why`",
    "arithmetics": "joules by operation, by arithmetic; arithmetics are alternatives",
    "memories": "joules a bit of read and write, bits of capacity, by memory",
    "power": "watts that add up, whatever happens; per_hertz for each hertz of clock",
    "time": "seconds by operation, of barriers, and of the shortest step",
    "tasks": "joules of a whole task, in which operations have no price",
}
"""key at the top of a profile -> what it says"""
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
"""not blank"""


def profile_schema() -> Schema:
    """Return the JSON Schema (draft 7) of a profile."""
    properties = {key: _described(_head(key), TOP[key]) for key in HEAD}
    properties |= {key: _described(_section(key), TOP[key]) for key in SECTIONS}
    return {
        "$schema": DRAFT,
        "title": "spikewright hardware profile",
        **_closed(properties, HEAD),
        "definitions": {
            "constant": _constant(),
            **{_name(unit): _of_unit(unit) for unit in UNITS if unit != "1"},
        },
    }


def schema_text() -> str:
    """Return the JSON Schema of a profile as a file has it."""
    return json.dumps(profile_schema(), indent=2) + "\n"


def _head(key: str) -> Schema:
    return _TEXT if key in ("title", "node") else {"type": "array", "items": _TEXT}


def _section(section: str) -> Schema:
    units = SECTIONS[section]
    if isinstance(units, str):
        return {"type": "object", "additionalProperties": _ref(_name(units))}
    keys = _closed({key: _ref(_name(unit)) for key, unit in units.items()}, ())
    if section not in NAMED:
        return keys
    return {"type": "object", "additionalProperties": {**keys, "minProperties": 1}}


def _constant() -> Schema:
    hints = get_type_hints(Constant)
    properties = {
        each.name: _described(_type(hints[each.name]), FIELDS[each.name])
        for each in fields(Constant)
    }
    return _closed(properties, _required())


def _required() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Constant) if each.default is MISSING)


def _type(hint: object) -> Schema:
    """Return the schema of a type of a field."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0]), "uniqueItems": True}
    if origin is UnionType:
        return _type(arguments[0])
    return {"type": "number", "minimum": 0} if hint is float else _TEXT


def _of_unit(unit: str) -> Schema:
    return {"allOf": [_ref("constant"), {"properties": {"unit": {"const": unit}}}]}


def _name(unit: str) -> str:
    return "constant_" + unit.replace("/", "_per_")


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _closed(properties: Mapping[str, object], required: tuple[str, ...]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
    }


def _described(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema}
