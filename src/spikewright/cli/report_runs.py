"""The runs that a report counts: a trace that was kept, or texts simulated now."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from spikewright.cli.lowering import (
    LOWERED,
    STAGES,
    lower_network,
    read_lowered,
    read_network,
)
from spikewright.cli.progress import progress
from spikewright.cli.report_texts import read_texts
from spikewright.cli.texts import encode_and_tell
from spikewright.errors import InputError
from spikewright.export.deployment import Deployment
from spikewright.export.encoder import token_ids
from spikewright.files import read_trace
from spikewright.graph import Graph, Stage
from spikewright.hardware_profiles.report_traces import Lengths
from spikewright.simulate.integer import Batching, run_integer
from spikewright.trace import SpikeTrace

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


# --- texts ---------------------------------------------------------------------------


def texts_runs(args: Namespace) -> Runs:
    """Return the runs of a file of sentences, each simulated when it is asked for.

    Raises:
        InputError: the file is unreadable, or the network takes no texts.
    """
    if args.file.suffix == LOWERED or not args.file.is_dir():
        raise InputError(f"{args.file}: --text needs a deployment folder, not a file")
    texts = read_texts(args.text)
    batching = Batching(args.batch, 1 if args.workers is None else args.workers)
    network = read_network(args.file)
    deployment = network.deployment
    assert deployment is not None  # noqa: S101 - it is a folder
    slots, steps = int(deployment.card["tokens"]), int(deployment.card["steps"])
    lengths = [min(slots, len(token_ids(deployment.tokenizer, text))) for text in texts]
    graph = lower_network(network, Stage.QUANTIZED)
    parts = _simulated(graph, deployment, texts, batching)
    return Runs(graph, parts, steps, lengths, deployment)


def _simulated(
    graph: Graph, deployment: Deployment, texts: list[str], batching: Batching
) -> Iterator[tuple[SpikeTrace, Lengths]]:
    """Yield a trace of some sentences at a time: counting a few at once is cheaper."""
    chunk = chunk_size(graph, int(deployment.card["steps"]))
    with progress(len(texts), "integer") as show:
        for start in range(0, len(texts), chunk):
            encoded = encode_and_tell(deployment, texts[start : start + chunk])
            trace = run_integer(
                graph,
                encoded.inputs,
                batching=batching,
                on_samples=partial(_show_from, show, start),
            )
            yield trace, encoded.lengths


def _show_from(show: Callable[[int], None], start: int, done: int) -> None:
    show(start + done)


def chunk_size(graph: Graph, steps: int) -> int:
    """Return how many samples have their spikes in memory at once."""
    neurons = sum(math.prod(node.shape) for node in graph.populations().values())
    return max(1, _ROOM // (steps * neurons))
