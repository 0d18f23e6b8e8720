"""Nothing is charged twice: what constants include, against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TypeAlias

from spikewright.hardware_profiles.profiles.constant import Constants, Term
from spikewright.hardware_profiles.profiles.errors import FieldError

Charges: TypeAlias = Iterable[tuple[str, Iterable[Term]]]
"""what is charged for -> what its constant includes"""

GROUPS: Mapping[str, str] = {
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
IS_WHAT: Mapping[str, Term] = {
    "updates_active": "active updates",
    "updates_inactive": "inactive updates",
    "residual_additions": "residual additions",
    "bias_additions": "bias additions",
    "weight_bits_read": "weight access",
    "state_bits_read": "state access",
    "state_bits_written": "state access",
    "activation_bits_read": "activation access",
    "activation_bits_written": "activation access",
    "packets": "routing within a tile",
    "hops_ew": "routing between tiles",
    "hops_ns": "routing between tiles",
    "barriers": "synchronization",
}
"""what an operation is, whatever its constant says it includes: with a price of its
own it is charged twice if another constant includes it, without one it is in there"""
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
        shared = set(terms) & set(others) if _group(one) != _group(two) else set()
        if IS_WHAT.get(one) != IS_WHAT.get(two):
            shared |= {*terms} & {IS_WHAT.get(two)} | {*others} & {IS_WHAT.get(one)}
        if shared := shared - {"arithmetic"}:
            raise FieldError(
                (*path, two),
                f": {one} and {two} both include {', '.join(sorted(shared))}, "
                "which would be charged twice; keep it in one of them",
            )


def _group(operation: str) -> str:
    return GROUPS.get(operation, operation)
