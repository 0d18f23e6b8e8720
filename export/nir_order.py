"""Order in a graph: which edges close a loop, and what comes before what."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from spikewright.errors import GraphError

Pair = tuple[str, str]


def back_edges(names: Sequence[str], edges: Sequence[Pair], start: str) -> set[Pair]:
    """Find the edges that close a loop.

    A depth-first search from `start`, then from every node not yet seen, follows the
    edges in their order; an edge to a node on the path being searched closes a loop.
    Where each loop has one entry, the result does not depend on the order of the edges.
    """
    following = _successors(names, edges)
    found: set[Pair] = set()
    done: set[str] = set()
    for root in (start, *names):
        if root not in done:
            found |= _search(root, following, done)
    return found


def _search(root: str, following: dict[str, list[str]], done: set[str]) -> set[Pair]:
    """Search from `root` and add what was seen to `done`, without recursion."""
    found: set[Pair] = set()
    path = {root: iter(following[root])}
    while path:
        here = next(reversed(path))
        target = next(path[here], None)
        if target is None:
            del path[here]
            done.add(here)
        elif target in path:
            found.add((here, target))
        elif target not in done:
            path[target] = iter(following[target])
    return found


def topological_order(
    names: Sequence[str], edges: Sequence[Pair], start: str
) -> list[str]:
    """Order nodes so that all but back edges point forward; ties by edge order.

    The result depends on the edges and on `start`, not on the order of `names`, as
    long as every node can be reached from `start`.
    """
    loops = back_edges(names, edges, start)
    forward = [edge for edge in edges if edge not in loops]
    rank = {start: -1}
    waits = dict.fromkeys(names, 0)
    for index, (_, target) in enumerate(forward):
        rank.setdefault(target, index)
        waits[target] += 1
    following = _successors(names, forward)
    ready = [(rank.get(name, len(edges)), name) for name in names if not waits[name]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for target in following[name]:
            waits[target] -= 1
            if not waits[target]:
                heapq.heappush(ready, (rank[target], target))
    return order


def check_wiring(kinds: dict[str, str], edges: Sequence[Pair]) -> None:
    """Check what nir does not, or repairs in silence by inventing Inputs and Outputs.

    Args:
        kinds: the kind of every node, such as "LIF".
        edges: (source, target).

    Raises:
        GraphError: there is not one Input and Output, an edge has no end, occurs twice,
            enters the Input or leaves the Output, or a node cannot be reached from the
            Input or leads nowhere.
    """
    start = _only(kinds, "Input")
    end = _only(kinds, "Output")
    seen: set[Pair] = set()
    for source, target in edges:
        _check_edge(source, target, kinds)
        if (source, target) in seen:
            raise GraphError(
                f"edge {source} -> {target} occurs twice; keep one, and to add a "
                "signal twice, put a Scale of 2 on it"
            )
        seen.add((source, target))
    reached = _reachable(start, _successors(list(kinds), edges))
    senders = {source for source, _ in edges}
    for name in kinds:
        if name not in reached:
            raise GraphError(
                f"node '{name}': cannot be reached from the Input '{start}'; "
                "connect it or remove it"
            )
        if name not in senders and name != end:
            raise GraphError(
                f"node '{name}': leads nowhere, only the Output '{end}' may end a "
                "path; connect it or remove it"
            )


def _only(kinds: dict[str, str], kind: str) -> str:
    found = [name for name, each in kinds.items() if each == kind]
    if len(found) != 1:
        raise GraphError(
            f"a graph needs exactly one {kind}, got {len(found)}: "
            f"{', '.join(found) or 'none'}; merge or split the model"
        )
    return found[0]


def _check_edge(source: str, target: str, kinds: dict[str, str]) -> None:
    for name in (source, target):
        if name not in kinds:
            raise GraphError(
                f"edge {source} -> {target}: no node '{name}'; "
                f"nodes: {', '.join(sorted(kinds))}"
            )
    if kinds[target] == "Input" or kinds[source] == "Output":
        raise GraphError(
            f"edge {source} -> {target}: nothing may enter the Input or leave the "
            "Output; remove the edge"
        )


def _successors(names: Sequence[str], edges: Iterable[Pair]) -> dict[str, list[str]]:
    following: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        following[source].append(target)
    return following


def _reachable(start: str, following: dict[str, list[str]]) -> set[str]:
    seen = {start}
    waiting = [start]
    while waiting:
        for target in following[waiting.pop()]:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen
