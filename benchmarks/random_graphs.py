"""Random graphs of every node kind, for the benchmarks and the tests.

All numbers are dyadic and small, and decays are 0, 1/2, 3/4 or 1: float64 sums of a
dozen steps are exact in any order, and potentials often sit right on a threshold. The
graphs can be QUANTIZED: what sends numbers leads to a Threshold or an Output of its
own, and loops have the Delays that a chip needs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from random_ways import (
    DT_S,
    Floats,
    Sketch,
    affine,
    alike,
    conv1d,
    conv2d,
    flat,
    pool,
    wait,
)

from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    IF,
    LI,
    LIF,
    CubaLI,
    CubaLIF,
    I,
    Input,
    Node,
    Output,
    Scale,
    Shape,
    Threshold,
)

INPUT_RATE = 0.4


def random_graph(seed: int) -> Graph:
    """Return a CONTINUOUS graph for a seed; its time step is `DT_S`."""
    sketch = Sketch(np.random.default_rng(seed))
    for name in ("input", "input_2")[: sketch.draw(1, 2)]:
        sketch.shapes[name] = sketch.input_shape()
        sketch.add(name, Input(sketch.shapes[name]))
    for index in range(sketch.draw(4, 6)):
        grow(sketch, f"n{index}")
    loop_back(sketch)
    end(sketch)
    edges = tuple(dict.fromkeys(sketch.edges))
    return Graph(sketch.nodes, edges, Stage.CONTINUOUS)


def random_inputs(
    graph: Graph, seed: int, samples: int, steps: int
) -> dict[str, npt.NDArray[np.uint8]]:
    """Return random spikes for each Input: (samples, steps, *input shape)."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.random((samples, steps, *node.shape)) < INPUT_RATE).astype(np.uint8)
        for name, node in graph.inputs.items()
    }


# --- populations ---------------------------------------------------------------------


def grow(sketch: Sketch, name: str) -> None:
    """Add a population behind the last one, and behind some others."""
    *others, last = sketch.shapes
    way, shape = onward(sketch, last)
    arriving = [wait(sketch, way, shape) if sketch.chance(0.15) else way]
    for source in others:
        if sketch.chance(0.4):
            if sketch.shapes[source] == shape:
                arriving.append(alike(sketch, source))
            elif len(shape) == 1:
                arriving.append(flat(sketch, source, shape[0]))
    neurons(sketch, name, shape, arriving)
    sketch.shapes[name] = shape
    if sketch.chance(0.3):
        join(sketch, name, name, delay=0)


def onward(sketch: Sketch, source: str) -> tuple[str, Shape]:
    """Lead a source to a population of a shape that suits it."""
    shape = sketch.shapes[source]
    if len(shape) == 1 or sketch.chance(0.15):
        size = sketch.draw(3, 7)
        return flat(sketch, source, size), (size,)
    if len(shape) == 3:
        if sketch.chance(0.4):
            return pool(sketch, source)
        return conv2d(sketch, source, shape)
    if sketch.chance(0.6):
        return conv1d(sketch, source)
    given = (shape[0], sketch.draw(2, 4))
    return affine(sketch, f"{source}_rows", source, (*given, shape[1])), given


def neurons(sketch: Sketch, name: str, shape: Shape, sources: list[str]) -> None:
    """Add a population of a random kind behind its sources."""
    sketch.entries[name] = name
    threshold = sketch.eighths(2, 6, shape if sketch.chance(0.5) else ())
    threshold = np.broadcast_to(threshold, shape) + 0.0
    reset = sketch.eighths(-2, 1, shape) * sketch.chance(0.3)
    leak = sketch.eighths(-2, 2, shape) * sketch.chance(0.3)
    slow, fast = time_constant(sketch, shape), time_constant(sketch, shape)
    gain = 2.0 ** sketch.draw(0, 1)
    r, one = gain * slow / DT_S, np.ones(shape)
    match sketch.draw(0, 5):
        case 0:
            sketch.add(name, Threshold(threshold), *sources)
        case 1:
            sketch.add(name, IF(gain * one / DT_S, threshold, reset), *sources)
        case 2 | 3:
            sketch.add(name, LIF(slow, r, leak, threshold, reset), *sources)
        case 4:
            given = (fast, slow, r, leak, threshold, reset, fast / DT_S)
            sketch.add(name, CubaLIF(*given), *sources)
        case _:
            soft_reset(sketch, name, threshold, sources)


def time_constant(sketch: Sketch, shape: Shape) -> Floats:
    """Return 1, 2 or 4 steps, now and then another one for each neuron."""
    power = sketch.rng.integers(0, 3, shape if sketch.chance(0.3) else ())
    return np.broadcast_to(2.0**power * DT_S, shape) + 0.0


def soft_reset(
    sketch: Sketch, name: str, threshold: Floats, sources: list[str]
) -> None:
    """Add LI -> Threshold, mostly with the loop that takes the threshold off."""
    entry = f"{name}_v"
    sketch.entries[name] = sketch.add(
        entry, integrators(sketch, threshold.shape), *sources
    )
    sketch.add(name, Threshold(threshold), entry)
    if sketch.chance(0.8):
        sketch.edges.append(
            Edge(sketch.add(f"{name}_drop", Scale(-threshold), name), entry)
        )
    if sketch.chance(0.3):
        sketch.add(f"{entry}_out", Output(threshold.shape), entry)


def integrators(sketch: Sketch, shape: Shape) -> Node:
    """Return an LI, I or CubaLI."""
    slow, fast = time_constant(sketch, shape), time_constant(sketch, shape)
    leak = sketch.eighths(-1, 1, shape) * sketch.chance(0.3)
    r = slow / DT_S
    kinds = (LI(slow, r, leak), CubaLI(fast, slow, r, leak, fast / DT_S))
    return (*kinds, I(np.ones(shape) / DT_S))[sketch.draw(0, 2)]


# --- loops and ends ------------------------------------------------------------------


def join(sketch: Sketch, source: str, target: str, *, delay: int) -> None:
    """Lead one population to another, at least so many steps later."""
    shape = sketch.shapes[target]
    if sketch.shapes[source] == shape:
        way = alike(sketch, source)
    elif len(shape) == 1:
        way = flat(sketch, source, shape[0])
    else:
        return
    way = wait(sketch, way, shape, delay) if delay else way
    sketch.edges.append(Edge(way, sketch.entries[target]))


def loop_back(sketch: Sketch) -> None:
    """Lead a late population to an early one, with a step for each synapse between."""
    names = list(sketch.entries)
    early, late = sorted(sketch.rng.choice(len(names), 2, replace=False))
    join(sketch, names[late], names[early], delay=int(late - early) + 1)


def end(sketch: Sketch) -> None:
    """Give each population a reader: Outputs that sum, count, or see as it is."""
    *_, last = sketch.entries
    sketch.add("output", Output(sketch.shapes[last]), last)
    if sketch.chance(0.4):
        size = sketch.draw(1, 3)
        weighted = flat(sketch, last, size)
        readout = sketch.add("readout", integrators(sketch, (size,)), weighted)
        sketch.add("output_2", Output((size,)), readout)
    read = {edge.source for edge in sketch.edges}
    unread = [name for name in sketch.shapes if name not in read]
    if unread or sketch.chance(0.3):
        ways = [flat(sketch, name, 2) for name in dict.fromkeys([*unread, last])]
        sketch.add("output_3", Output((2,)), *ways)


def side_by_side(graphs: Mapping[str, Graph]) -> Graph:
    """One graph of many of a stage: a Lava child takes longer to start than to run.

    Node b of graph a is called a/b.
    """
    first = next(iter(graphs.values()))
    return Graph(
        {f"{k}/{name}": v for k, g in graphs.items() for name, v in g.nodes.items()},
        tuple(
            Edge(f"{k}/{edge.source}", f"{k}/{edge.target}", edge.delay)
            for k, g in graphs.items()
            for edge in g.edges
        ),
        first.stage,
        first.dt_s,
        {f"{k}/{name}": t for k, g in graphs.items() for name, t in g.arrival.items()},
    )
