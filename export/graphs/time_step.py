"""The time step that a graph was made for, seen from its neurons."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spikewright import nodes as n
from spikewright.graph import Graph
from spikewright.values import FloatArray

LOOSE, FEW_DIGITS = 1e-6, 4
"""how far float32 moves a step, which people give with few digits"""
TIGHT = 1e-14


def deduce_dt_s(graph: Graph) -> float | None:
    """Return the step in seconds at which every neuron adds its input as it is.

    What discretizes to v = decay v + a has r = tau / dt, or 1 / dt if it never leaks;
    so have our exports, and those of snnTorch. A graph with r = 1 and one
    time constant may be anything, so it says nothing. This is a conclusion about how
    the file was written: show it, do not take it for what the user said.

    Returns:
        The step, or None if the neurons do not agree on one.
    """
    found = list(_steps(graph))
    if not found or not any(is_scaled for _, is_scaled in found):
        return None
    every = np.concatenate([steps for steps, _ in found])
    lowest, highest = float(every.min()), float(every.max())
    if not (0 < lowest <= highest < np.inf) or highest - lowest > LOOSE * lowest:
        return None
    return _shortest(float(np.median(every)))


def _steps(graph: Graph) -> Iterator[tuple[FloatArray, bool]]:
    """Yield the step that each neuron of a population says, and if any r is not 1."""
    for node in graph.nodes.values():
        match node:
            case n.LIF() | n.LI():
                times, r = node.tau_s, node.r
            case n.CubaLIF() | n.CubaLI():
                times, r = node.tau_mem_s, node.r
                yield _quotient(node.tau_syn_s, node.w_in), bool(np.any(node.w_in != 1))
            case n.IF() | n.I():
                times, r = np.ones(node.r.shape), node.r
            case _:
                continue
        yield _quotient(times, r), bool(np.any(r != 1))


def _quotient(times: FloatArray, gains: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = (times / gains).reshape(-1)
    return found


def _shortest(value: float) -> float:
    """Return the shortest number that the rounding of files explains."""
    for digits in range(1, 17):
        near = float(f"{value:.{digits}g}")
        if abs(near - value) <= (LOOSE if digits <= FEW_DIGITS else TIGHT) * value:
            return near
    return value
