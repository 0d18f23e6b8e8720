"""Read and write netx files, lava-dl's network exchange format (HDF5, `.net`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np

from spikewright.errors import GraphError, InputError
from spikewright.export.lower import lower
from spikewright.export.netx.chain import chain_of
from spikewright.export.netx.layers import (
    ConvLayer,
    CubaNeurons,
    DenseLayer,
    InputLayer,
    Layers,
)
from spikewright.export.netx.quantized import to_quantized
from spikewright.export.netx.read import read_layers
from spikewright.export.netx.round import Rounded, to_layers
from spikewright.export.netx.seconds import to_continuous
from spikewright.export.netx.write import write_layers
from spikewright.graph import Graph, Stage
from spikewright.loihi import DECAY_ONE, STATE_BITS, STATE_LIMIT, shift_to_zero
from spikewright.nodes import IntArray
from spikewright.trace import Spikes
from spikewright.whole_files import whole_file

Entry = Literal["values", "spikes"]
_PARTS = (InputLayer, DenseLayer, ConvLayer, CubaNeurons)


@dataclass(frozen=True)
class LayerFit:
    """What became of the numbers of a layer in a netx file."""

    scale: float
    """integers to 1.0 of the graph; whoever reads the file takes them for 64"""
    error: float
    """the largest change of a weight, as a share of the largest weight; 0: none"""


def read_netx(
    path: str | Path,
    *,
    dt_s: float,
    entry: Entry = "values",
    num_layers: int | None = None,
) -> Graph:
    """Read a netx file as a QUANTIZED graph, integer for integer.

    A spiking graph does what lava-dl's network does in Lava with `reset_interval` set
    to the steps of a sample. A layer whose threshold is out of reach sends its voltage.

    Args:
        path: the file.
        dt_s: length of a step in seconds; the file has none.
        entry: what the Input of the graph takes where the input layer has neurons: the
            values that drive them, or the spikes that they send (`encode_netx`).
        num_layers: how many layers to read, of what lava-dl counts; None: all.

    Raises:
        InputError: the file is missing, damaged, or no netx file, or `dt_s` is not
            positive.
        GraphError: a layer is malformed, or cannot be said in integers.
        UnsupportedNodeError: a layer or neuron is of a kind that is not supported.
    """
    _check_dt_s(dt_s)
    return to_quantized(_entered(path, entry, num_layers), dt_s=dt_s)


def read_netx_in_seconds(
    path: str | Path,
    *,
    dt_s: float,
    entry: Entry = "values",
    num_layers: int | None = None,
) -> Graph:
    """Read a netx file as a CONTINUOUS graph, which `write_nir` writes.

    Its numbers are those of lava-dl's float networks, the integers divided by 64; they
    are exact, and `write_netx` turns them into the same integers. Executors in floating
    point do not round the potential at each step as Lava does.

    Args:
        path: the file.
        dt_s: length of a step in seconds; the file has none.
        entry: see `read_netx`.
        num_layers: see `read_netx`.

    Raises:
        InputError: as `read_netx`.
        GraphError: as `read_netx`; or NIR has no such neurons.
        UnsupportedNodeError: as `read_netx`.
    """
    _check_dt_s(dt_s)
    return to_continuous(_entered(path, entry, num_layers), dt_s=dt_s)


def _check_dt_s(dt_s: float) -> None:
    if not (isfinite(dt_s) and dt_s > 0):
        raise InputError(f"time step {dt_s} s; allowed: finite and above 0")


def _entered(path: str | Path, entry: Entry, num_layers: int | None) -> Layers:
    layers = read_layers(Path(path), num_layers)
    if entry == "values":
        return layers
    if entry != "spikes":
        raise InputError(f"entry '{entry}': must be 'values' or 'spikes'")
    (name, first), *rest = layers.items()
    return {name: InputLayer(first.shape), **dict(rest)}


def read_netx_input(path: str | Path) -> InputLayer:
    """Read the input layer of a netx file: its shape, neurons, weight and bias.

    Raises:
        InputError: as `read_netx`.
        GraphError: as `read_netx`.
        UnsupportedNodeError: as `read_netx`.
    """
    first = next(iter(read_layers(Path(path)).values()))
    assert isinstance(first, InputLayer)  # noqa: S101 - Layers say so
    return first


def encode_netx(layer: InputLayer, drive: IntArray) -> Spikes:
    """Return the spikes of the neurons of an input layer, as Lava's LIF sends them.

        v[t] = rsz(v[t-1] (4096 - v_decay), 12) + (drive[t] << 6)

    Args:
        layer: with neurons.
        drive: weight * x + bias of the values x, as integers; (samples, steps, *shape).

    Raises:
        InputError: the layer has no neurons, or the drive is no such array.
    """
    if layer.neurons is None:
        raise InputError("the input layer has no neurons; give the spikes themselves")
    if drive.dtype.kind not in "iu" or drive.shape[2:] != layer.shape:
        raise InputError(
            f"drive of type {drive.dtype} and shape {drive.shape}; allowed: integers "
            f"of shape (samples, steps, {', '.join(map(str, layer.shape))})"
        )
    kept = DECAY_ONE - np.asarray(layer.neurons.v_decay)
    v = np.zeros((len(drive), *layer.shape), dtype=np.int64)
    spikes: Spikes = np.zeros(drive.shape, dtype=np.uint8)
    for step in range(drive.shape[1]):
        v = shift_to_zero(v * kept, 12) + (
            drive[:, step].astype(np.int64) << STATE_BITS
        )
        v = np.clip(v, 1 - STATE_LIMIT, STATE_LIMIT - 1)
        spikes[:, step] = fired = v > layer.neurons.threshold << STATE_BITS
        v[fired] = 0
    return spikes


# --- from graphs ---------------------------------------------------------------------


def round_to_netx(graph: Graph, *, dt_s: float | None = None) -> Graph:
    """Return the QUANTIZED graph that a netx file of `graph` would hold.

    For whoever has a netx file as NIR and wants its integers, not those that `lower`
    would choose. The scales are those of `graph`, which a netx file cannot keep.

    Raises:
        GraphError: as `write_netx`.
    """
    seconds = dt_s if graph.dt_s is None else graph.dt_s
    rounded = _layers(graph, dt_s)
    assert seconds is not None  # noqa: S101 - _layers looked
    return to_quantized(rounded.layers, dt_s=seconds, scale=rounded.scale)


def write_netx(
    graph: Graph, path: str | Path, *, dt_s: float | None = None
) -> Mapping[str, LayerFit]:
    """Write a graph as a netx file, then read it back and compare.

    A QUANTIZED graph must have integers that netx holds. Those of a CONTINUOUS or TIMED
    one are rounded, each layer at the largest power-of-two scale at which its weights
    fit 8 bits; but at lava-dl's own, 64, if nothing is lost there.

    Args:
        graph: CONTINUOUS, TIMED or QUANTIZED; one population after the other.
        path: the file; on any error there is none, or the former one.
        dt_s: length of a step in seconds, of a CONTINUOUS graph.

    Returns:
        By population, the scale and what was rounded off.

    Raises:
        InputError: the file cannot be written.
        GraphError: the graph branches, joins, or has what netx cannot hold; says which
            node. Or `dt_s` is missing.
    """
    path = Path(path)
    rounded = _layers(graph, dt_s)
    with whole_file(path) as temporary:
        write_layers(rounded.layers, temporary)
        _check_same(path, rounded.layers, read_layers(temporary))
    return {
        name: LayerFit(scale, rounded.error[name])
        for name, scale in rounded.scale.items()
    }


def _layers(graph: Graph, dt_s: float | None) -> Rounded:
    if graph.stage is Stage.CONTINUOUS:
        if dt_s is None:
            raise GraphError("a CONTINUOUS graph needs a time step; give dt_s")
        graph = lower(graph, dt_s=dt_s, to=Stage.TIMED).graph
    return to_layers(chain_of(graph))


def _check_same(path: Path, wanted: Layers, got: Layers) -> None:
    """Compare what was meant with what a reader of the file will see."""
    pairs = zip(wanted.items(), got.values(), strict=False)
    wrong = [name for (name, meant), read in pairs if not is_same(meant, read)]
    if wrong or len(wanted) != len(got):
        what = f"layer '{wrong[0]}'" if wrong else f"{len(wanted)} layers"
        raise GraphError(f"{path}: netx does not keep {what}; the file was not kept")


def is_same(one: object, other: object) -> bool:
    """Say whether two layers, or parts of them, hold the same numbers."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other))
    if not isinstance(one, _PARTS):
        return one == other
    return type(one) is type(other) and all(
        is_same(getattr(one, each.name), getattr(other, each.name))
        for each in fields(one)
    )
