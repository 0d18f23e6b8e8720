"""What a run needs to know of its graph: links, windows, who sends numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spikewright import nodes as n
from spikewright.graph import Graph, Stage
from spikewright.simulate.inputs import Signals, is_binary
from spikewright.simulate.lava_backend.check import check_graph, check_stock
from spikewright.simulate.lava_backend.job import Processes

FIXED_TAG, FLOAT_TAG = "fixed_pt", "floating_pt"


@dataclass(frozen=True)
class Link:
    """A way from one population to the next, or to an Output."""

    source: str
    target: str
    delay: int
    """axonal delay in steps"""
    synapses: str | None
    """None: straight to an Output"""


@dataclass(frozen=True)
class Plan:
    """How long a sample runs, what is connected and recorded, and who sends numbers."""

    tag: str
    """Lava's name of the arithmetic"""
    steps: int
    """steps of a sample"""
    run_steps: int
    """steps of a run, until the last window closes"""
    links: tuple[Link, ...]
    recorded: tuple[str, ...]
    """spiking populations, then Outputs, in the graph's order"""
    islands: tuple[frozenset[str], ...]
    """populations and Outputs that hang together, where something is recorded"""
    graded: frozenset[str]
    """populations that send numbers instead of spikes"""

    @property
    def is_fixed(self) -> bool:
        """Whether the run is in fixed point."""
        return self.tag == FIXED_TAG


def make_plan(graph: Graph, inputs: Signals, processes: Processes) -> Plan:
    """Check a graph, and plan the run.

    Args:
        graph: TIMED or QUANTIZED.
        inputs: checked; by Input, (samples, steps, *input shape).
        processes: which Lava processes may stand for a node.

    Raises:
        GraphError: the graph cannot be built from these processes.
    """
    check_graph(graph)
    if processes == "stock":
        check_stock(graph)
    steps = next(iter(inputs.values())).shape[1]
    spiking = [k for k, v in graph.nodes.items() if isinstance(v, n.SPIKING)]
    recorded = (*spiking, *graph.outputs)
    links = tuple(_links(graph))
    return Plan(
        FIXED_TAG if graph.stage is Stage.QUANTIZED else FLOAT_TAG,
        steps,
        steps + max(graph.arrival.values()),
        links,
        recorded,
        tuple(_islands(links, recorded)),
        frozenset(_graded(graph, inputs)),
    )


def _links(graph: Graph) -> Iterable[Link]:
    """Yield the links; a delay behind synapses counts as one before them."""
    for edge in graph.edges:
        if isinstance(graph.nodes[edge.source], n.SYNAPSES):
            continue
        if isinstance(graph.nodes[edge.target], n.SYNAPSES):
            (last,) = graph.out_of(edge.target)
            delay = edge.delay + last.delay
            yield Link(edge.source, last.target, delay, edge.target)
        else:
            yield Link(edge.source, edge.target, edge.delay, None)


def _islands(links: Iterable[Link], recorded: Iterable[str]) -> list[frozenset[str]]:
    islands = [frozenset({name}) for name in recorded]
    for link in links:
        ends = {link.source, link.target}
        touched = [each for each in islands if each & ends]
        islands = [each for each in islands if not each & ends]
        islands.append(frozenset(ends).union(*touched))
    return [each for each in islands if each & set(recorded)]


def _graded(graph: Graph, inputs: Signals) -> Iterable[str]:
    yield from (k for k, v in graph.nodes.items() if isinstance(v, n.GRADED))
    yield from (name for name, array in inputs.items() if not is_binary(array))
