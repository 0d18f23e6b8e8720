"""How much work was done, before any hardware is named."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class OperationCount:
    """Operations of a run. Counts are exact integers; they add and know no joules."""

    synops: int = 0
    """accumulates: one spike crossing one non-zero synapse"""
    synops_zero: int = 0
    """one spike or message meeting one stored weight that is zero; not in `synops`"""
    graded_synops: int = 0
    """one graded (integer or real) message crossing one non-zero synapse"""
    graded_levels: int = 0
    """absolute levels of those messages, added up, where they are known integers"""
    macs: int = 0
    """multiply-accumulates of real-valued inputs, zeros included"""
    macs_zero: int = 0
    """those of `macs` whose activation is zero"""
    updates_active: int = 0
    """neuron updates (one neuron, one step) that received input or spiked"""
    updates_inactive: int = 0
    """neuron updates that received nothing"""
    spikes: int = 0
    """spikes sent, whatever their fan-out"""
    residual_additions: int = 0
    """elementwise sums of what arrives over several ways"""
    bias_additions: int = 0
    """elementwise additions of a bias"""
    norm_elements: int = 0
    """elements that pass a normalization"""
    exp_elements: int = 0
    """elements that pass an exponential, a GELU or a tanh"""
    divisions: int = 0
    """elementwise divisions outside normalizations"""
    lookups: int = 0
    """elements read from an embedding table"""
    weight_bits_read: int = 0
    """bits of weights fetched, once for each event or MAC: reuse is the pricer's"""
    state_bits_read: int = 0
    """bits of neuron state fetched for updates"""
    state_bits_written: int = 0
    """bits of neuron state stored after updates"""
    activation_bits_read: int = 0
    """bits of signals fetched by who receives them"""
    activation_bits_written: int = 0
    """bits of signals stored by who sends them"""
    embedding_bits_read: int = 0
    """bits of an embedding table fetched"""
    packets: int = 0
    """spike messages between cores: one for each spike and core that it reaches"""
    hops_ew: int = 0
    """steps of packets from tile to tile, east or west"""
    hops_ns: int = 0
    """steps of packets from tile to tile, north or south"""
    barriers: int = 0
    """synchronizations of all cores: one a step of a sample"""

    def __add__(self, other: OperationCount) -> OperationCount:
        """Add field by field."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return OperationCount(*(a + b for a, b in pairs))

    def __mul__(self, times: int) -> OperationCount:
        """Repeat `times` times."""
        return OperationCount(*(amount * times for amount in astuple(self)))
