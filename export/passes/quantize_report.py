"""What quantization did to a graph: every rounding error, and the room that is left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from spikewright.bounds import (
    StateRange,
    input_sums,
    state_range,
)
from spikewright.errors import GraphError
from spikewright.export.passes.compose import scale_rows
from spikewright.export.passes.gains import row_gains
from spikewright.export.passes.neuron_registers import folded_drop
from spikewright.export.passes.quantize import HEADROOM_STEPS
from spikewright.export.passes.rounding import bits_of
from spikewright.export.passes.weight_errors import ProjectionReport, weight_errors
from spikewright.graph import Graph, Stage
from spikewright.hops import Hop, hops_by_target
from spikewright.loihi import DECAY_ONE, MAX_CURRENT, MAX_MESSAGE, WEIGHT_BITS
from spikewright.nodes import (
    POPULATIONS,
    SYNAPSES,
    FloatArray,
    Integrators,
    Output,
    PerNeuron,
    QuantizedIntegrators,
    QuantizedNeurons,
    SpikingNeurons,
)


@dataclass(frozen=True)
class Headroom:
    """By how many bits states may still grow before they leave their registers.

    Below 0 if they leave them; None for a state that stays 0 or is not there.
    """

    a: float | None
    u: float | None = None
    v: float | None = None


@dataclass(frozen=True)
class PopulationReport:
    """What became of one population, or of an Output, which has no more than a scale.

    Errors are the largest of all neurons; of decays absolute, of the others relative.
    """

    scale: float
    """integer units worth 1 of the float graph"""
    worst: Headroom
    """under the worst input of spikes, of as many steps as `quantize` provides for"""
    measured: Headroom | None
    """on sample inputs, in integers"""
    threshold: int | None = None
    threshold_error: float | None = None
    drop_error: float | None = None
    decay_error: float | None = None
    current_decay_error: float | None = None


@dataclass(frozen=True)
class QuantizationReport:
    """What quantization did to a graph."""

    populations: Mapping[str, PopulationReport] = field(default_factory=dict)
    """and Outputs, by name"""
    projections: Mapping[str, ProjectionReport] = field(default_factory=dict)
    """by name of the synapses"""


def quantization_report(
    timed: Graph,
    quantized: Graph,
    measured: Mapping[str, StateRange] | None = None,
    *,
    weight_bits: int = WEIGHT_BITS,
) -> QuantizationReport:
    """Compare a QUANTIZED graph with the TIMED graph that it was made of.

    Args:
        timed: what `quantize` took.
        quantized: what it returned.
        measured: what `measure_ranges` found on `quantized`, if it ran.
        weight_bits: what `quantize` was to give a weight.

    Raises:
        GraphError: a graph is of another stage, or one was not made of the other.
    """
    timed.expect(Stage.TIMED)
    quantized.expect(Stage.QUANTIZED)
    if list(timed.nodes) != list(quantized.nodes) or timed.edges != quantized.edges:
        raise GraphError(
            "the QUANTIZED graph has other nodes or edges than the TIMED one; give the "
            "graph that quantize took, and the one that it returned"
        )
    before, after = hops_by_target(timed), hops_by_target(quantized)
    populations: dict[str, PopulationReport] = {}
    projections: dict[str, ProjectionReport] = {}
    for name, made in quantized.nodes.items():
        if isinstance(made, QuantizedNeurons | QuantizedIntegrators | Output):
            room = _worst(quantized, name, after[name])
            reached = None if measured is None else _room(made, measured[name])
            populations[name] = _population(timed, name, made, (room, reached))
            for hop in before[name]:
                scale = populations[name].scale
                projections |= _projection(timed, quantized, hop, scale, weight_bits)
    return QuantizationReport(populations, projections)


_Made = QuantizedNeurons | QuantizedIntegrators | Output


# --- populations ---------------------------------------------------------------------


def _population(
    timed: Graph, name: str, made: _Made, rooms: tuple[Headroom, Headroom | None]
) -> PopulationReport:
    node = timed.nodes[name]
    if isinstance(made, Output) or not isinstance(node, SpikingNeurons | Integrators):
        assert isinstance(made, Output)  # noqa: S101 - neurons come from neurons
        return PopulationReport(1.0 / made.scale, *rooms)
    threshold = error = drop_error = None
    if isinstance(node, SpikingNeurons) and isinstance(made, QuantizedNeurons):
        threshold, most = made.vth, float(node.threshold.max())
        error = _relative(np.array(most), made.vth / made.scale)
        drop = folded_drop(node)
        if drop is not None and made.drop is not None:
            drop_error = _relative(drop, np.asarray(made.drop) / made.scale)
    return PopulationReport(
        made.scale,
        *rooms,
        threshold,
        error,
        drop_error,
        _decay_error(node.decay, made.dv),
        _decay_error(node.current_decay, made.du),
    )


def _relative(wanted: FloatArray, got: FloatArray | float) -> float:
    """Return the largest |error| / |wanted|; what is 0 has none."""
    error = np.abs(got - wanted)[wanted != 0]
    return float((error / np.abs(wanted)[wanted != 0]).max(initial=0.0))


def _decay_error(decay: FloatArray, register: PerNeuron) -> float:
    kept = 1.0 - np.asarray(register) / DECAY_ONE
    return float(np.abs(kept - decay).max())


# --- registers -----------------------------------------------------------------------


def _worst(quantized: Graph, name: str, arriving: Sequence[Hop]) -> Headroom:
    made = quantized.nodes[name]
    assert isinstance(made, _Made)  # noqa: S101 - the caller checked
    sums = input_sums(quantized, arriving, math.prod(made.shape))
    if not isinstance(made, Output):
        return _room(made, state_range(made, sums, HEADROOM_STEPS))
    if any(hop.synapses is None for hop in arriving):
        return Headroom(None)  # it takes what others send, which fits already
    return Headroom(_bits(np.maximum(*sums), MAX_MESSAGE))


def _room(made: _Made, reached: StateRange) -> Headroom:
    if isinstance(made, Output):
        return Headroom(_bits(reached.a, MAX_MESSAGE))
    a, u, v = (_bits(each, MAX_CURRENT) for each in (reached.a, reached.u, reached.v))
    return Headroom(a, u, v)


def _bits(reached: FloatArray, limit: int) -> float | None:
    largest = float(reached.max())
    return math.log2(limit / largest) if largest else None


# --- projections ---------------------------------------------------------------------


def _projection(
    timed: Graph, quantized: Graph, hop: Hop, scale: float, weight_bits: int
) -> dict[str, ProjectionReport]:
    if hop.synapses is None:
        return {}
    name, node = hop.first.target, timed.nodes[hop.target]
    source, made = timed.nodes[hop.source], quantized.nodes[name]
    assert isinstance(source, POPULATIONS)  # noqa: S101 - a hop starts at one
    assert isinstance(node, SpikingNeurons | Integrators | Output)  # noqa: S101 - ends
    gains = row_gains(hop.target, node)
    scaled = scale_rows(hop.synapses, gains, math.prod(source.shape))
    if not isinstance(made, SYNAPSES) or made.weight.shape != scaled.weight.shape:
        raise GraphError(
            f"node '{name}': its integers are not those of its weights; give the graph "
            "that quantize took, and the one that it returned"
        )
    ends = (hop.source, hop.target)
    bits = bits_of(source, weight_bits)
    return {name: weight_errors(ends, hop.synapses, scaled, made, gains, scale, bits)}
