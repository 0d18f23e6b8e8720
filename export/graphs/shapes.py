"""The shapes at both ends of a CONTINUOUS node, without batch and without time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from spikewright import nodes as n
from spikewright.array_limit import check_array_bytes
from spikewright.errors import GraphError
from spikewright.export.graphs.order import Wire

_WIDTH = 8
"""bytes of a value in float64"""


def same_pads(taps: int, dilation: int) -> n.Pair:
    """Return the zeros before and after that "same" means, as torch has it."""
    total = dilation * (taps - 1)
    return total // 2, total - total // 2


def ends(name: str, node: n.Node) -> tuple[n.Shape, n.Shape]:
    """Return the shape that a node takes and the shape that it gives.

    Raises:
        GraphError: a window does not fit into what it slides over, or the node
            belongs to a later stage.
    """
    match node:
        case n.Affine(weight) | n.Linear(weight):
            *batch, targets, sources = weight.shape
            return (*batch, sources), (*batch, targets)
        case n.Conv1d() | n.Conv2d() | n.SumPool2d() | n.AvgPool2d():
            return _windowed(name, node)
        case n.Flatten(shape, target_shape):
            return shape, target_shape
        case n.Input(shape) | n.Output(shape):
            return shape, shape
        case n.Scale(values) | n.Delay(values) | n.Threshold(values):
            return values.shape, values.shape
        case n.LIF() | n.IF() | n.LI() | n.I() | n.CubaLIF() | n.CubaLI():
            return node.r.shape, node.r.shape
        case _:
            raise GraphError(
                f"node '{name}': {type(node).__name__} is no CONTINUOUS node"
            )


def _windowed(
    name: str, node: n.Conv1d | n.Conv2d | n.SumPool2d | n.AvgPool2d
) -> tuple[n.Shape, n.Shape]:
    match node:
        case n.Conv1d(weight, _, tokens, stride, padding, dilation, groups):
            targets, sources, taps = weight.shape
            given = _slide(name, tokens, taps, stride, padding, dilation)
            return (sources * groups, tokens), (targets, given)
        case n.Conv2d(weight, _, size, stride, padding, dilation, groups):
            targets, sources, *taps = weight.shape
            axes = zip(size, taps, stride, padding, dilation, strict=True)
            return (
                (sources * groups, *size),
                (targets, *(_slide(name, *axis) for axis in axes)),
            )
        case n.SumPool2d(shape, kernel, stride, pads) | n.AvgPool2d(
            shape, kernel, stride, pads
        ):
            around = [(pad, pad) for pad in pads]
            axes = zip(shape[1:], kernel, stride, around, (1, 1), strict=True)
            return shape, (shape[0], *(_slide(name, *axis) for axis in axes))


def _slide(
    name: str, length: int, taps: int, stride: int, pads: n.Pair, dilation: int
) -> int:
    """Return at how many places a window fits."""
    window = dilation * (taps - 1) + 1
    free = length + sum(pads) - window
    if free < 0:
        raise GraphError(
            f"node '{name}': {taps} taps, {window} long with their dilation, do not "
            f"fit into {length} values and {sum(pads)} zeros; use fewer taps or more "
            "padding"
        )
    return free // stride + 1


def check_shapes(nodes: Mapping[str, n.Node], edges: Iterable[Wire]) -> None:
    """Check that along every edge what is sent is what is taken.

    Raises:
        GraphError: the shapes at the ends of an edge differ.
    """
    for source, target in edges:
        sent, taken = (
            ends(source, nodes[source])[1],
            ends(target, nodes[target])[0],
        )
        if sent != taken:
            raise GraphError(
                f"edge {source} -> {target}: '{source}' sends shape {sent}, but "
                f"'{target}' takes shape {taken}; correct one of the two"
            )


def check_sizes(nodes: Mapping[str, n.Node]) -> None:
    """Check that signals are small enough to be computed with.

    A file merely declares some shapes, such as an Input's; no memory is given to any
    before this.

    Raises:
        InputError: a value for each place of a signal would be beyond the limit for the
            arrays of a file.
    """
    for name, node in nodes.items():
        for shape in ends(name, node):
            where = f"node '{name}': a signal of shape {shape}"
            check_array_bytes(where, _WIDTH * prod(shape))


def check_alike(name: str, kind: str, shapes: Mapping[str, n.Shape]) -> None:
    """Raise `GraphError` unless all parameters of a node have one shape."""
    if len(set(shapes.values())) > 1:
        got = ", ".join(f"{field} {shape}" for field, shape in shapes.items())
        raise GraphError(
            f"node '{name}': the parameters of a {kind} need one identical shape, "
            f"got {got}; repeat scalars to the full shape"
        )
