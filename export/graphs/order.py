"""Order in a graph: which edges close a loop, and what comes before what."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from spikewright.errors import GraphError

Wire: TypeAlias = tuple[str, str]
"""source and target of an edge"""


def back_edges(
    names: Sequence[str], edges: Sequence[Wire], starts: Sequence[str]
) -> set[Wire]:
    """Find the edges that close a loop.

    A depth-first search from `starts`, in the order in which edges leave them, then
    from every node not yet seen, follows the edges in their order; an edge to a node on
    the path being searched closes a loop. So the result depends on the order of the
    edges, which a NIR file keeps, and never on that of the nodes, which it does not;
    where each loop has one entry, on neither.
    """
    following = _successors(names, edges)
    found: set[Wire] = set()
    done: set[str] = set()
    for root in (*_in_order_of_edges(starts, edges), *names):
        if root not in done:
            found |= _search(root, following, done)
    return found


def _in_order_of_edges(starts: Sequence[str], edges: Sequence[Wire]) -> list[str]:
    wanted = set(starts)
    return list(dict.fromkeys(source for source, _ in edges if source in wanted))


def _search(root: str, following: dict[str, list[str]], done: set[str]) -> set[Wire]:
    """Search from `root` and add what was seen to `done`, without recursion."""
    found: set[Wire] = set()
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
    names: Sequence[str], edges: Sequence[Wire], starts: Sequence[str]
) -> list[str]:
    """Order nodes so that all but back edges point forward; ties by edge order.

    The result depends on the edges and on which nodes are `starts`, not on the order of
    either, as long as every node can be reached from them.
    """
    loops = back_edges(names, edges, starts)
    forward = [edge for edge in edges if edge not in loops]
    first = _in_order_of_edges(starts, edges)
    rank = {name: index - len(first) for index, name in enumerate(first)}
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


def check_wiring(kinds: Mapping[str, str], edges: Sequence[Wire]) -> None:
    """Check what nir does not, or repairs in silence by inventing Inputs and Outputs.

    Args:
        kinds: the kind of every node, such as "LIF".
        edges: (source, target).

    Raises:
        GraphError: there is no Input or Output, an edge has no end, occurs twice,
            enters an Input or leaves an Output, or a node cannot be reached from an
            Input or leads nowhere.
    """
    starts, stops = _of_kind(kinds, "Input"), _of_kind(kinds, "Output")
    seen: set[Wire] = set()
    for source, target in edges:
        _check_edge(source, target, kinds)
        if (source, target) in seen:
            raise GraphError(
                f"edge {source} -> {target} occurs twice; keep one, and to add a "
                "signal twice, put a Scale of 2 on it"
            )
        seen.add((source, target))
    reached = _reachable(starts, _successors(list(kinds), edges))
    senders = {source for source, _ in edges}
    for name, kind in kinds.items():
        if name not in reached:
            raise GraphError(
                f"node '{name}': cannot be reached from the {_listed('Input', starts)};"
                " connect it or remove it"
            )
        if name not in senders and kind != "Output":
            raise GraphError(
                f"node '{name}': leads nowhere, only the {_listed('Output', stops)} "
                "may end a path; connect it or remove it"
            )


def _of_kind(kinds: Mapping[str, str], kind: str) -> list[str]:
    found = [name for name, each in kinds.items() if each == kind]
    if not found:
        raise GraphError(
            f"a graph needs an {kind}, got none; nodes: {', '.join(sorted(kinds))}; "
            "add one"
        )
    return found


def _listed(kind: str, names: Sequence[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"{kind} {quoted}" if len(names) == 1 else f"{kind}s {quoted}"


def _check_edge(source: str, target: str, kinds: Mapping[str, str]) -> None:
    for name in (source, target):
        if name not in kinds:
            raise GraphError(
                f"edge {source} -> {target}: no node '{name}'; "
                f"nodes: {', '.join(sorted(kinds))}"
            )
    if kinds[target] == "Input" or kinds[source] == "Output":
        raise GraphError(
            f"edge {source} -> {target}: nothing may enter an Input or leave an "
            "Output; remove the edge"
        )


def _successors(names: Sequence[str], edges: Iterable[Wire]) -> dict[str, list[str]]:
    following: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        following[source].append(target)
    return following


def _reachable(
    starts: Sequence[str], following: Mapping[str, Sequence[str]]
) -> set[str]:
    seen = set(starts)
    waiting = [*starts]
    while waiting:
        for target in following[waiting.pop()]:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen
