"""Hardware without a profile, because nobody publishes what it would need."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NO_EVENT = (
    "no energy per event can be verified; the values that circulate carry no source"
)
_NOT_CHECKED = (
    "the peak and the power that circulate have not been checked against a data sheet"
)
ABSENT: Mapping[str, str] = MappingProxyType(
    {
        "akida": _NO_EVENT,
        "brainscales2": _NO_EVENT,
        "cmos28": "no table of operations at 28 nm was found; use a chip of that node, "
        "odin or truenorth",
        "dynapse": _NO_EVENT,
        "h100_sxm": f"{_NOT_CHECKED}; h100_pcie is another board",
        "speck": _NO_EVENT,
        "v100": _NOT_CHECKED,
    }
)
"""name -> why there is no profile"""


def why_absent(name: str) -> str | None:
    """Say why hardware has no profile, None if nothing is known of it.

    Case, blanks, `-` and `_` make no difference.
    """
    return {_plain(each): why for each, why in ABSENT.items()}.get(_plain(name))


def _plain(name: str) -> str:
    return "".join(each for each in name.lower() if each.isalnum())
