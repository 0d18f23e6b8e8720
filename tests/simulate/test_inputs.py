"""Spikes from a file go straight into a run."""

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.export.lower import lower
from spikewright.simulate.inputs import load_spikes
from spikewright.simulate.run import run

SPIKES = np.arange(2 * 5 * 6).reshape(2, 5, 6) % 3 == 0
"""(samples, steps, neurons)"""


def save_single(path):
    np.save(path / "spikes.npy", SPIKES)
    return path / "spikes.npy"


def save_as_inputs(path):
    np.savez(path / "spikes.npz", inputs=SPIKES)
    return path / "spikes.npz"


def save_by_name(path):
    np.savez(path / "spikes.npz", input=SPIKES)
    return path / "spikes.npz"


@pytest.mark.parametrize("save", [save_single, save_as_inputs, save_by_name])
def test_each_form_of_file_runs_as_the_array_itself(save, tmp_path, decimal_graph):
    graph = lower(decimal_graph(0), dt_s=1e-3).graph
    found, known = run(graph, load_spikes(save(tmp_path))), run(graph, SPIKES)
    assert np.array_equal(found.output, known.output)
    assert known.output.any()


def test_names_that_the_graph_lacks_are_refused(tmp_path, decimal_graph):
    np.savez(tmp_path / "spikes.npz", other=SPIKES)
    graph = lower(decimal_graph(0), dt_s=1e-3).graph
    with pytest.raises(InputError, match="other"):
        run(graph, load_spikes(tmp_path / "spikes.npz"))


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "spikes.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="pickle"):
        load_spikes(tmp_path / "spikes.npy")
