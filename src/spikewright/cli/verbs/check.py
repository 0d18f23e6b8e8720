"""`spikewright check`: what a network takes of a chip, and which tools load it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spikewright.cli.networks.lowering import (
    LOWERED,
    STUDENT_DT_S,
    Network,
    check_dt_s,
    lower_network,
    read_network,
)
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.progress import hush_libraries
from spikewright.cli.output.screen import show
from spikewright.errors import GraphError, InputError
from spikewright.export.nir.check import read_nested
from spikewright.export.tools.judge import tool_verdicts
from spikewright.export.tools.text import describe_verdicts, verdict_dict
from spikewright.export.tools.verdict import ToolVerdict
from spikewright.files import read_graph
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.placement.limits import list_limits, load_limits
from spikewright.hardware_profiles.placement.place import check_placement
from spikewright.hardware_profiles.placement.text import check_dict, describe_check

WEIGHTS = "model.safetensors"
"""what makes a folder a checkpoint"""


def run_check(args: Namespace) -> int:
    """Place the network on each chip; 1 if it breaks a limit or cannot be lowered."""
    chips = [load_limits(each) for each in args.profile or list_limits()]
    network = _read(args)
    tools = _judge(network, args.file)
    try:
        graph = (
            network
            if isinstance(network, Graph)
            else lower_network(network, Stage.QUANTIZED, args.weight_bits)
        )
    except GraphError as error:
        return _refuse(str(error), tools, args)
    checks = [check_placement(graph, each) for each in chips]
    if args.json:
        _print_json(args, [check_dict(each) for each in checks], tools)
    else:
        show("\n\n\n".join([*map(describe_check, checks), *_told(tools)]))
    return 0 if all(each.fits for each in checks) else 1


def _judge(network: Graph | Network, path: Path) -> tuple[ToolVerdict, ...]:
    """Judge which tools load a network; none if it is lowered, and no NIR file."""
    if isinstance(network, Graph):
        return ()
    nested = read_nested(path) if path.is_file() else ()
    return tool_verdicts(network.graph, dt_s=network.dt_s, nested=nested)


def _refuse(reason: str, tools: tuple[ToolVerdict, ...], args: Namespace) -> int:
    """Report a network that does not become integers: on no chip does it fit."""
    violation = {"kind": "lowering", "where": str(args.file), "got": reason}
    if args.json:
        _print_json(args, [{"fits": False, "violations": [violation]}], tools)
    else:
        fault = f"does not fit: it cannot be lowered to Loihi's integers\n\n- {reason}"
        show("\n\n\n".join([fault, *_told(tools)]))
    return 1


def _print_json(
    args: Namespace, chips: list[dict[str, object]], tools: tuple[ToolVerdict, ...]
) -> None:
    judged = [verdict_dict(each) for each in tools]
    print_document(args, {"chips": chips, "tools": judged})


def _told(tools: tuple[ToolVerdict, ...]) -> list[str]:
    return [describe_verdicts(tools)] if tools else []


def _read(args: Namespace) -> Graph | Network:
    """Read a lowered graph, or a network that is still to be lowered."""
    if args.file.suffix == LOWERED:
        if args.weight_bits is not None:
            raise InputError(
                f"--weight-bits {args.weight_bits}: {args.file} has its integers "
                "already; leave it out, or lower again"
            )
        graph = read_graph(args.file)
        check_dt_s(args.file, graph, args.dt)
        if graph.stage is not Stage.QUANTIZED:
            raise InputError(
                f"{args.file}: was lowered to {graph.stage.name}, limits are checked "
                "on QUANTIZED; lower with --to quantized"
            )
        return graph
    if (args.file / WEIGHTS).is_file():
        return _read_student(args.file, _dt_s(args))
    return read_network(args.file, dt_s=args.dt)


def _dt_s(args: Namespace) -> float:
    return STUDENT_DT_S if args.dt is None else float(args.dt)


def _read_student(checkpoint: Path, dt_s: float) -> Network:
    """Read a checkpoint, for the longest sentence that it takes; needs torch."""
    hush_libraries()
    from spikewright.train.graphs.checkpoint import checkpoint_graph

    graph, _ = checkpoint_graph(checkpoint, tokens=None, dt_s=dt_s)
    return Network(graph, dt_s, None)
