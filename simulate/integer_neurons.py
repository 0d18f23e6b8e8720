"""Loihi's neurons in floating point that is exact, for many samples at once.

All numbers here are integers (or multiples of 2**-12) that the type holds exactly, so
float32 gives what Loihi's 24-bit registers give, several times faster than int64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from spikewright.errors import OverflowDetectedError
from spikewright.loihi import (
    DECAY_ONE,
    MAX_CURRENT,
    MAX_MESSAGE,
    STATE_BITS,
    STATE_LIMIT,
)
from spikewright.nodes import IntArray, PerNeuron, QuantizedNeurons
from spikewright.simulate.integer_plan import FLOAT32_EXACT, Neurons, Target
from spikewright.simulate.kernels import Batch, Sent

Decay: TypeAlias = Callable[[Batch, Batch], None]
"""x = rsz(x k, 12) in place, from (x, scratch)"""


@dataclass(frozen=True)
class Register:
    """What must stay below a limit, and how it is called."""

    what: str
    letter: str
    limit: int
    unit: int = 1
    """by which the values are multiplied"""


INPUT = Register("weighted input", "a", MAX_CURRENT, 2**STATE_BITS)
CURRENT = Register("synaptic current", "u", STATE_LIMIT)
POTENTIAL = Register("membrane potential", "v", STATE_LIMIT)
SUM = Register("sum", "a", MAX_MESSAGE)


@dataclass(frozen=True)
class Place:
    """Where a run is."""

    first: int
    """number of the first sample of the batch"""
    step: int

    def refuse_overflow(
        self, target: Target, register: Register, values: Batch
    ) -> None:
        """Raise `OverflowDetectedError` if |values| (neurons, samples) is too large."""
        limit = register.limit * register.unit
        if max(float(values.max()), -float(values.min())) < limit:
            return
        worst = np.unravel_index(int(np.abs(values).argmax()), values.shape)
        neuron = [int(i) for i in np.unravel_index(worst[0], target.node.shape)]
        raise OverflowDetectedError(
            f"node '{target.name}', neuron {neuron}, sample "
            f"{self.first + int(worst[1])}, "
            f"step {self.step}: {register.what} {register.letter} is "
            f"{int(values[worst]) // register.unit}; allowed: |{register.letter}| "
            f"below {register.limit}; quantize with a smaller scale for this "
            "population, or make the sample shorter"
        )


@dataclass(frozen=True, eq=False)
class Group:
    """A population at work, for a batch of samples: its state, and how it changes."""

    target: Target
    u: Batch | None
    """(neurons, samples); None if the current has no memory"""
    v: Batch | None
    """None if the potential has no memory"""
    taken: Batch | None
    """what soft resets take from v at the next step"""
    u_decay: Decay
    v_decay: Decay
    drop: Batch | None
    """by how much, in units of v"""

    def rest(self) -> None:
        """Return to the state before the first step."""
        for state in (self.u, self.v, self.taken):
            if state is not None:
                state.fill(0)


def make_group(target: Target, batch: int) -> Group:
    """Return a population at rest for `batch` samples at once."""
    node, bounds, dtype = target.node, target.bounds, target.dtype
    assert isinstance(node, Neurons)  # noqa: S101 - an Output has no state
    shape = (int(np.prod(node.shape)), batch)
    drop = getattr(node, "drop", None)
    keeps_u = np.min(node.du) < DECAY_ONE
    keeps_v = np.min(node.dv) < DECAY_ONE or drop is not None
    return Group(
        target,
        np.zeros(shape, dtype) if keeps_u else None,
        np.zeros(shape, dtype) if keeps_v else None,
        None if drop is None else np.zeros(shape, dtype),
        make_decay(_column(node.du), bounds.u, batch, dtype),
        make_decay(_column(node.dv), bounds.v, batch, dtype),
        None if drop is None else _spread(_column(drop) << STATE_BITS, batch, dtype),
    )


def _column(value: PerNeuron) -> IntArray:
    """Return one number for all neurons, (1, 1), or one for each, (neurons, 1)."""
    column = np.asarray(value, dtype=np.int64).reshape(-1, 1)
    return column[:1] if np.all(column == column[0]) else column


def _spread(column: IntArray, batch: int, dtype: npt.DTypeLike) -> Batch:
    """Return a number for all, or one column a sample: short rows broadcast slowly."""
    values = column.astype(dtype)
    return values[0] if len(values) == 1 else np.repeat(values, batch, axis=1)


# --- decay ---------------------------------------------------------------------------


def make_decay(
    d: IntArray, bound: float, batch: int, dtype: npt.DTypeLike = np.float32
) -> Decay:
    """Return x -> rsz(x (4096 - d), 12) for integers |x| < 2**23.

    Args:
        d: (1, 1) or (neurons, 1), each 0 to 4096.
        bound: what |x| never exceeds.
        batch: samples, the columns of x.
        dtype: of x.
    """
    k = DECAY_ONE - d
    if np.all(k == DECAY_ONE):
        return _keep
    # The product needs as many bits as x and the odd part of k together.
    odd = int(np.max(k // np.maximum(1, k & -k)))
    is_short = min(bound, float(STATE_LIMIT)) * odd < FLOAT32_EXACT
    if is_short or np.dtype(dtype) == np.float64:
        return partial(_decay_at_once, _spread(k, batch, dtype) / DECAY_ONE)
    return partial(_decay_by_halves, _spread(k, batch, dtype))


def _keep(x: Batch, scratch: Batch) -> None:
    """rsz(x 4096, 12) = x."""


def _decay_at_once(factor: Batch, x: Batch, scratch: Batch) -> None:
    """x k / 4096 is exact, so cutting its fraction off is the shift towards zero."""  # noqa: D403
    np.multiply(x, factor, out=x)
    np.trunc(x, out=x)


def _decay_by_halves(k: Batch, x: Batch, scratch: Batch) -> None:
    """x = rsz(x k, 12), where x k has up to 35 bits and float32 has 24.

    Split x = 4096 h + l with h = trunc(x / 4096), so that h and l have the sign of x:

        rsz(x k, 12) = trunc(x k / 4096) = h k + trunc(l k / 4096),

    because h k is an integer and both terms have the same sign. Exact in float32:
    x / 4096 and l / 4096 have the bits of x and l; |l| <= 4095 and k <= 4096, so
    |l k| < 2**24; |h| < 2**11, so |h k| < 2**23; and |x k / 4096| <= |x| < 2**23.
    """  # noqa: D403
    np.multiply(x, 1 / DECAY_ONE, out=x)
    np.trunc(x, out=scratch)
    np.subtract(x, scratch, out=x)
    np.multiply(x, k, out=x)
    np.trunc(x, out=x)
    np.multiply(scratch, k, out=scratch)
    np.add(x, scratch, out=x)


# --- one step ------------------------------------------------------------------------


def advance(group: Group, a: Batch, scratch: Batch, sent: Sent, place: Place) -> None:
    """Compute one step; `QuantizedNeurons` and `QuantizedIntegrators` say what.

    Args:
        group: whose state changes.
        a: (neurons, samples), weighted inputs times 2**6; overwritten.
        scratch: as large as `a`.
        sent: what the population sends, written.
        place: where the run is, for errors.
    """
    target = group.target
    v = _potential(group, a, scratch, place)
    node = target.node
    if not isinstance(node, QuantizedNeurons):
        np.copyto(sent.values, v, casting="same_kind")
        return
    assert sent.mask is not None  # noqa: S101 - these neurons spike
    np.greater(v, node.vth << STATE_BITS, out=sent.mask)
    np.copyto(sent.values, sent.mask)
    sent.spikes = int(np.count_nonzero(sent.mask))
    if group.taken is not None and group.drop is not None:
        np.multiply(sent.values, group.drop, out=group.taken)
    elif group.v is not None:
        np.subtract(1, sent.values, out=scratch)
        np.multiply(v, scratch, out=v)


def _potential(group: Group, a: Batch, scratch: Batch, place: Place) -> Batch:
    """Return v before the reset."""
    bounds = group.target.bounds
    if bounds.a >= MAX_CURRENT:
        place.refuse_overflow(group.target, INPUT, a)
    current = _filtered(group.u, group.u_decay, a, scratch)
    if bounds.u >= STATE_LIMIT:
        place.refuse_overflow(group.target, CURRENT, current)
    v = _filtered(group.v, group.v_decay, current, scratch)
    if group.taken is not None:
        np.subtract(v, group.taken, out=v)
    if bounds.v >= STATE_LIMIT:
        place.refuse_overflow(group.target, POTENTIAL, v)
    return v


def _filtered(state: Batch | None, decay: Decay, x: Batch, scratch: Batch) -> Batch:
    """Return state = rsz(state k, 12) + x; x itself if nothing is remembered."""
    if state is None:
        return x
    decay(state, scratch)
    np.add(state, x, out=state)
    return state
