"""Nothing is charged twice: what constants include, against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TypeAlias

from spikewright.hardware_profiles.constant import Constants, Term
from spikewright.hardware_profiles.profile_errors import FieldError

Charges: TypeAlias = Iterable[tuple[str, Iterable[Term]]]
"""what is charged for -> what its constant includes"""

_GROUPS: Mapping[str, str] = {
    "synops": "layers",
    "synops_zero": "layers",
    "graded_synops": "layers",
    "graded_levels": "layers",
    "macs": "layers",
    "residual_additions": "layers",
    "bias_additions": "layers",
    "norm_elements": "layers",
    "exp_elements": "layers",
    "divisions": "layers",
    "lookups": "layers",
    "updates_active": "neuron updates",
    "updates_inactive": "neuron updates",
    "hops_ew": "hops",
    "hops_ns": "hops",
}
"""operations that share no event: a term priced in two groups is charged twice;
what is not in here is a group of its own"""
_ALTERNATIVES = ("graded_synops", "graded_levels")


def check_costs(path: tuple[str, ...], costs: Constants) -> None:
    """Refuse two groups of operations that both include the same term.

    The accumulation of a synapse and the arithmetic of a neuron are different work.

    Raises:
        ProfileError: as said, or one event has two prices.
    """
    if all(each in costs for each in _ALTERNATIVES):
        raise FieldError(
            (*path, _ALTERNATIVES[1]),
            f": {' and '.join(_ALTERNATIVES)} are two prices of one event; keep one",
        )
    check_charges(path, ((name, cost.includes) for name, cost in costs.items()))


def check_charges(path: tuple[str, ...], charges: Charges) -> None:
    """Refuse charges for the same term, unless they are of one group.

    Args:
        path: where they stand, for the error.
        charges: in a total.

    Raises:
        ProfileError: two include the same term, other than arithmetic.
    """
    for (one, terms), (two, others) in combinations(tuple(charges), 2):
        shared = (set(terms) & set(others)) - {"arithmetic"}
        if shared and _GROUPS.get(one, one) != _GROUPS.get(two, two):
            raise FieldError(
                (*path, two),
                f": {one} and {two} both include {', '.join(sorted(shared))}, "
                "which would be charged twice; keep it in one of them",
            )
