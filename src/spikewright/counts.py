"""How much work was done, before any hardware is named."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class OperationCount:
    """Operations of a run. Counts are exact integers; they add and know no joules."""

    synops: int = 0
    """accumulates: one spike crossing one non-zero synapse"""
    graded_synops: int = 0
    """one graded (integer or real) message crossing one non-zero synapse"""
    macs: int = 0
    """multiply-accumulates of real-valued inputs, zeros included"""
    updates_active: int = 0
    """neuron updates (one neuron, one step) that received input or spiked"""
    updates_inactive: int = 0
    """neuron updates that received nothing"""
    spikes: int = 0
    """spikes sent, whatever their fan-out"""
    additions: int = 0
    """elementwise additions: residual sums and biases"""
    norm_elements: int = 0
    """elements that pass a normalization"""
    exp_elements: int = 0
    """elements that pass an exponential, a GELU or a tanh"""
    lookups: int = 0
    """elements read from an embedding table"""

    def __add__(self, other: OperationCount) -> OperationCount:
        """Add field by field."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return OperationCount(*(a + b for a, b in pairs))

    def __mul__(self, times: int) -> OperationCount:
        """Repeat `times` times."""
        return OperationCount(*(amount * times for amount in astuple(self)))
