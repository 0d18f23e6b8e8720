"""Write docs/passes.md from the passes' docstrings: `python docs/make_passes.py`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from spikewright.export import lower as pipeline
from spikewright.export.nir.io import read_nir
from spikewright.graph import Graph, Stage

PAGE = Path(__file__).with_name("passes.md")
SAMPLE = Path(__file__).parents[1] / "tests" / "golden" / "residual_bias.nir"
SAMPLE_DT_S = 1e-4
HEAD = """\
# The passes

Written by `python docs/make_passes.py` from the docstrings; do not edit.

`lower` runs these passes, in this order. Each is a plain function from a graph to a
graph, which can be called alone. Pictures and reasons are in
[lowering.md](lowering.md), the names of all refusals in
[api.md](api.md#files-lowering-and-deployment).

Beside each pass: the stages of the graph before and after it, and the nodes and edges
that it leaves of a small network, two layers with biases and a skip around the second
(`tests/golden/residual_bias.nir`: 9 nodes, 9 edges).
"""


def passes_page() -> str:
    """Return the whole page."""
    sizes = dict(_sizes())
    rows = [f"| [`{name}`](#{name}) | {sizes[name]} |" for name in pass_names()]
    table = [
        "| pass | before | after | nodes | edges |",
        "|---|---|---|---|---|",
        *rows,
    ]
    parts = [HEAD, "\n".join(table) + "\n"]
    for name in pass_names():
        parts.append(f"## {name}\n")
        parts.append("\n".join(_section(name)) + "\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


def pass_names() -> list[str]:
    """Return the names in the tuple of `lower`, in its order."""
    tree = ast.parse(inspect.getsource(pipeline.lower))
    tuples = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "passes"
    ]
    return [ast.literal_eval(row.elts[0]) for row in tuples[0].elts]  # type: ignore[attr-defined, union-attr]


def _sizes() -> Iterator[tuple[str, str]]:
    """Yield the rest of each row: stages, nodes and edges of the sample network."""
    graph = read_nir(SAMPLE)
    seen: list[tuple[str, Graph]] = []
    pipeline.lower(
        graph, dt_s=SAMPLE_DT_S, after_pass=lambda *result: seen.append(result)
    )
    before: Stage = graph.stage
    for name, after in seen:
        stages = f"{before.name} | {after.stage.name}"
        yield name, f"{stages} | {len(after.nodes)} | {len(after.edges)}"
        before = after.stage


def _section(name: str) -> Iterator[str]:
    function: Callable[[Graph], Graph] = getattr(pipeline, name)
    module = import_module(function.__module__)
    place = function.__module__.removeprefix("spikewright.").replace(".", "/")
    yield f"*In `{place}.py`.*"
    yield ""
    reasons = inspect.cleandoc(module.__doc__ or "").partition("\n\n")[2]
    for part in (inspect.cleandoc(function.__doc__ or ""), reasons):
        yield from map(_escaped, _prose(part))
        yield ""


def _prose(docstring: str) -> Iterator[str]:
    """Turn the sections of a docstring into lists."""
    sections: Mapping[str, str] = {"Args:": "Arguments:", "Raises:": "Refused:"}
    inside = False
    for line in docstring.splitlines():
        if line in sections:
            inside = True
            yield from (sections[line], "")
        elif inside and re.match(r"    \w+: ", line):
            entry, _, rest = line.strip().partition(": ")
            yield f"- `{entry}`: {rest}"
        elif inside and line:
            yield "  " + line.strip()
        else:
            inside = False
            yield line


def _escaped(line: str) -> str:
    """Keep stars of powers and products from becoming bold print."""
    if line.startswith("    "):
        return line
    parts = line.split("`")
    parts[::2] = [each.replace("*", "\\*") for each in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    page = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    page.write_text(passes_page(), encoding="utf-8")
