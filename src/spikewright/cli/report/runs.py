"""The runs that a report counts: a trace that was kept, or texts simulated now."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from spikewright.cli.networks.cluster import cluster_of
from spikewright.cli.networks.lowering import (
    LOWERED,
    STAGES,
    lower_network,
    read_lowered,
    read_network,
    read_signals,
    read_student,
    refuse_student,
)
from spikewright.cli.networks.texts import SENTENCES, encode_and_tell
from spikewright.cli.output.progress import progress, say
from spikewright.cli.report.texts import read_texts
from spikewright.errors import InputError
from spikewright.export.deployment.encoder import token_ids
from spikewright.export.deployment.folder import Deployment
from spikewright.files import read_trace
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.reports.traces import Lengths
from spikewright.simulate.inputs import Signals, check_inputs
from spikewright.simulate.integer import Batching, run_integer
from spikewright.trace import SpikeTrace

Shard: TypeAlias = tuple[Signals, Lengths]
"""inputs of some samples, and their tokens"""
_ROOM = 2**27
"""spikes in memory at once, a byte each"""


@dataclass(frozen=True, eq=False)
class Runs:
    """Traces of one graph, made or read as they are asked for."""

    graph: Graph
    """TIMED or QUANTIZED"""
    parts: Iterable[tuple[SpikeTrace, Lengths]]
    """can be gone through once"""
    steps: int
    lengths: list[int] | None
    """tokens of each text, if they are texts"""
    deployment: Deployment | None
    shards: Callable[[int], Iterable[Shard]] | None = None
    """with --cluster, instead of `parts`: what is to run there, so many samples each"""
    samples: int = 0
    """of all shards"""


def find_runs(args: Namespace) -> Runs:
    """Return the runs that are asked for; of a student alone, the demo's sentences.

    Raises:
        InputError: a file is unreadable or does not fit, or there is nothing to run.
    """
    if args.trace is not None:
        return trace_runs(args)
    if args.inputs is not None:
        return inputs_runs(args)
    if args.text is not None:
        return texts_runs(args, read_texts(args.text))
    if args.student is None and not args.file.is_dir():
        raise InputError(
            f"{args.file}: what is to run on it? give --inputs X.npy, or the trace.npz "
            "that `spikewright simulate` wrote"
        )
    say(f"no trace and no --text: {len(SENTENCES)} sentences of the demo")
    return texts_runs(args, SENTENCES)


def refuse_foreign_options(args: Namespace) -> None:
    """Raise `InputError` if an option would be without effect."""
    for name in ("batch", "workers", "cluster", "shard"):
        if getattr(args, name) is not None and (args.trace or args.file is None):
            raise InputError(f"--{name}: nothing is simulated; leave it out")
    if args.dt is not None and args.trace is not None:
        raise InputError("--dt: the trace says its time step; leave it out")


# --- a trace -------------------------------------------------------------------------


def trace_runs(args: Namespace) -> Runs:
    """Return the one run of a trace.

    Lowers the network as it was for the trace, and refuses another network's trace.

    Raises:
        InputError: the trace is unreadable, of another network, or does not say what
            ran it.
    """
    trace = read_trace(args.trace)
    graph, deployment = _network_of(trace, args)
    lengths = _lengths(trace)
    tokens = None if lengths is None else np.array(lengths, dtype=np.int64)
    return Runs(graph, [(trace, tokens)], trace.steps, lengths, deployment)


def _lengths(trace: SpikeTrace) -> list[int] | None:
    lengths = trace.meta.get("lengths")
    if isinstance(lengths, list) and all(isinstance(each, int) for each in lengths):
        return lengths
    return None


def _dt_s(trace: SpikeTrace) -> float:
    dt_s = trace.meta.get("dt_s")
    if not isinstance(dt_s, float):
        raise InputError("the trace does not say its time step; simulate again")
    return dt_s


def _network_of(trace: SpikeTrace, args: Namespace) -> tuple[Graph, Deployment | None]:
    """Return the graph of the trace with synapses to count, and its deployment."""
    dt_s = _dt_s(trace)
    backend, arithmetic = (str(trace.meta.get(k)) for k in ("backend", "arithmetic"))
    if (backend, arithmetic) not in STAGES:
        raise InputError(f"{args.trace}: does not say what ran it; simulate again")
    stage = STAGES[backend, arithmetic]
    if args.file.suffix == LOWERED:
        graph = read_lowered(args.file, stage)
        _refuse_other_network(graph, trace, args)
        graph.expect(Stage.TIMED, Stage.QUANTIZED)
        return graph, _student(args, graph)
    refuse_student(args.student, args.file)
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


def _student(args: Namespace, graph: Graph) -> Deployment | None:
    return None if args.student is None else read_student(args.student, graph)


# --- inputs and texts ----------------------------------------------------------------


def inputs_runs(args: Namespace) -> Runs:
    """Return the one run of a file of inputs, simulated now.

    Raises:
        InputError: a file is unreadable, or the inputs do not fit the network.
    """
    graph, deployment = _integers(args)
    inputs = check_inputs(graph, read_signals(args.inputs, graph))
    samples, steps = next(iter(inputs.values())).shape[:2]
    if cluster_of(args) is not None:
        shards = partial(_cut, inputs)
        return Runs(graph, (), steps, None, deployment, shards, samples)
    with progress(samples, "integer") as advance:
        trace = run_integer(graph, inputs, batching=_batching(args), on_samples=advance)
    return Runs(graph, [(trace, None)], trace.steps, None, deployment)


def _integers(args: Namespace) -> tuple[Graph, Deployment | None]:
    """Read a network that is to be simulated, as integers."""
    if args.file.suffix == LOWERED:
        graph = read_lowered(args.file, Stage.QUANTIZED, dt_s=args.dt)
        return graph, _student(args, graph)
    refuse_student(args.student, args.file)
    network = read_network(args.file, dt_s=args.dt)
    return lower_network(network, Stage.QUANTIZED), network.deployment


def _batching(args: Namespace) -> Batching:
    return Batching(args.batch, 1 if args.workers is None else args.workers)


def texts_runs(args: Namespace, texts: Sequence[str]) -> Runs:
    """Return the runs of sentences, each simulated when it is asked for.

    Raises:
        InputError: the network is unreadable, or takes no texts.
    """
    if not args.file.is_dir() and args.student is None:
        raise InputError(
            f"{args.file}: --text needs a deployment folder, not a file; beside a "
            f"lowered {LOWERED}, --student names it"
        )
    graph, deployment = _integers(args)
    assert deployment is not None  # noqa: S101 - a folder, or the student's
    slots, steps = int(deployment.card["tokens"]), int(deployment.card["steps"])
    lengths = [min(slots, len(token_ids(deployment.tokenizer, text))) for text in texts]
    if cluster_of(args) is not None:
        shards = partial(_encoded, graph, deployment, texts)
        return Runs(graph, (), steps, lengths, deployment, shards, len(texts))
    parts = _simulated(graph, deployment, texts, _batching(args))
    return Runs(graph, parts, steps, lengths, deployment)


def _simulated(
    graph: Graph, deployment: Deployment, texts: Sequence[str], batching: Batching
) -> Iterator[tuple[SpikeTrace, Lengths]]:
    """Yield a trace of some sentences at a time: counting a few at once is cheaper."""
    chunk = chunk_size(graph, int(deployment.card["steps"]))
    with progress(len(texts), "integer") as advance:
        for start in range(0, len(texts), chunk):
            encoded = encode_and_tell(deployment, texts[start : start + chunk])
            trace = run_integer(
                graph,
                encoded.inputs,
                batching=batching,
                on_samples=partial(_advance_from, advance, start),
            )
            yield trace, encoded.lengths


def _encoded(
    graph: Graph, deployment: Deployment, texts: Sequence[str], size: int
) -> Iterator[Shard]:
    """Yield some sentences at a time, encoded when they are asked for."""
    for start in range(0, len(texts), size):
        encoded = encode_and_tell(deployment, texts[start : start + size])
        yield check_inputs(graph, encoded.inputs), encoded.lengths


def _cut(inputs: Signals, size: int) -> Iterator[Shard]:
    for start in range(0, len(next(iter(inputs.values()))), size):
        some = {name: each[start : start + size] for name, each in inputs.items()}
        yield some, None


def _advance_from(advance: Callable[[int], None], start: int, done: int) -> None:
    advance(start + done)


def chunk_size(graph: Graph, steps: int) -> int:
    """Return how many samples have their spikes in memory at once."""
    neurons = sum(math.prod(node.shape) for node in graph.populations().values())
    return max(1, _ROOM // (steps * neurons))
