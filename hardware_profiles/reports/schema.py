"""A JSON Schema of the JSON form of reports, for those who read it by program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeAlias

from spikewright.counts import OperationCount
from spikewright.hardware_profiles.prices.breakdown import BYS
from spikewright.hardware_profiles.profiles.constant import EVIDENCE, Constant
from spikewright.hardware_profiles.profiles.schema import DRAFT
from spikewright.hardware_profiles.reports.report import SCHEMA

Schema: TypeAlias = dict[str, object]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_FLAG: Schema = {"type": "boolean"}
_NONE: Mapping[str, Schema] = {}
UNITS = ("J", "1", "s", "1/s", "J s", "MAC", "FLOP", "operation", "byte")
"""of figures"""


def report_schema() -> Schema:
    """Return the JSON Schema (draft 7) of a report of a run or of a teacher alone."""
    common: dict[str, Schema] = {
        "schema": {"const": SCHEMA},
        "heading": _TEXT,
        "samples": _WHOLE,
        "teacher": _ref("teacher"),
        "gaps": _list(_TEXT),
        "profiles": _list(
            _closed({"name": _TEXT, "title": _TEXT, "why_no_joules": _or_null(_TEXT)})
        ),
        "constants": _list(_ref("constant")),
        "figures": _list(_ref("figure")),
    }
    return {
        "$schema": DRAFT,
        "title": "spikewright report",
        "oneOf": [
            _with_others(_closed({**common, **_run()}), _later()),
            _with_others(_closed({**common, **_alone()})),
        ],
        "definitions": {
            "counts": _counts(),
            "constant": _constant(),
            "figure": _figure(),
            "line": _line(),
            "teacher": _teacher(),
            "side": _side(),
        },
    }


def schema_text() -> str:
    """Return the JSON Schema of a report as a file has it."""
    return json.dumps(report_schema(), indent=2) + "\n"


# --- parts ---------------------------------------------------------------------------


def _with_others(report: Schema, others: Mapping[str, Schema] = _NONE) -> Schema:
    """Allow what need not be there.

    The command line adds versions, and the options of the command.
    """
    origin = {"versions": _map(_TEXT), "config": {"type": "object"}}
    properties = report["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - `_closed` made it
    return {**report, "properties": {**properties, **origin, **others}}


def _run() -> dict[str, Schema]:
    by_node = _map(_ref("counts"))
    return {
        "steps": _WHOLE,
        "draw": _closed({"seed": {"type": "integer"}, "draws": _WHOLE}),
        "student": _closed(
            {
                "name": _TEXT,
                "counts": by_node,
                "padding": by_node,
                "peaks": _map(_map(_WHOLE)),
                "uncounted": _list(_what_and_why()),
                "idle_updates": _WHOLE,
            }
        ),
        "capacity": _map(
            _closed(
                {
                    "fits": _FLAG,
                    "says": _TEXT,
                    "cores": _or_null(_WHOLE),
                    "chips": _or_null(_WHOLE),
                    "violations": _list(_TEXT),
                }
            )
        ),
        "breakdown": _map(
            _closed(
                {
                    "by": {"enum": list(BYS)},
                    "samples": _WHOLE,
                    "parts": by_node,
                    "within": by_node,
                }
            )
        ),
        "comparisons": _list(_comparison()),
        "left_out": _list(_TEXT),
    }


def _later() -> dict[str, Schema]:
    """Return what older reports lack."""
    early_exit = _closed(
        {
            "against": {"enum": ["labels", "last step"]},
            "samples": _WHOLE,
            "right": _list(_WHOLE),
            "depth": _WHOLE,
            "energy_j": _map(_list(_NUMBER)),
        }
    )
    return {"early_exit": _or_null(early_exit)}


def _comparison() -> Schema:
    outcome = {"baseline": _TEXT, "no_rate_wins": _FLAG, "wins": _FLAG}
    swing = {"places": _list(_TEXT), "at_low": _NUMBER, "at_high": _NUMBER}
    line = {name: _NUMBER for name in ("fixed_j", "slope_j", "shared_j", "measured")}
    found = _closed(
        {
            "profile": _TEXT,
            "accounting": _TEXT,
            "choices": _list(_TEXT),
            "student": _ref("side"),
            "teacher": _closed({"format": _TEXT, **_side_fields()}),
            "teacher_choices": _list(_TEXT),
            "is_elsewhere": _FLAG,
            "ratio": _or_null(_NUMBER),
            "why_no_break_even": _TEXT,
            "break_even": _map(_closed(outcome)),
            "tornado": _list(_closed(swing)),
        }
    )
    properties = found["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - `_closed` made it
    later: dict[str, Schema] = {  # which older reports lack
        "rate_line": _or_null(_closed({**line, "steps": _WHOLE})),
        "caveats": _list(_TEXT),
    }
    return {**found, "properties": {**properties, **later}}


def _alone() -> dict[str, Schema]:
    priced = {"name": _TEXT, "choices": _list(_TEXT), "teacher": _ref("side")}
    return {"tokens": _WHOLE, "comparisons": _list(_closed(priced))}


def _side() -> Schema:
    return _closed(_side_fields())


def _side_fields() -> dict[str, Schema]:
    missing = {"term": _TEXT, "operation": _TEXT, "why": _TEXT}
    return {
        "profile": _TEXT,
        "arithmetic": _TEXT,
        "evidence": {"enum": [*EVIDENCE, None]},
        "is_lower_bound": _FLAG,
        "is_partial": _FLAG,
        "disabled": _list(_TEXT),
        "missing": _list(_closed(missing)),
        "outside": _list(_closed(missing)),
    }


def _teacher() -> Schema:
    return _closed(
        {
            "name": _TEXT,
            "sentences": _WHOLE,
            "mean_tokens": _NUMBER,
            "counts": _map(_ref("counts")),
            "macs_by_type": _map(_WHOLE),
            "parameter_bits": _WHOLE,
            "assumptions": _list(_TEXT),
            "uncounted": _list(_what_and_why()),
        }
    )


def _counts() -> Schema:
    """Return counts of all samples together; what did not happen is left out."""
    own = {field.name: _WHOLE for field in fields(OperationCount)}
    return {"type": "object", "properties": own, "additionalProperties": False}


def _figure() -> Schema:
    return _closed(
        {
            "name": _TEXT,
            "title": _TEXT,
            "unit": {"enum": list(UNITS)},
            "value": _or_null(_NUMBER),
            "samples": _WHOLE,
            "lines": _list(_ref("line")),
            "because": _list(_TEXT),
            "of": _list(_TEXT),
        }
    )


def _line() -> Schema:
    factor = {"value": _NUMBER, "meaning": _TEXT}
    return _closed(
        {
            "operation": _TEXT,
            "count": {"type": "number", "minimum": 0},
            "factors": _list(_closed(factor)),
            "constant": _WHOLE,
            "place": _TEXT,
            "energy_j": _NUMBER,
        }
    )


def _constant() -> Schema:
    """Return a constant as `asdict` writes it."""
    known: dict[str, Schema] = {
        "value": _NUMBER,
        "low": _or_null(_NUMBER),
        "high": _or_null(_NUMBER),
        "supply_v": _or_null(_NUMBER),
        "includes": _list(_TEXT),
    }
    return _closed(
        {each.name: known.get(each.name, _TEXT) for each in fields(Constant)}
    )


def _what_and_why() -> Schema:
    return _closed({"what": _TEXT, "why": _TEXT})


# --- words of JSON Schema ------------------------------------------------------------


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _or_null(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "null"}]}


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
