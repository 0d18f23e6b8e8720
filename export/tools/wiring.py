"""What the wiring of a graph does to tools: ends, sums, loops, the order of execution.

Both executors of NIRTorch decide by themselves in which order nodes run; an edge whose
source runs after its target brings the value of the step before. That is right for the
back edges of loops and wrong for all others, so their orders are worked out here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from spikewright import nodes as n
from spikewright.export.graphs.order import Wire, back_edges
from spikewright.export.tools.verdict import Effect, Obstacle
from spikewright.graph import Graph

# --- NIRTorch 2.6, nir_to_torch: snnTorch and SpikingJelly ---------------------------


def graph_module_obstacles(graph: Graph) -> Iterator[Obstacle]:
    """Find what stops NIRTorch's nir_to_torch."""
    for name in [*graph.inputs][1:]:
        yield Obstacle(name, "is a second Input", Effect.RAISES)
    for name in [*graph.outputs][1:]:
        yield Obstacle(name, "is a second Output", Effect.HANGS)
    for name in graph.outputs:
        if len(graph.into(name)) > 1:
            reason = "takes a sum, but an Output gives its edges one by one"
            yield Obstacle(name, reason, Effect.RAISES)
    if len(graph.inputs) == len(graph.outputs) == 1:
        yield from _wrongly_late(graph, _late_in_graph_module(graph))


def _late_in_graph_module(graph: Graph) -> set[Wire]:
    """Follow NIRTorch's queue: the nodes in the order of the file, by name.

    A node waits for its sources, unless the source can be reached from it and is not
    its only one: that edge is then taken to be late, whether or not it closes a loop.
    """
    (start,) = graph.inputs
    done, late = {start}, set[Wire]()
    queue = deque(sorted(set(graph.nodes) - {start, *graph.outputs}))
    queue.rotate(-sum(name < start for name in queue))  # the Input comes first
    while queue:
        name = queue.popleft()
        sources = [edge.source for edge in graph.into(name)]
        missing = [each for each in sources if each not in done]
        if missing and not _are_late(graph, name, missing, len(sources)):
            queue.append(name)
            continue
        done.add(name)
        late |= {(each, name) for each in missing}
    return late


def _are_late(graph: Graph, name: str, missing: Sequence[str], sources: int) -> bool:
    return sources > 1 and set(missing) <= _reachable(graph, name)


def _reachable(graph: Graph, start: str) -> set[str]:
    """Return `start` and all that follows it."""
    seen, waiting = {start}, [start]
    while waiting:
        for edge in graph.out_of(waiting.pop()):
            if edge.target not in seen:
                seen.add(edge.target)
                waiting.append(edge.target)
    return seen


def snntorch_obstacles(graph: Graph) -> Iterator[Obstacle]:
    """Find neurons with one weight in a loop: snnTorch nests them, NIRTorch fails."""
    for name, node in graph.nodes.items():
        if not isinstance(node, n.LIF | n.CubaLIF):
            continue
        for edge in graph.out_of(name):
            back = graph.out_of(edge.target)
            if (
                isinstance(graph.nodes[edge.target], n.Affine | n.Linear)
                and [each.target for each in back] == [name]
                and len(graph.into(edge.target)) == 1
            ):
                yield Obstacle(
                    name, f"is in a loop with '{edge.target}'", Effect.RAISES
                )


# --- NIRTorch 2.6, load: Norse -------------------------------------------------------


def executor_obstacles(graph: Graph) -> Iterator[Obstacle]:
    """Find what NIRTorch's older load gets wrong."""
    for name in [*graph.inputs][1:]:
        yield Obstacle(name, "is a second Input, only one is run", Effect.DIFFERS)
    for name in [*graph.outputs][1:]:
        reason = "is a second Output, only the one run last is given"
        yield Obstacle(name, reason, Effect.DIFFERS)
    if len(graph.inputs) == len(graph.outputs) == 1:
        order = _depth_first(graph)
        place = {name: index for index, name in enumerate(order)}
        late = {(a, b) for a, b in _wires(graph) if place[a] >= place[b]}
        yield from _wrongly_late(graph, late)
        if order[-1] != graph.output_name:
            reason = "is run last and given in place of the Output"
            yield Obstacle(order[-1], reason, Effect.DIFFERS)


def _depth_first(graph: Graph) -> list[str]:
    """Order nodes as they are met, depth first, along the edges in their order."""
    order: dict[str, None] = {}
    waiting = [graph.input_name]
    while waiting:
        name = waiting.pop()
        if name not in order:
            order[name] = None
            waiting += [edge.target for edge in reversed(graph.out_of(name))]
    return list(order)


# --- both ----------------------------------------------------------------------------


def _wires(graph: Graph) -> list[Wire]:
    return [(edge.source, edge.target) for edge in graph.edges]


def _wrongly_late(graph: Graph, late: set[Wire]) -> Iterator[Obstacle]:
    """Compare late edges with those that close a loop."""
    right = back_edges(list(graph.nodes), _wires(graph), [*graph.inputs])
    for source, target in _wires(graph):
        if (source, target) in late - right:
            reason = f"is run before its source '{source}'"
        elif (source, target) in right - late:
            reason = f"is run after '{source}', which closes a loop"
        else:
            continue
        yield Obstacle(target, reason, Effect.DIFFERS)


def missing_nodes(
    graph: Graph, kinds: Mapping[type[n.Node], object], effect: Effect
) -> Iterator[Obstacle]:
    """Find nodes of kinds that a tool does not have."""
    for name, node in graph.nodes.items():
        if type(node) not in kinds:
            kind = type(node).__name__
            yield Obstacle(name, f"is of a kind it lacks: {kind}", effect)
