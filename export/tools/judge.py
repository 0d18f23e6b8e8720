"""Which tools load a NIR file exactly, and which node stops the others.

The verdicts are those of importers of one version, measured; `make conformance` loads
files in the tools themselves and fails if a verdict is wrong. See docs/interchange.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from spikewright.export.tools import names, nodes, wiring
from spikewright.export.tools.nodes import Rules
from spikewright.export.tools.ties import Tie, find_ties
from spikewright.export.tools.verdict import Effect, Obstacle, ToolVerdict
from spikewright.graph import Graph, Stage

USUAL_DT_S = 1e-4
"""the time step that snnTorch and SpikingJelly write files for"""


@dataclass(frozen=True)
class Tool:
    """An importer of NIR files, and what it can load."""

    name: str
    version: str
    rules: Rules
    """kind of node -> what its parameters must be; kinds left out do not load"""
    on_unknown_kinds: Effect
    wiring: tuple[Callable[[Graph], Iterator[Obstacle]], ...]
    names: Callable[[Iterable[str]], Iterator[Obstacle]]
    loads_nested: bool
    """graphs in the graph"""
    fires_at_threshold: bool
    """spikes where v >= threshold, while NIR says v > threshold"""


TOOLS = (
    Tool(
        name="snnTorch",
        version="1.0.0",
        rules=nodes.SNNTORCH,
        on_unknown_kinds=Effect.RAISES,
        wiring=(wiring.graph_module_obstacles, wiring.snntorch_obstacles),
        names=names.graph_module_obstacles,
        loads_nested=False,
        fires_at_threshold=False,
    ),
    Tool(
        name="SpikingJelly",
        version="2.0.0",
        rules=nodes.SPIKINGJELLY,
        on_unknown_kinds=Effect.RAISES,
        wiring=(wiring.graph_module_obstacles,),
        names=names.graph_module_obstacles,
        loads_nested=False,
        fires_at_threshold=True,
    ),
    Tool(
        name="Norse",
        version="1.1.0",
        rules=nodes.NORSE,
        on_unknown_kinds=Effect.DIFFERS,
        wiring=(wiring.executor_obstacles,),
        names=names.executor_obstacles,
        loads_nested=True,
        fires_at_threshold=False,
    ),
)


def tool_verdicts(
    graph: Graph, *, dt_s: float | None = None, nested: Iterable[str] = ()
) -> tuple[ToolVerdict, ...]:
    """Judge for each tool whether a file with this graph computes there what NIR says.

    "Exactly" means: the same spikes for the same spikes at the Input, in batches, with
    the time step given to the importer. Tools compute in float32: a potential within
    its rounding of the threshold may fall on either side.

    Args:
        graph: a CONTINUOUS graph, as `read_nir` gives it, flat.
        dt_s: the time step that the file is for; 1e-4 s if it is not known.
        nested: the nodes of the file that are graphs, see `read_nested`.

    Raises:
        GraphError: the graph is not CONTINUOUS.
    """
    graph.expect(Stage.CONTINUOUS)
    step = USUAL_DT_S if dt_s is None else dt_s
    ties = tuple(find_ties(graph, step))
    inner = tuple(nested)
    return tuple(
        ToolVerdict(
            tool.name,
            tool.version,
            (*_nested(tool, inner), *_obstacles(tool, graph, step, ties)),
        )
        for tool in TOOLS
    )


def _nested(tool: Tool, nested: Iterable[str]) -> Iterator[Obstacle]:
    for name in () if tool.loads_nested else nested:
        yield Obstacle(name, "is a graph in the graph", Effect.RAISES)


def _obstacles(
    tool: Tool, graph: Graph, dt_s: float, ties: Iterable[Tie]
) -> Iterator[Obstacle]:
    yield from wiring.missing_nodes(graph, tool.rules, tool.on_unknown_kinds)
    for name, node in graph.nodes.items():
        for rule in tool.rules.get(type(node), ()):
            if found := rule(node, dt_s):
                yield Obstacle(name, *found)
    for each in tool.wiring:
        yield from each(graph)
    yield from tool.names(graph.nodes)
    yield from _tie_obstacles(tool, ties)


def _tie_obstacles(tool: Tool, ties: Iterable[Tie]) -> Iterator[Obstacle]:
    for tie in ties:
        if tool.fires_at_threshold:
            reason = (
                "can meet its threshold, for its numbers are round, and fires there"
            )
        elif not tie.is_exact:
            reason = (
                "can meet its threshold but for rounding, for its numbers are round"
            )
        else:
            continue
        yield Obstacle(tie.node, reason, Effect.MAY_DIFFER)
