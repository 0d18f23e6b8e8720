"""What a student costs that is stopped after fewer steps than it ran.

A network that is stopped after step t has done exactly what the longer run did until
then. So the counts of steps 1 to t, priced as the whole run is, are what a run of T = t
costs: its static energy is that of a shorter time, and its fullest step one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from spikewright.counting import nodes_of_rows
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.hardware_profiles.prices.full_comparison import (
    CountedRun,
    FullComparison,
)
from spikewright.hardware_profiles.prices.full_energy import FullEnergy, full_energy
from spikewright.hardware_profiles.prices.latency import Load, estimate_latency
from spikewright.nodes import IntArray
from spikewright.run_counts import RunCounts

ByStep = Mapping[str, IntArray]
"""field of `OperationCount` -> (steps,)"""


def energy_until(counted: CountedRun, full: FullComparison) -> tuple[FullEnergy, ...]:
    """Price a student as if it had been run for 1 step, for 2, …, for all.

    Args:
        counted: the whole run.
        full: what it costs on one profile, by one accounting.

    Raises:
        InputError: the accounting shares reads of weights among the steps of a run by
            its spike rate, so that parts of a run have no price of their own.
    """
    if full.accounting.temporal_reuse:
        raise InputError(
            f"accounting {full.accounting.name} shares reads of weights among the "
            "steps of a run by its spike rate"
        )
    run = counted.counts(full.profile.name)
    sums, nodes = _sums_until(run), nodes_of_rows(counted.graph)
    peaks = {each.name: _peaks_until(run, nodes[each.name]) for each in full.loads}
    return tuple(
        full_energy(
            replace(
                full.student.work,
                counts={"run": _at(sums, step)},
                steps=step,
                latency_s=_latency_s(counted, full, peaks, step),
            ),
            full.profile,
            full.student.arithmetic,
            full.accounting,
        )
        for step in range(1, run.steps + 1)
    )


def _sums_until(run: RunCounts) -> ByStep:
    """Add up all nodes and samples, and all steps up to each."""
    sums = {"barriers": run.barriers.sum(axis=0)}
    for name in run.counts:
        for key, values in run.by_step(name).items():
            sums[key] = sums[key] + values if key in sums else values
    return {key: values.cumsum() for key, values in sums.items()}


def _peaks_until(run: RunCounts, nodes: list[str]) -> ByStep:
    """Return the most of one step among all up to each."""
    return {
        key: np.maximum.accumulate(each) for key, each in run.fullest(nodes).items()
    }


def _at(until: ByStep, step: int) -> OperationCount:
    return OperationCount(**{key: int(each[step - 1]) for key, each in until.items()})


def _latency_s(
    counted: CountedRun, full: FullComparison, peaks: Mapping[str, ByStep], step: int
) -> float | None:
    if full.latency is None:
        return None
    loads = [Load(x.name, _at(peaks[x.name], step), x.cores) for x in full.loads]
    return estimate_latency(
        loads,
        full.profile,
        steps=step,
        depth=max(counted.graph.arrival.values(), default=0),
        chips=full.student.work.chips,
    ).sample_s
