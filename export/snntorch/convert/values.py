"""Values and neurons of one step, as signals and nodes of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.functions import lower_function
from spikewright.export.snntorch.convert.maps import flattened
from spikewright.export.snntorch.convert.modules import (
    POOLS,
    lower_layer,
    lower_map,
    lower_pool,
)
from spikewright.export.snntorch.convert.neurons import Neuron, sources_of
from spikewright.export.snntorch.convert.signal import (
    AxesError,
    Signal,
    in_order,
    same_layout,
)
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.export.snntorch.convert.spellings import add_neuron
from spikewright.export.snntorch.record.body import Body
from spikewright.export.snntorch.record.layers import Delay
from spikewright.export.snntorch.record.states import sends
from spikewright.export.snntorch.record.steps import Step
from spikewright.export.snntorch.record.tape import (
    Argument,
    Call,
    Item,
    Value,
    is_stateful,
    taken,
)
from spikewright.values import Shape


class _UnknownAxesError(GraphError):
    """The axes of a neuron in a loop are not known yet."""

    def __init__(self, path: str) -> None:
        super().__init__(f"neuron '{path}': a loop without another way in")
        self.path = path


@dataclass(eq=False)
class Lowering:
    """Turns values into signals, each once, and neurons into nodes at the end."""

    body: Body
    sketch: Sketch
    inputs: Mapping[str, Signal]
    """by argument"""
    neurons: Mapping[str, Neuron]
    """by path"""
    takes: dict[str, Signal] = field(default_factory=dict)
    """what each neuron takes"""
    _signals: dict[tuple[int, int], Signal] = field(default_factory=dict)
    _like: dict[str, Signal] = field(default_factory=dict)
    """a signal that lies as each neuron does"""
    _reads: dict[str, set[str]] = field(default_factory=dict)
    """what is used of each neuron"""
    _open: list[str] = field(default_factory=list)
    """neurons of which the input is being looked for"""
    _shift: int = 0
    """1 while values are looked at as they were made, at the step before"""

    def __post_init__(self) -> None:
        self._readers = Counter(id(value) for value in _reads_of(self.body))

    def signal(self, value: Any) -> Signal:
        """Return a value as a signal of the graph."""
        value = self.body.steps.resolved(value)
        key = (id(value), self._shift)
        if key not in self._signals:
            is_absent = id(value) in self.body.absent and not self._shift
            self._signals[key] = (
                self._late_whole(value) if is_absent else self._lowered(value)
            )
        found = self._signals[key]
        return found.shared() if self._readers[id(value)] > 1 else found

    def signals(self, values: list[Any]) -> list[Signal]:
        """Return values that are combined number by number, so that they lie alike."""
        try:
            return [self.signal(value) for value in values]
        except _UnknownAxesError as error:
            if any(self._lies_like(error.path, value) for value in values):
                return self.signals(values)
            raise

    def _lies_like(self, path: str, value: Any) -> bool:
        """Learn how a neuron lies from a value that what it sends is added to."""
        try:
            found = self.signal(value)
        except _UnknownAxesError:
            return False
        shape = self._shape(path)
        if found.places.shape != shape:
            return False
        is_row = len(shape) == 1 and found.is_plain
        self._like[path] = Signal((), in_order(shape), shape) if is_row else found
        return True

    def _shape(self, path: str) -> Shape:
        """Return torch's shape of a neuron, without samples."""
        return tuple(taken(self.body.neurons[path]).shape[1:])

    def name(self, call: Call, kind: str) -> str:
        """Reserve a name for a node that stands for a call."""
        own = [each for each in (call.path, kind) if each]
        return self.sketch.name("_".join(own) or call.name.lower())

    def _lowered(self, value: Any) -> Signal:
        if isinstance(value, Argument):
            return self.inputs[value.name]
        if isinstance(value, Step):
            lag = self._lag(f"argument '{value.source.name}'", value.index)
            return self.inputs[value.source.name].late(lag)
        if isinstance(value, Item) and is_stateful(value.source.layer):
            return self._sent(value.source, value.index)
        call = value.source if isinstance(value, Item) else value
        if isinstance(call, Call):
            if call.layer is not None:
                return lower_layer(self, call)
            lower = lower_pool if call.name in POOLS else lower_function
            return lower(self, call)
        raise GraphError(
            "a layer takes, or forward returns, a constant where a signal is wanted; "
            "fold it into a bias"
        )

    def _late_whole(self, value: Any) -> Signal:
        """Return what was made at the step before, with its biases, a step late."""
        self._shift = 1
        try:
            found = self.signal(value)
        finally:
            self._shift = 0
        if found.constant is not None:
            raise GraphError(
                "a constant is added to what neurons sent, but not at the first step; "
                "add it at every step, or as the bias of a layer"
            )
        return found.late(1)

    def _lag(self, what: str, step: int) -> int:
        lag = self.body.last - self._shift - step
        if lag not in (0, 1):
            raise GraphError(
                f"{what}: what it was {lag} steps ago is used; a step of a graph sees "
                "itself and the step before; sums over steps are for the reader of the "
                "Output: return the steps stacked"
            )
        return lag

    # --- neurons ---------------------------------------------------------------------

    def _sent(self, call: Call, index: int) -> Signal:
        """Return what a neuron sends, now or at the step before."""
        lag = self._lag(f"neuron '{call.path}'", call.turn)
        if call.path not in self._like:
            if call.path in self._open:
                raise _UnknownAxesError(call.path)
            self._take(call.path)
        like, what = self._like[call.path], sends(call.layer)[index]
        self._reads.setdefault(call.path, set()).add(what)
        sources = sources_of(self.neurons[call.path], what)
        is_spikes = what == "spk" and not isinstance(call.layer, Delay)
        sent = Signal(sources, like.places, like.shape, is_spikes=is_spikes)
        return sent.late(lag)

    def take(self, path: str) -> None:
        """Find what flows into a neuron; a loop alone lies as torch's axes do."""
        try:
            self._take(path)
        except _UnknownAxesError as error:
            shape = self._shape(error.path)
            self._like[error.path] = Signal((), in_order(shape), shape)
            self.take(path)

    def _take(self, path: str) -> None:
        """Find what flows into a neuron; how the neuron lies follows from that."""
        if path in self.takes:
            return
        self._open.append(path)
        shift, self._shift = self._shift, 0
        try:
            found = self._ready(path, self.signal(taken(self.body.neurons[path])))
        finally:
            self._open.pop()
            self._shift = shift
        if not same_layout([self._like.setdefault(path, found), found]):
            raise AxesError(
                f"neuron '{path}': what it takes and what a loop brings back lie "
                "differently in the graph; transpose neither or both"
            )
        self.takes[path] = found

    def _ready(self, path: str, signal: Signal) -> Signal:
        """Put what a neuron takes in one row if that is how it must lie.

        So it must with a matrix from all to all, or if a loop brings it back so.
        """
        back = getattr(self.neurons[path].layer, "recurrent", None)
        like, is_row = self._like.get(path), signal.places.ndim == 1
        if like is not None and is_row and like.shape != signal.shape:
            return flattened(self.sketch, self.neurons[path].base, signal)
        if not isinstance(back, nn.Linear) or not is_row:
            return signal
        if not signal.is_plain:
            raise AxesError(
                f"neuron '{path}': its recurrent layer needs the axes of its input in "
                f"torch's order in the graph, where they lie as {signal.shape} in "
                "another; do not transpose or flatten tokens before it"
            )
        return flattened(self.sketch, self.neurons[path].base, signal)

    def add_neuron(self, path: str) -> None:
        """Add the nodes of a neuron."""
        neuron, found = self.neurons[path], self.takes[path]
        if isinstance(neuron.layer, Delay):
            delay_s = found.laid_out(neuron.layer.delay_s)
            self.sketch.add(neuron.base, n.Delay(delay_s), found)
            return

        def add_map(name: str, layer: Any, signal: Signal) -> Signal:
            return lower_map(self.sketch, self.sketch.name(name), layer, signal)

        add_neuron(self.sketch, neuron, found, self._reads.get(path, set()), add_map)


def _reads_of(body: Body) -> Iterator[Value]:
    """Yield each value of the last step as often as it is read."""
    roots = [each.value for each in body.outputs]
    roots += [taken(call) for call in body.neurons.values()]
    waiting = [body.steps.resolved(root) for root in roots]
    done: set[int] = set()
    while waiting:
        value = waiting.pop()
        if not isinstance(value, Value):
            continue
        yield value
        is_sent = isinstance(value, Item) and is_stateful(value.source.layer)
        if id(value) not in done and not is_sent:
            waiting += body.steps.operands(value)
        done.add(id(value))
