"""`spikewright report`: what a trace cost, per layer and against a teacher."""

from __future__ import annotations

import json
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from spikewright.cli.lowering import (
    LOWERED,
    STAGES,
    lower_network,
    read_lowered,
    read_network,
)
from spikewright.cli.pricing import PROFILES, SPECIAL_TOKENS, price_trace
from spikewright.cli.progress import say
from spikewright.errors import BackendMissingError, InputError
from spikewright.export.deployment import Deployment
from spikewright.files import read_trace
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.teacher import (
    TeacherWork,
    count_teacher_sentences,
    find_teacher,
    read_teacher_config,
)
from spikewright.trace import SpikeTrace

ONNX = ".onnx"


def run_report(args: Namespace) -> int:
    """Print the report of a trace in the wanted format."""
    trace = read_trace(args.trace)
    graph, deployment = _network_of(trace, args)
    work = _teacher_work(args, deployment, _teacher_tokens(args, trace))
    report = price_trace(graph, trace, work, args.profile or PROFILES)
    if args.json or args.format == "json":
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print(report.to_markdown() if args.format == "markdown" else report.to_table())
    return 0


def _dt_s(trace: SpikeTrace) -> float:
    dt_s = trace.meta.get("dt_s")
    if not isinstance(dt_s, float):
        raise InputError("the trace does not say its time step; simulate again")
    return dt_s


def _network_of(trace: SpikeTrace, args: Namespace) -> tuple[Graph, Deployment | None]:
    """Return the graph of the trace with synapses to count, and its deployment.

    Lowers the network as it was for the trace, and refuses another network's trace.
    """
    dt_s = _dt_s(trace)
    backend, arithmetic = (str(trace.meta.get(k)) for k in ("backend", "arithmetic"))
    if (backend, arithmetic) not in STAGES:
        raise InputError(f"{args.trace}: does not say what ran it; simulate again")
    stage = STAGES[backend, arithmetic]
    if args.file.suffix == LOWERED:
        graph = read_lowered(args.file, stage)
        _refuse_other_network(graph, trace, args)
        graph.expect(Stage.TIMED, Stage.QUANTIZED)
        return graph, None
    network = read_network(args.file, default_dt_s=dt_s)
    _refuse_other_network(lower_network(network, stage), trace, args)
    # Operations are counted in chip time, which a graph has once it is TIMED.
    timed = lower_network(network, max(stage, Stage.TIMED))
    return timed, network.deployment


def _refuse_other_network(graph: Graph, trace: SpikeTrace, args: Namespace) -> None:
    if graph.fingerprint() != trace.meta.get("graph_sha256"):
        raise InputError(
            f"{args.trace}: is not a trace of {args.file}; simulate it again"
        )


def _teacher_work(
    args: Namespace, deployment: Deployment | None, lengths: list[int]
) -> TeacherWork:
    """Count the teacher: an ONNX file, a name, a config, or the one in the card."""
    if args.teacher is not None:
        if Path(args.teacher).suffix == ONNX:
            return _onnx_work(args.teacher, lengths)
        return count_teacher_sentences(find_teacher(args.teacher), lengths)
    if deployment is not None:
        shape = read_teacher_config(deployment.card["teacher"])
        return count_teacher_sentences(shape, lengths)
    raise InputError(
        "--teacher: needed for a network without a card; NAME, config.json or X.onnx"
    )


def _onnx_work(path: str, lengths: list[int]) -> TeacherWork:
    if not find_spec("onnx"):
        raise BackendMissingError(
            f"--teacher {path}: needs onnx; pip install 'spikewright[onnx]'"
        )
    from spikewright.export.onnx_count import count_onnx, count_onnx_sentences

    for operator, (times, _) in count_onnx(path, lengths[0]).uncounted.items():
        say(f"{path}: {times} {operator} without a count are left out")
    return count_onnx_sentences(path, lengths)


def _teacher_tokens(args: Namespace, trace: SpikeTrace) -> list[int]:
    lengths = trace.meta.get("lengths")
    if args.tokens is not None:
        if args.tokens < 1:
            raise InputError(f"--tokens {args.tokens}: must be 1 or more")
        return [args.tokens]
    if isinstance(lengths, list) and all(isinstance(each, int) for each in lengths):
        return [each + SPECIAL_TOKENS for each in lengths]
    raise InputError("--tokens: needed, the trace does not say how long its texts are")
