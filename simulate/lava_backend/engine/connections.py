"""Makes the Lava processes of synapses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.sparse.process import DelaySparse, Sparse
from scipy.sparse import csr_matrix

from spikewright import nodes as n
from spikewright.linear import to_sparse
from spikewright.loihi import WEIGHT_BITS
from spikewright.nodes import Array
from spikewright.simulate.lava_backend.check import LavaWeights, lava_weights
from spikewright.simulate.lava_backend.engine.populations import Parts
from spikewright.simulate.lava_backend.engine.processes.synapses import LinearSynapses
from spikewright.simulate.lava_backend.plan import Link

GRADED_BITS = 24
"""num_message_bits of synapses behind a graded source; 0 would make it boolean"""


def make_synapses(parts: Parts, link: Link, name: str) -> AbstractProcess:
    """Make the process of the synapses of a link, with its delay if it is stock.

    Stock Conv is not used: it ignores `weight_exp`, holds its sizes in 8 bits (so it
    fails from 128 channels on) and takes a SciPy call for each pair of channels. Where
    only stock processes are allowed, Sparse expresses all that is not Dense.
    """
    node = parts.graph.nodes[name]
    assert isinstance(node, n.SYNAPSES)  # noqa: S101 - so says the link
    size = math.prod(parts.graph.nodes[link.source].shape)  # type: ignore[union-attr]
    is_graded = link.source in parts.plan.graded
    has_stock = isinstance(node, n.DenseSynapses | n.SparseSynapses)
    if parts.is_stock or (has_stock and not (is_graded and parts.plan.is_fixed)):
        return _stock_synapses(parts, link, node, size)
    # Stock synapses would also wrap large integer products in silence.
    return LinearSynapses(
        synapses=node,
        size=size,
        is_graded=is_graded,
        interval=parts.plan.run_steps,
        name=name,
    )


def _stock_synapses(
    parts: Parts, link: Link, node: n.Synapses, size: int
) -> AbstractProcess:
    if not isinstance(node, n.DenseSynapses):
        node = to_sparse(node, size)
    weight, exponent, bits = _stock_weights(node, is_fixed=parts.plan.is_fixed)
    common = _common(parts, link) | {"name": link.synapses}
    common |= {"weight_exp": exponent, "num_weight_bits": bits}
    delay = link.delay if parts.is_stock else 0
    if isinstance(node, n.SparseSynapses):
        matrix = csr_matrix((weight, (node.targets, node.sources)), node.shape)
        return _sparse(matrix, delay, common)
    if delay:
        return DelayDense(weights=weight, delays=delay, **common)
    return Dense(weights=weight, **common)


def _stock_weights(node: n.Synapses, *, is_fixed: bool) -> LavaWeights:
    """Return weights; the float models ignore the exponent and the bits."""
    if is_fixed:
        return lava_weights(node)
    weight = np.ldexp(node.weight.astype(np.float64), node.exponent)
    return LavaWeights(weight, 0, WEIGHT_BITS)


def _common(parts: Parts, link: Link) -> dict[str, Any]:
    bits = GRADED_BITS if link.source in parts.plan.graded else 0
    return {"num_message_bits": bits, "interval": parts.plan.run_steps}


def _sparse(weights: csr_matrix, delay: int, common: dict[str, Any]) -> AbstractProcess:
    if not delay:
        return Sparse(weights=weights, **common)
    delays = weights.astype(np.int64)
    delays.data[:] = delay
    return DelaySparse(weights=weights, delays=delays, **common)


def make_stock_delay(parts: Parts, link: Link, size: int) -> AbstractProcess:
    """Make a delay straight into an Output: an identity, one step by itself."""
    ones: Array = np.ones(size, np.int32 if parts.plan.is_fixed else np.float64)
    identity = csr_matrix((ones, (np.arange(size), np.arange(size))), (size, size))
    name = f"delay of {link.source} -> {link.target}"
    return _sparse(identity, link.delay - 1, _common(parts, link) | {"name": name})
