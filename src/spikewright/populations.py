"""What sends and receives signals: ends of a graph, neurons, in steps.

`a` is the summed input of a neuron at one step, `u` a synaptic current, `v` a membrane
potential, `s` a spike, 0 or 1; all start at 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from spikewright.values import ZERO, FloatArray, IntArray, Shape, Value

PerNeuron: TypeAlias = int | IntArray
"""one number for all neurons, or an array of the shape of the population"""

# --- every stage ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Input(Value):
    """Where the signal of a sample enters, one array of `shape` a step."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Output(Value):
    """Where the result leaves: out = scale * a.

    `scale` is the value of one integer unit in a QUANTIZED graph, 1 before.
    """

    shape: Shape
    scale: float = 1.0


# --- DISCRETE and later --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DelaySteps(Value):
    """y[t] = x[t - steps]; 0 before."""

    shape: Shape
    steps: PerNeuron


@dataclass(frozen=True, eq=False)
class BiasLine(Value):
    """s[t] = 1 for the steps of the sample, else 0: one neuron that carries biases."""

    shape: Shape = (1,)


@dataclass(frozen=True, eq=False)
class SpikingNeurons(Value):
    """u[t] = current_decay u[t-1] + a[t];  v[t] = decay v[t-1] + u[t] + bias.

    s[t] = v[t] > threshold. Then v = 0 where s; or, if there is a `drop`, v stays and
    loses `drop` at the next step (after the decay) where s: a soft reset.

    Covers LIF, IF (decay 1), Threshold (decay 0), CubaLIF, and snnTorch's default
    neuron (`drop` = threshold). v before the first step is `start`. `bias` and `start`
    are 0 once they travel on the bias line.
    """

    decay: FloatArray
    threshold: FloatArray
    bias: FloatArray
    current_decay: FloatArray = field(default_factory=lambda: ZERO)
    drop: FloatArray | None = None
    start: FloatArray = field(default_factory=lambda: ZERO)

    @property
    def shape(self) -> Shape:
        """Shape of the population."""
        return self.threshold.shape


@dataclass(frozen=True, eq=False)
class Integrators(Value):
    """u[t] = current_decay u[t-1] + a[t];  v[t] = decay v[t-1] + u[t] + bias.

    Sends gain * v[t], a graded value. Covers LI, I (decay 1) and CubaLI.
    """

    decay: FloatArray
    bias: FloatArray
    gain: FloatArray
    current_decay: FloatArray = field(default_factory=lambda: ZERO)

    @property
    def shape(self) -> Shape:
        """Shape of the population."""
        return self.decay.shape


# --- QUANTIZED: Loihi's registers (lava.proc.lif, fixed_pt) --------------------------


@dataclass(frozen=True, eq=False)
class QuantizedNeurons(Value):
    """u[t] = rsz(u[t-1] (4096 - du), 12) + (a[t] << 6).

    v[t] = rsz(v[t-1] (4096 - dv), 12) + u[t];  s[t] = v[t] > (vth << 6). Then v = 0
    where s; or, if there is a `drop`, v[t+1] loses (drop << 6) where s.

    rsz(x, n) shifts right towards zero; |a| < 2**17, |u| and |v| < 2**23. du = 4096 is
    no memory of the current (Lava writes 4095: it adds 1). `scale` integer units of `a`
    are worth 1 of the float graph.
    """

    shape: Shape
    dv: PerNeuron
    vth: int
    scale: float
    du: PerNeuron = 4096
    drop: PerNeuron | None = None


@dataclass(frozen=True, eq=False)
class QuantizedIntegrators(Value):
    """u[t] = rsz(u[t-1] (4096 - du), 12) + (a[t] << 6); sends v, 24 bits.

    v[t] = rsz(v[t-1] (4096 - dv), 12) + u[t].
    """

    shape: Shape
    dv: PerNeuron
    scale: float
    du: PerNeuron = 4096
