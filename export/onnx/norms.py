"""Norms that an exporter wrote out in single operators.

    LayerNorm  d = x - mean(x);  y = d / sqrt(mean(d²) + eps)
    RMSNorm                      y = x / sqrt(mean(x²) + eps), also as a reciprocal

and then y * gamma + beta, with the weights that a norm has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import onnx

Producers = Mapping[str, onnx.NodeProto]
"""the node that gives a tensor"""


@dataclass(frozen=True)
class Norms:
    """The nodes of norms, by their first output."""

    ends: set[str] = field(default_factory=set)
    """the division: counts as the whole norm"""
    inside: set[str] = field(default_factory=set)
    """all other nodes: count as nothing"""


def find_norms(graph: onnx.GraphProto) -> Norms:
    """Find the norms in a graph."""
    producers = {node.output[0]: node for node in graph.node if node.output}
    norms = Norms()
    for node in graph.node:
        inside = _inside(node, producers)
        if inside:
            norms.ends.add(node.output[0])
            norms.inside.update(inside)
    weights = {each.name for each in graph.initializer}
    for node in graph.node:
        if node.output and _scales_a_norm(node, norms, weights, producers):
            norms.inside.add(node.output[0])
    return norms


def _inside(node: onnx.NodeProto, producers: Producers) -> set[str]:
    """Return the outputs of the nodes before the division `node`, if it ends a norm."""
    for value, divisor in _divisions(node, producers):
        root = divisor[-1]
        summed = _fed_by(root, "Add", producers)
        mean = summed and _fed_by(summed, "ReduceMean", producers)
        square = mean and producers.get(mean.input[0])
        if summed and mean and square and _is_square(square, value):
            nodes = (*divisor, summed, mean, square)
            return {each.output[0] for each in nodes} | _centering(value, producers)
    return set()


def _divisions(
    node: onnx.NodeProto, producers: Producers
) -> Iterator[tuple[str, tuple[onnx.NodeProto, ...]]]:
    """Yield x and the nodes of s, a Sqrt the last, for x / s and for x * (1 / s)."""
    if len(node.input) != 2:
        return
    first, second = node.input
    if _is(node, "Div"):
        root = producers.get(second)
        if root is not None and _is(root, "Sqrt"):
            yield first, (root,)
    if _is(node, "Mul"):
        for value, divisor in ((first, second), (second, first)):
            inverse = producers.get(divisor)
            if inverse is not None and _is(inverse, "Reciprocal"):
                root = _fed_by(inverse, "Sqrt", producers)
                if root is not None:
                    yield value, (inverse, root)


def _is(node: onnx.NodeProto, kind: str) -> bool:
    return bool(node.op_type == kind)


def _fed_by(
    node: onnx.NodeProto, kind: str, producers: Producers
) -> onnx.NodeProto | None:
    """Return the node of this kind that feeds `node`, or None."""
    fed = [producers[name] for name in node.input if name in producers]
    return next((each for each in fed if _is(each, kind)), None)


def _is_square(node: onnx.NodeProto, value: str) -> bool:
    is_power = _is(node, "Pow") and node.input[0] == value
    return is_power or (_is(node, "Mul") and list(node.input) == [value, value])


def _centering(value: str, producers: Producers) -> set[str]:
    """Return the nodes of x - mean(x), if that is what `value` is."""
    difference = producers.get(value)
    if difference is None or not _is(difference, "Sub"):
        return set()
    mean = producers.get(difference.input[1])
    if mean is None or not _is(mean, "ReduceMean"):
        return set()
    is_own = mean.input[0] == difference.input[0]
    return {value, mean.output[0]} if is_own else set()


def _scales_a_norm(
    node: onnx.NodeProto, norms: Norms, weights: set[str], producers: Producers
) -> bool:
    """Say whether a node multiplies a norm by its gamma, or then adds its beta."""
    values = [name for name in node.input if name not in weights]
    if len(node.input) != 2 or len(values) != 1:
        return False
    if _is(node, "Mul"):
        return values[0] in norms.ends
    scaled = producers.get(values[0])
    return (
        _is(node, "Add")
        and scaled is not None
        and _is(scaled, "Mul")
        and values[0] in norms.inside
        and any(name in norms.ends for name in scaled.input)
    )
