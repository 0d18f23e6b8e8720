"""Operations of a run, counted exactly from its spikes: never from an average rate.

Conventions:

- An event is a spike, or a graded message, that meets one stored weight. Non-zero
  weights are `synops` or `graded_synops`; zeros that dense storage would read as well
  are `synops_zero`. What leaves a population counts, even if it arrives after the end.
- Behind a `BiasLine` each neuron gets an event a step. A bias of a neuron's own is a
  `bias_additions` a step instead.
- `residual_additions`: a population that several projections lead to adds their sums,
  one addition a neuron and step for each projection after the first, bias lines left
  out. A chip that adds all events into one register does none of these: its synops
  include them, and its profile must say so.
- `weight_bits_read`: each event and MAC reads its weight; zeros met by spikes are left
  to `synops_zero`. Reuse is the pricer's business.
- Signals are stored whole: a spiking population writes a bit a neuron and step, spike
  or not, and each projection from it reads them all; wider messages more bits. Who
  prices packets instead leaves these out.
- An update reads and writes u and v as far as the neuron keeps them, active or not.
- Work belongs to the token of the neuron that does it; an event to the token that sent
  it, or, if its source has no tokens, to the one that receives it. Padding is what
  belongs to positions from the sample's length on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spikewright import nodes as n
from spikewright.counting_begin import Run, begin_run, check_placement, note_traffic
from spikewright.counting_requests import (
    Placement,
    Request,
    measure,
    population_requests,
    signal_requests,
    synapse_requests,
    traffic_requests,
)
from spikewright.counting_signals import Inputs
from spikewright.counting_sums import Amount, Weights, steady_amount
from spikewright.counting_updates import Feeds, active_amount, feeds_of
from spikewright.counting_widths import state_bits, weight_bits
from spikewright.counts import OperationCount
from spikewright.errors import InputError
from spikewright.graph import Graph, Stage
from spikewright.run_counts import RunCounts
from spikewright.trace import SpikeTrace


def count_run(
    graph: Graph,
    trace: SpikeTrace,
    *,
    inputs: Inputs | None = None,
    lengths: npt.ArrayLike | None = None,
    embedding_bits: Mapping[str, int] | None = None,
    placement: Placement | None = None,
    strict: bool = False,
) -> RunCounts:
    """Count all operations of all samples of `trace`, by node, sample and step.

    The Output and axonal delays get nothing.

    Args:
        graph: TIMED or QUANTIZED.
        trace: of a run of this graph. Where it has only numbers of spikes, what depends
            on which neuron spiked is not counted, but listed.
        inputs: values of Inputs whose spikes are not in the trace, (samples, steps,
            *shape): integers are graded events, real numbers are MACs.
        lengths: tokens of each sample, (samples,); the others are padding.
        embedding_bits: bits that the host reads of its tables for each token, by Input.
        placement: packets and hops of a message of each neuron, by population.
        strict: refuse what cannot be counted.

    Raises:
        GraphError: the graph is not TIMED or QUANTIZED, or synapses do not join one
            population to one other node.
        InputError: the trace lacks a population, or its spikes, the inputs, the lengths
            or the placement do not fit the graph.
        CountError: `strict`, and something could not be counted.
    """
    plain, placed = count_placed(
        graph,
        trace,
        {} if placement is None else {"": placement},
        inputs=inputs,
        lengths=lengths,
        embedding_bits=embedding_bits,
    )
    counts = placed.get("", plain)
    if strict:
        counts.refuse_uncounted()
    return counts


def count_placed(
    graph: Graph,
    trace: SpikeTrace,
    placements: Mapping[str, Placement],
    *,
    inputs: Inputs | None = None,
    lengths: npt.ArrayLike | None = None,
    embedding_bits: Mapping[str, int] | None = None,
) -> tuple[RunCounts, dict[str, RunCounts]]:
    """Count a run once, and what its messages take under each of several placements.

    Args:
        graph: as for `count_run`, as are all but the placements.
        trace: of a run of this graph.
        placements: by any name, such as that of a chip.
        inputs: values of Inputs whose spikes are not in the trace.
        lengths: tokens of each sample.
        embedding_bits: bits read for each token, by Input.

    Returns:
        The counts without packets and hops, and those with them, by name.

    Raises:
        GraphError, InputError: as `count_run`.
    """
    graph.expect(Stage.TIMED, Stage.QUANTIZED)
    for each in placements.values():
        check_placement(graph, each)
    run = begin_run(graph, trace, inputs or {}, lengths)
    for name, node in graph.populations().items():
        _count_sent(run, name, node)
        if not isinstance(node, n.Input | n.BiasLine):
            _count_updates(run, name, node)
    for name in run.projections:
        _count_weight_bits(run, name)
    _count_embedding(run, embedding_bits or {})
    placed = {name: _placed(run, each) for name, each in placements.items()}
    return _result(run), {name: _result(each) for name, each in placed.items()}


def count_operations(graph: Graph, trace: SpikeTrace) -> dict[str, OperationCount]:
    """Return the totals of `count_run`, by node.

    Raises:
        GraphError, InputError: as `count_run`.
    """
    return count_run(graph, trace).totals()


def row_of_nodes(graph: Graph) -> dict[str, str]:
    """Name the population that each node works for: its target if it is synapses."""
    return {
        name: graph.out_of(name)[0].target if isinstance(node, n.SYNAPSES) else name
        for name, node in graph.nodes.items()
    }


def nodes_of_rows(graph: Graph) -> dict[str, list[str]]:
    """Return the nodes that work for each population."""
    found: dict[str, list[str]] = {}
    for name, row in row_of_nodes(graph).items():
        found.setdefault(row, []).append(name)
    return found


# --- counting ------------------------------------------------------------------------


def _count_sent(run: Run, name: str, node: n.Population) -> None:
    """Count what a population sends, and what that does at its synapses."""
    signal = run.signals[name]
    requests = [
        *population_requests(name, node, signal, run.slots),
        *(
            request
            for each in run.projections.values()
            if each.source == name
            for ask in (synapse_requests, signal_requests)
            for request in ask(each, signal, run.slots)
        ),
    ]
    _answer(run, name, requests)


def _answer(run: Run, name: str, requests: Sequence[Request]) -> None:
    """Note what is asked of what a population sends."""
    for request, amount in measure(run.grid, run.signals[name], requests):
        run.put(request.node, request.field, amount)


def _placed(run: Run, placement: Placement) -> Run:
    """Return a counted run with the packets and hops of a placement."""
    found = {name: dict(fields) for name, fields in run.found.items()}
    placed = replace(run, found=found, uncounted=dict(run.uncounted))
    for name in run.graph.populations():
        traffic, signal = placement.get(name, {}), run.signals[name]
        note_traffic(placed, name, traffic)
        requests = traffic_requests(name, traffic, signal, run.slots)
        _answer(placed, name, list(requests))
    return placed


def _count_updates(run: Run, name: str, node: n.Neurons | n.Graded) -> None:
    feeds = feeds_of(run.projections, run.signals, name)
    slots = run.slots[name] or 1
    active = active_amount(run.grid, node, run.signals[name], feeds, slots)
    run.put(name, "updates_active", active)
    every = _steady(run, node, np.ones(node.shape), slots)
    inactive = None if active is None else every + active * -1
    run.put(name, "updates_inactive", inactive)
    for keys, each in _each_step(node, feeds):
        if each.any():
            amount = _steady(run, node, each, slots)
            for key in keys:
                run.put(name, key, amount)


def _each_step(
    node: n.Neurons | n.Graded, feeds: Feeds
) -> Iterator[tuple[tuple[str, ...], npt.NDArray[np.int64]]]:
    """Yield what every update does, whatever happened; a number for each neuron."""
    yield ("state_bits_read", "state_bits_written"), state_bits(node)
    sums = sum(not isinstance(each.population, n.BiasLine) for each, _ in feeds)
    yield ("residual_additions",), np.full(node.shape, max(0, sums - 1))
    if isinstance(node, n.SpikingNeurons | n.Integrators):
        yield ("bias_additions",), (node.bias != 0).astype(np.int64)


def _steady(
    run: Run, node: n.Population, each: npt.NDArray[np.generic], slots: int
) -> Amount:
    spread = np.broadcast_to(each.reshape(-1), (math.prod(node.shape),))
    return steady_amount(run.grid, Weights(spread.astype(np.int64), slots))


def _count_weight_bits(run: Run, name: str) -> None:
    fields = run.found[name]
    width = weight_bits(run.projections[name].synapses)
    events = [
        fields[key] for key in ("synops", "graded_synops", "macs") if key in fields
    ]
    amount = events[0] * width if events else None
    run.put(name, "weight_bits_read", amount)


def _count_embedding(run: Run, embedding_bits: Mapping[str, int]) -> None:
    """Count what the host looks up, once a token: tables of bits, a bit an element."""
    for name, bits in embedding_bits.items():
        if name not in run.graph.inputs or run.grid.lengths is None or bits < 1:
            raise InputError(
                f"embedding_bits: {bits} for '{name}'; allowed: a positive number for "
                f"one of {', '.join(run.graph.inputs)}, together with lengths"
            )
        cells = np.zeros((run.grid.samples, run.grid.steps), dtype=np.int64)
        cells[:, 0] = run.grid.lengths
        tokens = run.slots[name] or 1
        shares = None
        if tokens > 1:
            shares = (~run.grid.is_padding(tokens)).sum(axis=0, dtype=np.int64)
        amount = Amount(cells, shares, 0) * bits
        run.put(name, "embedding_bits_read", amount)
        run.put(name, "lookups", amount)


def _result(run: Run) -> RunCounts:
    padding = {
        name: OperationCount(**{key: each.padding for key, each in fields.items()})
        for name, fields in run.found.items()
    }
    tokens = {
        name: {k: v.tokens for k, v in fields.items() if v.tokens is not None}
        for name, fields in run.found.items()
    }
    return RunCounts(
        run.grid.samples,
        run.grid.steps,
        {
            name: {key: each.cells for key, each in fields.items()}
            for name, fields in run.found.items()
        },
        {name: fields for name, fields in tokens.items() if fields},
        padding if run.grid.lengths is not None else {},
        tuple(run.uncounted),
    )
