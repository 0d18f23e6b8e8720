"""How NIR spells snnTorch's neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import snntorch
from torch import nn

from spikewright import nodes as n
from spikewright.errors import GraphError
from spikewright.export.snntorch.convert.maps import scaled
from spikewright.export.snntorch.convert.neurons import Neuron
from spikewright.export.snntorch.convert.signal import (
    Signal,
    Source,
    numbers,
    per_sample,
    summed,
)
from spikewright.export.snntorch.convert.sketch import Sketch
from spikewright.values import FloatArray

ENDLESS = 2.0**60
"""a time constant in steps whose decay, 1 - 2**-60, is 1 in float64"""

AddMap = Callable[[str, nn.Module, Signal], Signal]


@dataclass(frozen=True, eq=False)
class _Filter:
    """v = decay v + a: tau = dt / (1 - decay), and r = tau / dt makes the gain 1."""

    decay: FloatArray
    tau_s: FloatArray
    r: FloatArray


def _filter(decay: FloatArray, dt_s: float) -> _Filter:
    with np.errstate(divide="ignore"):
        tau_s = np.where(decay == 1, ENDLESS * dt_s, dt_s / (1.0 - decay))
    return _Filter(decay, tau_s, tau_s / dt_s)


def add_neuron(
    sketch: Sketch, neuron: Neuron, signal: Signal, reads: set[str], add_map: AddMap
) -> None:
    """Add the nodes of a neuron.

    Args:
        sketch: where to.
        neuron: the neuron.
        signal: what it takes.
        reads: what others use of it: "spk", "mem", "syn".
        add_map: adds the map of a layer under a name, such as the recurrent one.
    """
    layer = neuron.layer
    if isinstance(layer, snntorch.RLeaky | snntorch.RSynaptic):
        sent = Signal((Source(neuron.base, 1, False),), signal.places, signal.shape)
        back = add_map(neuron.part("recurrent"), layer.recurrent, sent)
        signal, reads = summed([signal, back]), {*reads, "spk"}
    speller = _Speller(sketch, neuron, signal, reads)
    if isinstance(layer, snntorch.Alpha):
        speller.alpha()
    elif isinstance(layer, snntorch.Synaptic | snntorch.RSynaptic):
        speller.synaptic()
    elif isinstance(layer, snntorch.Lapicque):
        speller.lapicque()
    else:
        speller.leaky(signal, speller.filter_of("beta"))


@dataclass(frozen=True)
class _Speller:
    """Spells one neuron."""

    sketch: Sketch
    neuron: Neuron
    signal: Signal
    reads: set[str]

    # --- spellings -------------------------------------------------------------------

    def leaky(self, signal: Signal, membrane: _Filter) -> None:
        """LIF or IF; or LI or I, and a Threshold; or that alone if nothing is kept."""
        threshold, reset = self._parameter("threshold"), self.neuron.reset
        needs_v = reset != "zero" and (reset != "none" or "mem" in self.reads)
        if not np.any(membrane.decay) and not needs_v:
            self._fires_at(threshold, signal)
        elif reset == "zero":
            self.sketch.add(self.neuron.base, self._spiking(membrane), signal)
        else:
            self._integrate_and_fire(signal, membrane, threshold)

    def lapicque(self) -> None:
        """Spell v = (1 - T/RC) v + T/C a: a Scale, and then as a Leaky."""
        layer = self.neuron.layer
        rate = numbers(layer.time_step / (layer.R * layer.C)).astype(np.float64)
        wrong = ~((rate > 0) & (rate <= 1))
        if np.any(wrong):
            with np.errstate(divide="ignore"):
                steps = 1.0 / rate[wrong]
            raise GraphError(
                f"neuron '{self.neuron.path}': R C is {steps[0]:g} time steps; "
                "allowed: finite, 1 or more; choose larger R or C, or use Leaky"
            )
        gain = numbers(layer.R).astype(np.float64) * rate
        signal, name = self.signal, self.neuron.part("scale")
        if np.any(gain != 1):
            signal = scaled(self.sketch, name, signal, gain)
        decay = self.signal.laid_out(1.0 - rate)
        self.leaky(signal, _filter(decay, self.sketch.dt_s))

    def synaptic(self) -> None:
        """CubaLIF, or CubaLI and a Threshold, or two LI in a row and the loop."""
        current, membrane = self.filter_of("alpha"), self.filter_of("beta")
        threshold, reset = self._parameter("threshold"), self.neuron.reset
        zeros = np.zeros(threshold.shape)
        both = (current.tau_s, membrane.tau_s, membrane.r, zeros)
        is_read = "syn" in self.reads
        if reset in ("zero", "none") and not (np.any(current.decay) or is_read):
            self.leaky(self.signal, membrane)
        elif reset == "zero":
            node = n.CubaLIF(*both, threshold, zeros, current.r)
            self.sketch.add(self.neuron.base, node, self.signal)
        elif reset == "none" and not is_read:
            sent = self._sends_v(n.CubaLI(*both, current.r), self.signal)
            if "spk" in self.reads:
                self._fires_at(threshold, sent)
        else:
            name = self.neuron.part("syn")
            self.sketch.add(name, self._integrator(current), self.signal)
            self._integrate_and_fire(self._sent_by(name), membrane, threshold)

    def alpha(self) -> None:
        """Two LI beside each other, weighted against each other."""
        slow, fast = self.filter_of("alpha"), self.filter_of("beta")
        with np.errstate(divide="ignore"):
            logs = np.log(slow.decay), np.log(fast.decay)
            gain = logs[0] / (logs[1] - logs[0]) + 1
        weighted = []
        for current, scale, one, factor in (
            ("exc", "gain", slow, gain),
            ("inh", "loss", fast, -gain),
        ):
            names = self.neuron.part(current), self.neuron.part(scale)
            self.sketch.add(names[0], self._integrator(one), self.signal.shared())
            self.sketch.add(names[1], n.Scale(factor), self._sent_by(names[0]))
            weighted.append(self._sent_by(names[1]))
        if "spk" in self.reads:
            self._fires_at(self._parameter("threshold"), summed(weighted))

    # --- parts -----------------------------------------------------------------------

    def _integrate_and_fire(
        self, signal: Signal, membrane: _Filter, threshold: FloatArray
    ) -> None:
        """Add LI and Threshold, and the loop that subtracts at the next step."""
        neuron = self.neuron
        sent = self._sends_v(self._integrator(membrane), signal)
        if neuron.reset != "none" or "spk" in self.reads:
            self._fires_at(threshold, sent)
        if neuron.reset == "none":
            return
        kept = membrane.decay if neuron.reset == "at once" else 1.0
        loop, spikes = neuron.part("reset"), self._sent_by(neuron.base)
        self.sketch.add(loop, n.Scale(-threshold * kept), spikes)
        late = replace(spikes, sources=(Source(loop, 1),))
        self.sketch.feed(neuron.part("mem"), late)
        if neuron.reset == "at once" and "mem" in self.reads:
            self.sketch.add(neuron.part("drop"), n.Scale(-threshold), spikes)

    def _sends_v(self, node: n.Node, signal: Signal) -> Signal:
        """Add what sends a potential, under the neuron's own name if nothing fires."""
        name = self.neuron.part("mem")
        if self.neuron.reset == "none" and "spk" not in self.reads:
            self.sketch.aliases[name] = name = self.neuron.base
        self.sketch.add(name, node, signal)
        return self._sent_by(name)

    def _fires_at(self, threshold: FloatArray, signal: Signal) -> None:
        self.sketch.add(self.neuron.base, n.Threshold(threshold), signal)

    def _sent_by(self, name: str) -> Signal:
        source = Source(name, 0, False)
        return Signal((source,), self.signal.places, self.signal.shape)

    def _spiking(self, membrane: _Filter) -> n.Node:
        threshold = self._parameter("threshold")
        zeros = np.zeros(threshold.shape)
        if np.all(membrane.decay == 1):
            r = np.full(threshold.shape, 1.0 / self.sketch.dt_s)
            return n.IF(r, threshold, zeros)
        return n.LIF(membrane.tau_s, membrane.r, zeros, threshold, zeros)

    def _integrator(self, one: _Filter) -> n.Node:
        if np.all(one.decay == 1):
            return n.I(np.full(one.decay.shape, 1.0 / self.sketch.dt_s))
        return n.LI(one.tau_s, one.r, np.zeros(one.decay.shape))

    # --- parameters ------------------------------------------------------------------

    def filter_of(self, name: str) -> _Filter:
        """Return the filter with a decay that snnTorch clamps to 0 … 1."""
        decay = np.clip(self._parameter(name), 0.0, 1.0)
        return _filter(decay, self.sketch.dt_s)

    def _parameter(self, name: str) -> FloatArray:
        """Return a parameter as it lies in the graph, one value for each neuron."""
        where, shape = f"neuron '{self.neuron.path}'", self.signal.places.shape
        values = per_sample(getattr(self.neuron.layer, name), len(shape), where)
        if np.broadcast_shapes(values.shape, shape) != shape:
            raise GraphError(
                f"{where}: {name} has shape {values.shape}, but its neurons {shape}; "
                "give one value, or one for each neuron"
            )
        return self.signal.laid_out(values)
