"""Pictures of networks: drawn, on cores, and in integers."""

from __future__ import annotations

from argparse import Namespace

from spikewright.cli.networks.lowering import (
    LOWERED,
    check_dt_s,
    lower_network,
    read_network,
)
from spikewright.errors import InputError
from spikewright.export.lower import lower
from spikewright.export.passes.quantize_report import Headroom, quantization_report
from spikewright.files import read_graph
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.capacity import Capacity
from spikewright.hardware_profiles.placement.limits import load_limits
from spikewright.hardware_profiles.placement.place import place
from spikewright.hardware_profiles.reports.placement import placement_picture
from spikewright.plots.graph_picture import GraphDrawing, graph_drawing
from spikewright.plots.placement import CorePlacement
from spikewright.plots.quantization import QuantizationLoss, Room, Rounded


def plot_graph(args: Namespace) -> GraphDrawing:
    """Return a drawing of a network at a stage."""
    return graph_drawing(_graph(args), args.layout)


def _graph(args: Namespace) -> Graph:
    if args.file.suffix == LOWERED:
        graph = read_graph(args.file)
        check_dt_s(args.file, graph, args.dt)
        if args.stage not in (None, graph.stage.name.lower()):
            raise InputError(
                f"--stage {args.stage}: {args.file} was lowered to {graph.stage.name}; "
                "give the .nir file, or leave --stage out"
            )
        return graph
    network = read_network(args.file, dt_s=args.dt)
    stage = Stage[(args.stage or "timed").upper()]
    return network.graph if stage is Stage.CONTINUOUS else lower_network(network, stage)


def plot_placement(args: Namespace) -> CorePlacement:
    """Return a network on the cores of a chip."""
    limits = load_limits(args.chip)
    if args.file.suffix == LOWERED:
        graph = read_graph(args.file)
        check_dt_s(args.file, graph, args.dt)
        graph.expect(Stage.QUANTIZED)
    else:
        network = read_network(args.file, dt_s=args.dt)
        graph = lower_network(network, Stage.QUANTIZED)
    placement = place(graph, limits)
    return placement_picture(Capacity(limits.name, placement), placement, limits)


def plot_quantization(args: Namespace) -> QuantizationLoss:
    """Return what integers cost a network.

    Raises:
        InputError: it is lowered already, so nothing is left to compare with.
    """
    if args.file.suffix == LOWERED:
        raise InputError(
            f"{args.file}: holds integers alone; give the .nir file or the folder that "
            "it was lowered from"
        )
    network = read_network(args.file, dt_s=args.dt)
    return quantization_loss(network.graph, network.dt_s)


def quantization_loss(graph: Graph, dt_s: float) -> QuantizationLoss:
    """Lower a CONTINUOUS graph, and compare it before and after `quantize`."""
    stages: dict[str, Graph] = {}
    done = lower(graph, dt_s=dt_s, after_pass=stages.__setitem__)
    report = quantization_report(stages["relay_long_delays"], done.graph)
    rooms = {name: _least(each.worst) for name, each in report.populations.items()}
    return QuantizationLoss(
        tuple(
            Rounded(name, each.rms_error, each.largest_error)
            for name, each in report.projections.items()
        ),
        tuple(Room(name, bits) for name, bits in rooms.items() if bits is not None),
    )


def _least(room: Headroom) -> float | None:
    """Return the bits of the register that is nearest to its end."""
    known = [bits for bits in (room.a, room.u, room.v) if bits is not None]
    return min(known, default=None)
