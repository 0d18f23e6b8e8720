"""Neurons whose potential can meet their threshold: there tools differ.

NIR fires above the threshold, SpikingJelly also at it. And where sums of decimal
fractions meet a threshold, rounding decides, in float32 otherwise than in float64.
Trained weights do not meet thresholds; numbers written by hand do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from spikewright import nodes as n
from spikewright.graph import Graph

Spiking: TypeAlias = n.LIF | n.IF | n.CubaLIF

_DENOMINATORS = np.array([*range(1, 1001), 1024, 2048, 4096])
_FEW = 64
"""so many numbers sort out nearly all denominators"""
_ROUNDING = 2e-7
"""of a number in float32"""
_MOST = 2**16
"""so many different numbers are not round"""
_FINEST = 4096
"""binary fractions down to this one add up exactly in float32, if they are not large"""


@dataclass(frozen=True)
class Tie:
    """A neuron whose potential can meet its threshold."""

    node: str
    is_exact: bool
    """all numbers are short binary fractions: no sum is rounded"""


def find_ties(graph: Graph, dt_s: float) -> Iterator[Tie]:
    """Find the neurons whose weights are multiples of a fraction of their threshold.

    Numbers that are multiples of 1/1000 of another, or of 1/4096, are taken for round;
    what lies between two layers of neurons is looked at node by node.
    """
    for name, node in graph.nodes.items():
        if isinstance(node, n.LIF | n.IF | n.CubaLIF):
            nearest, others = _numbers(graph, name)
            thresholds = _per_gain(node, dt_s)
            is_round = not np.all(thresholds) or (
                all(_is_round(each, 1.0) for each in others)
                and any(
                    all(_is_round(each, threshold) for each in nearest)
                    for threshold in thresholds
                )
            )
            if is_round:
                yield Tie(name, _is_exact(node, dt_s, [*nearest, *others]))


# --- what is added up ----------------------------------------------------------------


def _numbers(graph: Graph, name: str) -> tuple[list[n.FloatArray], list[n.FloatArray]]:
    """Return the numbers next to a neuron, and those further off, up to spikes."""
    nearest, others = list[n.FloatArray](), list[n.FloatArray]()
    waiting = [(edge.source, True) for edge in graph.into(name)]
    seen = set[tuple[str, bool]]()
    while waiting:
        source, is_near = waiting.pop()
        if (source, is_near) in seen:
            continue
        seen.add((source, is_near))
        node = graph.nodes[source]
        (nearest if is_near else others).extend(_values(node))
        if isinstance(node, n.MAPS):
            is_near = is_near and isinstance(node, n.Flatten)
            waiting += [(edge.source, is_near) for edge in graph.into(source)]
    return nearest, others


def _values(node: n.Node) -> list[n.FloatArray]:
    match node:
        case n.Affine(weight, bias) | n.Conv1d(weight, bias) | n.Conv2d(weight, bias):
            return [weight, bias]
        case n.Linear(weight):
            return [weight]
        case n.Scale(scale):
            return [scale]
        case n.AvgPool2d(_, kernel):
            return [np.array([1 / prod(kernel)])]
        case n.Flatten():
            return []
        case _:
            return [np.ones(1)]  # spikes, and sums of them


# --- and what it is compared with ----------------------------------------------------


def _factors(node: Spiking, dt_s: float) -> tuple[n.FloatArray, list[n.FloatArray]]:
    """Return the gain of the input per step, and the decays."""
    match node:
        case n.LIF(tau_s, r):
            return r * dt_s / tau_s, [1 - dt_s / tau_s]
        case n.IF(r):
            return r * dt_s, []
        case n.CubaLIF(tau_syn_s, tau_mem_s, r, w_in=w_in):
            gain = w_in * dt_s / tau_syn_s * (r * dt_s / tau_mem_s)
            return gain, [1 - dt_s / tau_syn_s, 1 - dt_s / tau_mem_s]


def _per_gain(node: Spiking, dt_s: float) -> n.FloatArray:
    """Return a few of the thresholds, in units of the weighted input."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        units = node.v_threshold / _factors(node, dt_s)[0]
    return np.unique(units[np.isfinite(units)])[:4]


def _is_round(values: n.FloatArray, unit: float) -> bool:
    """Whether all are multiples of a fraction of `unit` that is not too small."""
    flat = values.ravel() / unit
    left = _multiples(flat[:: -(-flat.size // _FEW) or 1], _DENOMINATORS)
    if not left.size:
        return False
    different = np.unique(flat)
    return different.size <= _MOST and any(
        _multiples(different, left[i : i + 1]).size for i in range(left.size)
    )


def _multiples(values: n.FloatArray, denominators: n.IntArray) -> n.IntArray:
    """Return the denominators of which all values have a whole number."""
    scaled = values[:, None] * denominators
    error = np.abs(scaled - np.rint(scaled))
    fits = np.all(error <= _ROUNDING * np.maximum(1, np.abs(scaled)), axis=0)
    return denominators[fits]


def _is_exact(node: Spiking, dt_s: float, numbers: list[n.FloatArray]) -> bool:
    gain, decays = _factors(node, dt_s)
    if np.any(np.frexp(_snapped(gain))[0] != 0.5):
        return False  # not a power of two
    values = [*numbers, *map(_snapped, decays), node.v_threshold]
    scaled = np.concatenate([each.ravel() for each in values]) * _FINEST
    return bool(np.all(scaled == np.rint(scaled)))


def _snapped(values: n.FloatArray) -> n.FloatArray:
    """Take off the rounding of a quotient such as 1 - dt / tau."""
    scaled = values * 2.0**40
    rounded: n.FloatArray = np.rint(scaled) / 2.0**40
    return rounded
