"""Plain documents, JSON or TOML: changed at a place, then written."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from random import Random
from typing import Any

from mutate import damage, plain_values, texts

Keys = tuple[Any, ...]


def changed(dice: Random, document: Any) -> Any:
    """Return a document after one to three changes."""
    made = copy.deepcopy(document)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        made = _change(dice, made)
    return made


def _change(dice: Random, made: Any) -> Any:
    places = list(_places(made, ()))
    if not places:
        return dice.choice(plain_values())
    *way, key = dice.choice(places)
    holder = made
    for each in way:
        holder = holder[each]
    dice.choice(_CHANGES)(dice, holder, key, made)
    return made


def _places(value: Any, way: Keys) -> Any:
    """Yield the way to each value; of long lists the first few."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))[:6]
    else:
        return
    for key, each in inner:
        yield (*way, key)
        yield from _places(each, (*way, key))


def _put(dice: Random, holder: Any, key: Any, made: Any) -> None:
    holder[key] = copy.deepcopy(dice.choice(plain_values()))


def _remove(dice: Random, holder: Any, key: Any, made: Any) -> None:
    del holder[key]


def _nudge(dice: Random, holder: Any, key: Any, made: Any) -> None:
    """Leave the type as it is, and nearly the value."""
    value = holder[key]
    if isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int):
        holder[key] = dice.choice((value + 1, value - 1, -value, 2 * value, 0, 10**9))
    elif isinstance(value, float):
        tiny = value * 1e-200
        holder[key] = dice.choice((-value, value * 1e10, tiny, 0.0, math.nan, math.inf))
    elif isinstance(value, str):
        place = dice.randrange(len(value) + 1)
        holder[key] = value[:place] + dice.choice(texts()) + value[place:]
    elif isinstance(value, list):
        holder[key] = dice.choice((value * 2, value[:-1], value[::-1], value * 1000))
    elif isinstance(value, dict):
        holder[key] = dict(reversed(value.items()))


def _swap(dice: Random, holder: Any, key: Any, made: Any) -> None:
    """Put what stands at another place here."""
    *way, last = dice.choice(list(_places(made, ())))
    other = made
    for each in way:
        other = other[each]
    holder[key] = copy.deepcopy(other[last])


def _add(dice: Random, holder: Any, key: Any, made: Any) -> None:
    value = copy.deepcopy(dice.choice(plain_values()))
    if isinstance(holder, dict):
        holder[dice.choice((*texts()[:60], *map(str, holder)))] = value
    else:
        holder.insert(key, value)


def _rename(dice: Random, holder: Any, key: Any, made: Any) -> None:
    if isinstance(holder, dict):
        holder[dice.choice(texts())] = holder.pop(key)
    else:
        holder.append(holder[key])


def _wrap(dice: Random, holder: Any, key: Any, made: Any) -> None:
    value: Any = holder[key]
    for _ in range(dice.choice((1, 1, 2, 50))):
        value = [value]
    holder[key] = value


_CHANGES = (_put, _put, _remove, _nudge, _nudge, _swap, _add, _rename, _wrap)

# --- files ---------------------------------------------------------------------------

_DEEP = ("[" * 100_000, '{"a":' * 100_000, "[[" * 40 + "]]" * 40, "x = " + "[" * 5000)


def json_file(dice: Random, document: Any) -> bytes:
    """Return a JSON file, changed in what it says or in its bytes."""
    made = changed(dice, document) if dice.random() < 0.8 else document
    content = json.dumps(made, default=str).encode("utf-8", "surrogatepass")
    return _broken(dice, content)


def toml_file(dice: Random, document: Mapping[str, Any]) -> bytes:
    """Return a TOML file, changed in what it says or in its bytes."""
    made = changed(dice, document) if dice.random() < 0.85 else document
    if not isinstance(made, dict):
        made = {"x": made}
    lines = [f"{_text(str(k))} = {to_toml(v)}\n" for k, v in made.items()]
    return _broken(dice, "".join(lines).encode("utf-8", "surrogatepass"))


def _broken(dice: Random, content: bytes) -> bytes:
    chance = dice.random()
    if chance < 0.15:
        return damage(dice, content, [content])
    if chance < 0.17:
        return dice.choice(_DEEP).encode()
    if chance < 0.19:
        return dice.choice((b"", b"\xff\xfe", b"\xef\xbb\xbf" + content, b"\0" * 99))
    return content


def to_toml(value: Any) -> str:  # noqa: PLR0911
    """Return a value as TOML has it, tables in one line."""
    match value:
        case None:
            return '""'
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case list():
            return f"[{', '.join(map(to_toml, value))}]"
        case dict():
            inner = (f"{_text(str(k))} = {to_toml(v)}" for k, v in value.items())
            return f"{{{', '.join(inner)}}}"
        case int() | float():
            return repr(value)
    return _text(str(value))


def _text(value: str) -> str:
    plain = json.dumps(value, ensure_ascii=False)
    return "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}" for c in plain)
