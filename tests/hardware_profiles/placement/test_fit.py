"""A network that its chip cannot hold is refused, with every limit that it breaks."""

import numpy as np
import pytest

from spikewright.errors import GraphError, LimitsExceededError, ProfileError
from spikewright.export.lower import lower
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.placement.fit import place_or_refuse
from spikewright.hardware_profiles.profiles.profile import load_profile
from spikewright.nodes import IF, Input, Linear, Output

DT_S = 1e-3


def one_neuron(sources: int) -> Graph:
    one = np.ones(1)
    nodes = {
        "in": Input((sources,)),
        "fc": Linear(np.ones((1, sources))),
        "if": IF(one / DT_S, one, np.zeros(1)),
        "out": Output((1,)),
    }
    edges = (Edge("in", "fc"), Edge("fc", "if"), Edge("if", "out"))
    return Graph(nodes, edges, Stage.CONTINUOUS)


def test_what_fits_is_lowered_as_without_a_profile():
    graph, loihi = one_neuron(4096), load_profile("loihi1")
    found = lower(graph, loihi, dt_s=DT_S).graph
    assert found.nodes.keys() == lower(graph, dt_s=DT_S).graph.nodes.keys()
    assert len(place_or_refuse(found, loihi).cores) == 1


def test_one_input_axon_too_many_is_refused_by_name():
    # A core of Loihi 1 has 4096 input axons, and a neuron lies on one core.
    with pytest.raises(
        LimitsExceededError, match=r"fit loihi1:\n  .*4,097 input axons"
    ):
        lower(one_neuron(4097), load_profile("loihi1"), dt_s=DT_S)


def test_a_profile_without_known_limits_cannot_be_asked():
    with pytest.raises(ProfileError, match="odin: the limits of its chip are not know"):
        lower(one_neuron(2), load_profile("odin"), dt_s=DT_S)


def test_float_numbers_cannot_be_placed():
    with pytest.raises(GraphError, match="lower to TIMED for loihi1: only integers"):
        lower(one_neuron(2), load_profile("loihi1"), dt_s=DT_S, to=Stage.TIMED)
