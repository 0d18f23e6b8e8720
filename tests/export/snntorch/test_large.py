"""A student as large as BERT: 12 layers of 768 channels, 85 million weights."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from spikewright.export.from_snntorch import export_snntorch
from spikewright.nodes import Conv1d, Threshold

LAYERS = 12
student = import_module("large_student")  # of the benchmarks


@pytest.mark.slow
def test_a_student_as_large_as_bert_is_exported_and_proven() -> None:
    net = student.large_student()
    assert sum(p.numel() for p in net.parameters()) > 84e6
    graph = export_snntorch(net, student.spikes_for(), dt_s=1e-3)
    nodes = graph.nodes.values()
    assert sum(isinstance(node, Conv1d) for node in nodes) == 6 * LAYERS
    assert sum(isinstance(node, Threshold) for node in nodes) == 2 * LAYERS  # ANDs
    last = graph.nodes["layer_11_down"]
    assert isinstance(last, Conv1d) and last.weight.dtype == np.float32
    weight = net[-1].down.weight.detach().numpy()
    np.testing.assert_array_equal(last.weight[:, :, 0], weight)
