"""Which known name was probably meant by an unknown one."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, empty if none is near.

    Case does not count, and the beginning of one single name is near enough.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only errors need it

    words = {each.lower(): each for each in known}
    near = get_close_matches(got.lower(), words, n=1)
    if not near and got:
        begun = [each for each in words if each.startswith(got.lower())]
        near = begun if len(begun) == 1 else []
    return f"; did you mean '{words[near[0]]}'?" if near else ""
