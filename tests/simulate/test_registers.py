from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import OverflowDetectedError
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import DenseSynapses, Input, Node, Output, QuantizedNeurons
from spikewright.simulate.registers import RegisterUse, may_overflow, register_use
from spikewright.simulate.run import run


def _graph(weight: int, exponent: int, dv: int) -> Graph:
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "w": DenseSynapses(np.array([[weight, weight]]), exponent),
        "n": QuantizedNeurons((1,), dv, 10, 1.0),
        "output": Output((1,)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    arrival = {"input": 0, "n": 1, "output": 1}
    return Graph(nodes, edges, Stage.QUANTIZED, 1e-3, arrival)


@pytest.mark.parametrize(
    ("dv", "steps", "expected"),
    [
        # |a| <= 2 * 125 * 2**7 = 32000 of 131072
        (4096, 100, False),  # no memory: 32000
        (2048, 100, False),  # v <= 2 |a| = 64000
        (1024, 100, False),  # v <= 4 |a| = 128000
        (0, 4, False),  # v <= 4 |a| after 4 steps
        (0, 5, True),  # v <= 160000
    ],
)
def test_the_bound_by_hand(dv: int, steps: int, expected: bool) -> None:
    assert may_overflow(_graph(-125, 7, dv), steps) is expected


def test_a_lava_run_that_would_saturate_in_silence_is_refused() -> None:
    # v falls by 32000 a step and would stop at -131072 after 5.
    inputs = np.ones((1, 5, 2), dtype=np.uint8)
    with pytest.raises(OverflowDetectedError, match="potential of node 'n'"):
        run(_graph(-125, 7, 0), inputs, backend="lava")


def test_the_use_of_registers_by_hand() -> None:
    # 2 * 125 * 2**7 = 32000 of 131072
    use = register_use(_graph(-125, 7, 0))
    assert use == {"n": RegisterUse(1.0, 10, 32000.0, 32000 / 131072)}
