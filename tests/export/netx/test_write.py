"""Graphs into netx files: values intact both ways, or rounded, or refused by name."""

from __future__ import annotations

import json
import runpy
from argparse import Namespace
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.cli.verbs.convert import run_convert
from spikewright.errors import GraphError, InputError
from spikewright.export.lower import lower
from spikewright.export.netx.io import (
    is_same,
    read_netx,
    read_netx_in_seconds,
    round_to_netx,
    write_netx,
)
from spikewright.export.netx.quantized import split
from spikewright.export.netx.read import read_layers
from spikewright.export.nir.io import read_nir, read_nir_dt, write_nir
from spikewright.files import read_graph
from spikewright.graph import Edge, Graph, Stage
from spikewright.simulate.run import run

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(file.stem for file in GOLDEN.glob("netx_*.net"))
every_golden_file = pytest.mark.parametrize("name", NAMES)
DT_S = 1e-3


def assert_same_layers(one: Path, other: Path) -> None:
    first, second = (read_layers(path) for path in (one, other))
    assert [*first] == [*second]
    for name, layer in first.items():
        assert is_same(layer, second[name]), name


# --- both ways -----------------------------------------------------------------------


@every_golden_file
def test_netx_to_integers_to_netx_keeps_every_value(name, tmp_path):
    path = GOLDEN / f"{name}.net"
    fits = write_netx(read_netx(path, dt_s=DT_S), tmp_path / "again.net")
    assert_same_layers(path, tmp_path / "again.net")
    assert {(fit.scale, fit.error) for fit in fits.values()} == {(64, 0)}


@every_golden_file
def test_netx_to_nir_to_netx_keeps_every_value(name, tmp_path):
    path = GOLDEN / f"{name}.net"
    graph = read_netx_in_seconds(path, dt_s=DT_S)
    write_nir(graph, tmp_path / "x.nir", dt_s=DT_S)
    fits = write_netx(read_nir(tmp_path / "x.nir"), tmp_path / "again.net", dt_s=DT_S)
    assert_same_layers(path, tmp_path / "again.net")
    assert {(fit.scale, fit.error) for fit in fits.values()} == {(64, 0)}


@every_golden_file
@pytest.mark.parametrize("dt_s", [1.0, 1e-4, 7e-5])
def test_the_integers_of_a_netx_file_come_back_from_nir(name, dt_s, tmp_path):
    path = GOLDEN / f"{name}.net"
    write_nir(read_netx_in_seconds(path, dt_s=dt_s), tmp_path / "x.nir", dt_s=dt_s)
    wanted = read_netx(path, dt_s=dt_s)
    got = round_to_netx(read_nir(tmp_path / "x.nir"), dt_s=dt_s)
    assert got.fingerprint() == wanted.fingerprint()


@every_golden_file
def test_float_arithmetic_fires_like_the_integers_in_these_networks(name):
    # it rounds no potential, so this holds where no rounding decides a spike
    path = GOLDEN / f"{name}.net"
    integers = read_netx(path, dt_s=DT_S)
    floats = lower(read_netx_in_seconds(path, dt_s=DT_S), dt_s=DT_S, to=Stage.TIMED)
    shape = next(iter(integers.inputs.values())).shape
    x = np.random.default_rng(3).random((2, 20, *shape)) < 0.25
    wanted, got = (run(graph, x) for graph in (integers, floats.graph))
    for population in wanted.spikes:
        assert np.array_equal(wanted.spikes[population], got.spikes[population])
    assert sum(int(spikes.sum()) for spikes in wanted.spikes.values()) > 100
    assert np.abs(wanted.output - got.output).max() < 0.01


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    graph = read_netx(GOLDEN / "netx_conv.net", dt_s=DT_S)
    for name in ("a.net", "b.net"):
        write_netx(graph, tmp_path / name)
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.net").read_bytes()


def test_the_file_has_the_fields_of_lava_dl(tmp_path):
    write_netx(read_netx(GOLDEN / "netx_conv.net", dt_s=DT_S), tmp_path / "x.net")
    with (
        h5py.File(tmp_path / "x.net") as new,
        h5py.File(GOLDEN / "netx_conv.net") as old,
    ):
        assert [*new["layer"]] == [*old["layer"]]
        for index in old["layer"]:
            assert set(old["layer"][index]) <= set(new["layer"][index])
            assert new["layer"][index]["type"][0] == old["layer"][index]["type"][0]


@pytest.mark.parametrize(
    ("weight", "parts"),
    [
        ([1, -1], [([1, -1], 0)]),
        ([0, 255], [([0, 255], 0)]),
        ([-256, 0], [([-128, 0], 1)]),
        ([254, -2], [([127, -1], 1)]),
        ([254, -256], [([127, -127], 1), ([0, -2], 0)]),
        ([4095, -3], [([127, 0], 5), ([31, -3], 0)]),
        ([0, 0], [([0, 0], 0)]),
    ],
)
def test_integers_are_split_into_8_bits(weight, parts):
    got = [(part.tolist(), exponent) for part, exponent in split(np.array(weight))]
    assert got == parts


# --- networks from elsewhere ---------------------------------------------------------


def lif(size, threshold=1.0, decay=0.875, leak=0.0):
    tau = np.full(size, DT_S / (1 - decay))
    return n.LIF(
        tau, tau / DT_S, np.full(size, leak), np.full(size, threshold), np.zeros(size)
    )


def chain(**nodes):
    named = {"input": n.Input((2,)), **nodes}
    named.setdefault("output", n.Output((2,)))
    edges = pairwise(named)
    return Graph(named, tuple(Edge(*edge) for edge in edges), Stage.CONTINUOUS)


def test_weights_that_are_no_64ths_fill_8_bits(tmp_path):
    weight = np.array([[0.3, -0.7], [0.1, 0.2]])
    graph = chain(fc=n.Linear(weight), lif=lif(2))
    fits = write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    # 0.7 * 256 = 179.2 <= 254 < 0.7 * 512; even numbers, as both signs occur:
    # 76.8, -179.2, 25.6, 51.2
    layer = read_layers(tmp_path / "x.net")["layer0"]
    assert layer.weight.tolist() == [[76, -180], [26, 52]]
    assert layer.neurons.threshold == 256
    assert fits["lif"].scale == 256
    assert fits["lif"].error == pytest.approx(0.8 / 179.2)


def test_a_large_threshold_or_bias_takes_bits_from_the_weights(tmp_path):
    weight = np.array([[0.3, 0.7]])
    biased = n.Affine(weight, np.array([20.0]))
    graph = chain(fc=biased, lif=lif(1, threshold=30.0), output=n.Output((1,)))
    fits = write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    layer = read_layers(tmp_path / "x.net")["layer0"]
    # 20 * 128 = 2560 <= 4095 < 20 * 256
    assert fits["lif"].scale == 128
    assert (layer.bias.tolist(), layer.neurons.threshold) == ([2560], 30 * 128)
    assert layer.weight.tolist() == [[38, 90]]  # 38.4, 89.6: one sign, no step of 2


def test_thresholds_of_each_neuron_go_into_the_weights(tmp_path):
    node = replace(lif(2), v_threshold=np.array([1.0, 0.5]))
    graph = chain(fc=n.Linear(np.eye(2)), lif=node)
    write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    layer = read_layers(tmp_path / "x.net")["layer0"]
    # half the threshold is twice the weight: 1 and 2, in units of 1 / 64
    assert layer.weight.tolist() == [[64, 0], [0, 128]]
    assert layer.neurons.threshold == 64


def test_neurons_at_the_input_become_an_input_layer(tmp_path):
    graph = chain(lif=lif(2, leak=0.5), fc=n.Linear(np.eye(2)), lif2=lif(2))
    write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    layer = read_layers(tmp_path / "x.net")["layer0"]
    # v_leak / (tau / dt) = 0.5 / 8 a step
    assert (layer.weight, layer.bias, layer.neurons.v_decay) == (64, 4, 512)


def test_tokens_become_an_image_of_one_row(tmp_path):
    kernel = n.Conv1d(np.full((3, 2, 2), 0.5), np.zeros(3), tokens=4)
    graph = chain(
        input=n.Input((2, 4)), conv=kernel, lif=lif((3, 3)), output=n.Output((3, 3))
    )
    write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    layer = read_layers(tmp_path / "x.net")["layer1"]
    assert (layer.source, layer.shape) == ((2, 1, 4), (3, 1, 3))
    assert layer.weight.tolist() == np.full((3, 2, 1, 2), 32).tolist()


def test_a_sum_pool_is_folded_into_its_kernel(tmp_path):
    pool = n.SumPool2d((1, 4, 4), (2, 2), (2, 2))
    kernel = n.Conv2d(np.ones((1, 1, 1, 1)), np.zeros(1), (2, 2))
    graph = chain(
        input=n.Input((1, 4, 4)),
        pool=pool,
        conv=kernel,
        lif=lif((1, 2, 2)),
        output=n.Output((1, 2, 2)),
    )
    write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    layer = read_layers(tmp_path / "x.net")["layer1"]
    assert layer.stride == (2, 2)
    assert layer.weight.tolist() == [[[[64, 64], [64, 64]]]]


def test_a_linear_output_is_read_by_its_voltage(tmp_path):
    graph = chain(fc=n.Linear(np.eye(2)), lif=lif(2), out=n.Linear(2 * np.eye(2)))
    write_netx(graph, tmp_path / "x.net", dt_s=DT_S)
    wanted = lower(graph, dt_s=DT_S, to=Stage.TIMED).graph
    x = np.random.default_rng(0).integers(0, 2, (2, 9, 2))
    got = run(read_netx(tmp_path / "x.net", dt_s=DT_S), x, backend="integer")
    assert np.array_equal(run(wanted, x).output, got.output)
    assert got.output.max() == 2.0


def test_rounding_keeps_the_scale_of_the_output(tmp_path):
    tau = np.full(2, 4 * DT_S)
    readout = n.LI(tau, tau / DT_S, np.zeros(2))
    graph = chain(
        fc=n.Linear(np.eye(2)), lif=lif(2), out=n.Linear(np.eye(2) / 7), li=readout
    )
    rounded = round_to_netx(graph, dt_s=DT_S)
    # 1/7 * 1024 = 146 <= 255 < 292; u and v have 6 bits more
    assert rounded.nodes["output"].scale == 1 / 1024 / 64
    x = np.ones((1, 9, 2))
    wanted = run(lower(graph, dt_s=DT_S, to=Stage.TIMED).graph, x).output
    assert np.abs(run(rounded, x).output - wanted).max() < 0.005


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("residual_bias", "node 'lif1': branches to lif2, lif3, but netx is strictly"),
        ("two_ends", "2 Inputs .words, context., but netx is strictly sequential"),
        ("soft_reset", "node 'spike1': a soft reset .*netx resets to 0 only"),
        ("cuba", "'cuba_lif': has a constant input that is no bias of its voltage"),
        ("v_reset", "'lif': has a constant input that is no bias.*start elsewhere"),
    ],
)
def test_refuses_what_no_netx_layer_does(file, message, tmp_path):
    path = GOLDEN / f"{file}.nir"
    with pytest.raises(GraphError, match=message):
        write_netx(read_nir(path), tmp_path / "x.net", dt_s=read_nir_dt(path))
    assert not [*tmp_path.iterdir()]


def test_refuses_a_join(tmp_path):
    nodes = {
        "input": n.Input((2,)),
        "a": lif(2),
        "to_b": n.Linear(np.eye(2)),
        "b": lif(2),
        "back": n.Linear(np.eye(2)),
        "output": n.Output((2,)),
    }
    names = ["input", "a", "to_b", "b", "output"]
    edges = [Edge(*pair) for pair in pairwise(names)]
    wait = {"wait": n.Delay(np.full(2, DT_S))}
    edges += [Edge("b", "back"), Edge("back", "wait"), Edge("wait", "a")]
    graph = Graph(nodes | wait, tuple(edges), Stage.CONTINUOUS)
    with pytest.raises(GraphError, match="'a': joins 'input' and b, but netx is"):
        write_netx(graph, tmp_path / "x.net", dt_s=DT_S)


def test_refuses_an_output_that_is_late(tmp_path):
    wait = n.Delay(np.full(2, 3 * DT_S))
    graph = chain(fc=n.Linear(np.eye(2)), lif=lif(2), wait=wait)
    with pytest.raises(
        GraphError, match="'output': gets the spikes of 'lif' 3 steps l"
    ):
        write_netx(graph, tmp_path / "x.net", dt_s=DT_S)


def test_refuses_integers_that_netx_does_not_hold(tmp_path):
    graph = chain(fc=n.Linear(np.eye(2)), lif=lif(2))
    lowered = lower(graph, dt_s=DT_S).graph
    message = "'lif': weights from .* allowed: whole numbers from 0 to 255.*NIR file"
    with pytest.raises(GraphError, match=message):
        write_netx(lowered, tmp_path / "x.net")


def test_refuses_numbers_between_layers(tmp_path):
    tau = np.full(2, 4 * DT_S)
    readout = n.LI(tau, tau / DT_S, np.zeros(2))
    graph = chain(
        fc=n.Linear(np.eye(2)), li=readout, fc2=n.Linear(np.eye(2)), lif=lif(2)
    )
    with pytest.raises(GraphError, match=r"'li': sends numbers .LI or I. to 'lif'"):
        write_netx(graph, tmp_path / "x.net", dt_s=DT_S)


def test_refuses_what_would_round_to_nothing(tmp_path):
    graph = chain(fc=n.Linear(np.eye(2)), lif=lif(2, threshold=1e-5))
    with pytest.raises(
        GraphError, match="'lif': threshold of at most 1e-05 would round"
    ):
        write_netx(graph, tmp_path / "x.net", dt_s=DT_S)


def test_refuses_a_graph_without_a_time_step(tmp_path):
    with pytest.raises(GraphError, match="needs a time step; give dt_s"):
        write_netx(chain(fc=n.Linear(np.eye(2)), lif=lif(2)), tmp_path / "x.net")


def test_an_older_file_survives_a_refusal(tmp_path):
    path = tmp_path / "x.net"
    path.write_bytes(b"older")
    with pytest.raises(GraphError):
        write_netx(read_nir(GOLDEN / "residual_bias.nir"), path, dt_s=1e-4)
    assert path.read_bytes() == b"older"


# --- the verb ------------------------------------------------------------------------


def convert(file, output, dt=None, entry="values"):
    options = {"file": file, "output": output, "dt": dt, "entry": entry}
    return run_convert(Namespace(verb="convert", json=True, **options))


def test_convert_goes_all_ways(tmp_path, capsys):
    path = GOLDEN / "netx_conv.net"
    assert convert(path, tmp_path / "a.nir", dt=DT_S) == 0
    assert '"dt_s": 0.001' in capsys.readouterr().out
    convert(tmp_path / "a.nir", tmp_path / "b.net")
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert layers["layer0"] == {"scale": 64.0, "error": 0.0}
    assert_same_layers(path, tmp_path / "b.net")
    convert(path, tmp_path / "c.npz", dt=DT_S)
    convert(tmp_path / "a.nir", tmp_path / "d.npz")
    convert(tmp_path / "c.npz", tmp_path / "e.net")
    wanted = read_netx(path, dt_s=DT_S).fingerprint()
    assert {read_graph(tmp_path / f).fingerprint() for f in ("c.npz", "d.npz")} == {
        wanted
    }
    assert_same_layers(path, tmp_path / "e.net")


def test_convert_says_what_it_needs(tmp_path):
    with pytest.raises(InputError, match=r"carries no time step; give --dt SECONDS"):
        convert(GOLDEN / "netx_conv.net", tmp_path / "a.nir")
    message = r"cannot convert \.net to \.txt; allowed: \.net to \.nir, \.net to \.npz"
    with pytest.raises(InputError, match=message):
        convert(GOLDEN / "netx_conv.net", tmp_path / "a.txt", dt=DT_S)


def test_the_goldens_are_those_of_the_script():
    made = runpy.run_path(str(GOLDEN / "make_netx.py"))["MAKERS"]
    assert sorted(make.__name__ for make in made) == NAMES
