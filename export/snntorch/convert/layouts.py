"""The orders in which the axes of the Inputs may lie in the graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from spikewright.export.snntorch.convert.axes import MOVES
from spikewright.export.snntorch.convert.signal import channels_first, in_order
from spikewright.export.snntorch.record.body import Body
from spikewright.export.snntorch.record.steps import Step
from spikewright.export.snntorch.record.tape import Argument, op
from spikewright.values import IntArray, Shape

_MOST = 64
Layout = tuple[IntArray, Shape]
"""of torch's shape, the place of each number in the graph; the shape in the graph"""


def layouts(body: Body) -> Iterator[dict[str, Layout]]:
    """Yield the ways in which the Inputs may lie, by argument; first as in torch."""
    names = list(body.arguments)
    options = [_options(body, name) for name in names]
    for chosen in itertools.islice(itertools.product(*options), _MOST):
        yield dict(zip(names, chosen, strict=True))


def shape_of(body: Body, name: str) -> Shape:
    """Return the shape of an argument at one step of one sample."""
    whole = list(body.steps.tape.arguments[name].shape)
    axis = body.arguments[name]
    if axis is not None:
        del whole[axis]
    return tuple(whole[1:])


def _options(body: Body, name: str) -> list[Layout]:
    """Return torch's axes, channels before tokens, and what it is reshaped to."""
    shape = shape_of(body, name)
    found = [(in_order(shape), shape)]
    if len(shape) > 1:
        found.append(channels_first(shape))
    for made in _reshaped(body, name):
        if len(made) > 1 and np.prod(made) == np.prod(shape):
            found.append((in_order(made).reshape(shape), made))
    unique = {(each.tobytes(), size): (each, size) for each, size in found}
    return list(unique.values())


def _reshaped(body: Body, name: str) -> Iterator[Shape]:
    """Yield the shapes of one sample that an Input goes through before any layer."""
    moved: set[int] = set()
    for call in body.steps.tape.calls:
        source = body.steps.resolved(call.args[0]) if call.args else None
        whole = source.source if isinstance(source, Step) else source
        is_input = isinstance(whole, Argument) and whole.name == name
        if op(call) in MOVES and (is_input or id(source) in moved):
            moved.add(id(call))
            yield tuple(call.shape[1:])
