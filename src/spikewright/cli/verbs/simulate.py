"""`spikewright simulate`: lower a network, run it, write the trace."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import replace
from typing import Any

from spikewright.cli.networks.cluster import cluster_of
from spikewright.cli.networks.lowering import (
    LOWERED,
    check_outputs,
    lower_network,
    read_lowered,
    read_network,
    read_signals,
    read_student,
    refuse_student,
    stage_of,
)
from spikewright.cli.networks.texts import encode_and_tell
from spikewright.cli.output.documents import print_document
from spikewright.cli.output.progress import progress
from spikewright.cli.output.screen import Table, show
from spikewright.errors import InputError
from spikewright.export.deployment.folder import Deployment
from spikewright.files import write_trace
from spikewright.graph import Graph
from spikewright.simulate.cluster.run import run_on_cluster
from spikewright.simulate.inputs import Signals, check_inputs
from spikewright.simulate.integer import Batching
from spikewright.simulate.lava_backend.job import LAVA, LavaOptions
from spikewright.simulate.run import Backend, run
from spikewright.trace import Keep, SpikeTrace, TracePolicy

_ONLY = {
    "batch": Backend.INTEGER,
    "workers": Backend.INTEGER,
    "runtime": Backend.LAVA,
    "processes": Backend.LAVA,
    "models": Backend.LAVA,
    "deadline": Backend.LAVA,
}
"""options that only one backend takes"""


def run_simulate(args: Namespace) -> int:
    """Simulate and write the trace; print what came out."""
    _refuse_foreign_options(args)
    cluster_of(args)
    stage = stage_of(args.backend, args.arithmetic)
    check_outputs([args.output], [args.file, args.inputs])
    if args.file.suffix == LOWERED:
        graph = read_lowered(args.file, stage, dt_s=args.dt)
        deployment = None if args.student is None else read_student(args.student, graph)
    else:
        refuse_student(args.student, args.file)
        network = read_network(args.file, dt_s=args.dt)
        graph, deployment = lower_network(network, stage), network.deployment
    inputs, extra = _inputs(args, graph, deployment)
    trace = _run(args, graph, inputs)
    trace = replace(trace, meta={**trace.meta, **extra})
    if args.output is not None:
        write_trace(trace, args.output)
    place = None if args.output is None else str(args.output)
    summary = _summary(graph, trace) | {"output": place}
    if args.json:
        print_document(args, summary)
    else:
        _show(summary)
    return 0


def _run(args: Namespace, graph: Graph, inputs: Signals) -> SpikeTrace:
    cluster, policy = cluster_of(args), TracePolicy(Keep(args.trace), args.keep)
    with progress(len(next(iter(inputs.values()))), args.backend) as advance:
        if cluster is not None:
            return run_on_cluster(
                graph,
                inputs,
                cluster=cluster,
                backend=args.backend,
                trace=policy,
                lava=_lava(args),
                on_samples=advance,
            )
        return run(
            graph,
            inputs,
            backend=args.backend,
            trace=policy,
            batching=Batching(args.batch, 1 if args.workers is None else args.workers),
            lava=_lava(args),
            on_samples=advance,
        )


def _refuse_foreign_options(args: Namespace) -> None:
    for name, backend in _ONLY.items():
        if name == "workers" and args.cluster is not None:
            continue
        if getattr(args, name) is not None and args.backend != backend:
            raise InputError(
                f"--{name}: only --backend {backend} takes it, not {args.backend}; "
                "leave it out"
            )


def _lava(args: Namespace) -> LavaOptions:
    return LavaOptions(
        args.runtime or LAVA.runtime,
        args.processes or LAVA.processes,
        args.models or LAVA.models,
        args.deadline or LAVA.deadline_s,
    )


def _inputs(
    args: Namespace, graph: Graph, deployment: Deployment | None
) -> tuple[Signals, dict[str, object]]:
    """Return the inputs, and what the trace should remember of them."""
    extra: dict[str, object] = {}
    if args.inputs is not None:
        inputs = check_inputs(graph, read_signals(args.inputs, graph))
    elif deployment is None:
        raise InputError(f"{args.file}: --text needs a deployment folder, not a file")
    else:
        encoded = encode_and_tell(deployment, args.text)
        inputs = check_inputs(graph, encoded.inputs)
        extra = {"lengths": encoded.lengths.tolist(), "texts": args.text}
    steps = next(iter(inputs.values())).shape[1]
    if args.steps is not None and not 1 <= args.steps <= steps:
        raise InputError(
            f"--steps {args.steps}: must be 1 to {steps}, the steps of the inputs"
        )
    return {name: each[:, : args.steps] for name, each in inputs.items()}, extra


def _summary(graph: Graph, trace: SpikeTrace) -> dict[str, object]:
    counted = trace.counted()
    cells = trace.samples * trace.steps
    sizes = {k: math.prod(node.shape) for k, node in graph.populations().items()}
    return {
        "samples": trace.samples,
        "steps": trace.steps,
        "spikes": sum(int(each.sum()) for each in counted.values()),
        "rate": {
            name: round(int(each.sum()) / (cells * sizes[name]), 5)
            for name, each in counted.items()
        },
        "meta": dict(trace.meta),
    }


def _show(summary: dict[str, Any]) -> None:
    rates = summary["rate"]
    rows = [(name, f"{rate:.4f}") for name, rate in rates.items()]
    spikes = "{spikes} spikes" if rates else "no spikes kept"
    to = "not written, for want of -o" if summary["output"] is None else "-> {output}"
    total = f"{{samples}} samples, {{steps}} steps, {spikes} {to}"
    show(Table(("population", "rate"), rows), total.format(**summary))
