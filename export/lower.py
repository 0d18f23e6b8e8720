"""The pipeline, written out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from spikewright.errors import GraphError
from spikewright.export.passes.align import align_weights
from spikewright.export.passes.balance import balance_delays
from spikewright.export.passes.discretize import discretize
from spikewright.export.passes.fold import fold_connections
from spikewright.export.passes.quantize import quantize
from spikewright.export.passes.relay import relay_long_delays
from spikewright.export.passes.rounding import DEFAULT, Quantization
from spikewright.export.passes.soft_reset import merge_soft_resets
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.fit import place_or_refuse
from spikewright.hardware_profiles.profiles.profile import HardwareProfile

Pass = Callable[[Graph], Graph]


@dataclass(frozen=True)
class PassRecord:
    """One line of the lowering log."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Lowering:
    """A lowered graph, and how it came about."""

    graph: Graph
    log: tuple[PassRecord, ...]


def lower(
    graph: Graph,
    profile: HardwareProfile | None = None,
    *,
    dt_s: float,
    to: Stage = Stage.QUANTIZED,
    quantization: Quantization | Callable[[Graph], Quantization] = DEFAULT,
    weight_bits: int | None = None,
    after_pass: Callable[[str, Graph], None] = lambda name, graph: None,
) -> Lowering:
    """Lower `graph`, pass by pass, until it is at stage `to`.

    Args:
        graph: what `read_nir` returned; CONTINUOUS.
        profile: of the chip that the integers must fit; without one, fit is not asked.
        dt_s: length of one time step, in seconds.
        to: TIMED for float arithmetic, QUANTIZED for Loihi's integers; DISCRETE is
            what the reference executor runs as the judge of both.
        quantization: how to choose integers, or what says so when it has the TIMED
            graph, as a calibration must.
        weight_bits: of a weight, 1 to 8, instead of what `quantization` says.
        after_pass: called with each pass's name and result, to dump or to verify.

    Raises:
        GraphError: a pass cannot express a node; says which, and the cure. Or a
            profile is given, and `to` is not QUANTIZED: only integers are placed.
        InputError: `weight_bits` is none of 1 to 8.
        ProfileError: the limits of the profile's chip are not known.
        LimitsExceededError: the integers break limits of the chip.
    """
    _check_target(profile, to)
    if weight_bits is not None:
        Quantization(weight_bits=weight_bits)  # it refuses what is none
    passes: tuple[tuple[str, Stage, Pass], ...] = (
        ("discretize", Stage.DISCRETE, partial(discretize, dt_s=dt_s)),
        ("merge_soft_resets", Stage.DISCRETE, merge_soft_resets),
        ("fold_connections", Stage.DISCRETE, fold_connections),
        ("align_weights", Stage.DISCRETE, align_weights),
        ("balance_delays", Stage.TIMED, balance_delays),
        ("relay_long_delays", Stage.QUANTIZED, relay_long_delays),
        ("quantize", Stage.QUANTIZED, partial(_quantize, quantization, weight_bits)),
    )
    log = []
    for name, needed_for, run in passes:
        if needed_for <= to:
            start = time.perf_counter()
            graph = run(graph)
            log.append(PassRecord(name, time.perf_counter() - start))
            after_pass(name, graph)
    if profile is not None:
        place_or_refuse(graph, profile)
    return Lowering(graph, tuple(log))


def _check_target(profile: HardwareProfile | None, to: Stage) -> None:
    if profile is not None and to is not Stage.QUANTIZED:
        raise GraphError(
            f"lower to {to.name} for {profile.name}: only integers can be placed on a "
            "chip; lower to QUANTIZED, or without a profile"
        )


def _quantize(
    quantization: Quantization | Callable[[Graph], Quantization],
    weight_bits: int | None,
    graph: Graph,
) -> Graph:
    choices = quantization
    if not isinstance(choices, Quantization):
        choices = choices(graph)
    if weight_bits is not None:
        choices = replace(choices, weight_bits=weight_bits)
    return quantize(graph, choices)
