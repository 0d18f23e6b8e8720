"""What a netx file means: spikes and voltages worked out by hand."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from spikewright import nodes as n
from spikewright.errors import InputError
from spikewright.export.netx.io import (
    encode_netx,
    read_netx,
    read_netx_in_seconds,
    read_netx_input,
)
from spikewright.graph import Edge, Stage
from spikewright.simulate.run import run

GOLDEN = Path(__file__).parents[2] / "golden"
MAKE = runpy.run_path(str(GOLDEN / "make_netx.py"))
cuba, dense, conv, kind, flatten = (
    MAKE[name] for name in ("cuba", "dense", "conv", "kind", "flatten")
)
DT_S = 1e-3
NEVER = 131071


@pytest.fixture
def net(tmp_path):
    def write(*layers):
        MAKE["write"](tmp_path / "x.net", list(layers))
        return tmp_path / "x.net"

    return write


def floats(*rows):
    return np.array(rows, dtype=np.float32)


def spikes_of(path, inputs, layer="layer0"):
    """inputs (steps, *shape) -> spikes of a layer, (steps, neurons)."""
    graph = read_netx(path, dt_s=DT_S)
    trace = run(graph, np.array([inputs]), backend="integer")
    assert trace.spikes[layer].tolist() == (
        run(graph, np.array([inputs])).spikes[layer].tolist()
    )
    return trace.spikes[layer][0].reshape(len(inputs), -1).tolist()


# --- golden files --------------------------------------------------------------------


def test_the_golden_files_are_small_and_as_the_script_makes_them(tmp_path):
    MAKE["main"](tmp_path)
    kept = sorted(GOLDEN.glob("netx_*.net"))
    assert [file.name for file in kept] == sorted(f.name for f in tmp_path.iterdir())
    for file in kept:
        made = read_netx(tmp_path / file.name, dt_s=DT_S)
        assert made.fingerprint() == read_netx(file, dt_s=DT_S).fingerprint()
        assert file.stat().st_size < 100_000


# --- neurons -------------------------------------------------------------------------


def test_weights_bias_decay_and_threshold_are_lavas_registers(net):
    layer = dense(floats([30, -20]), bias=floats([4])[0], **cuba(4096, 2048, 25))
    # v = v / 2 + 64 (30 x0 - 20 x1 + 4), a spike above 25 << 6 = 1600:
    # 2176 -> 0; 896; 448 + 256 = 704; 352 + 2176 = 2528 -> 0; -1024; -512 + 896 = 384
    inputs = [(1, 0), (1, 1), (0, 0), (1, 0), (0, 1), (1, 1)]
    assert spikes_of(net(layer), inputs) == [[1], [0], [0], [1], [0], [0]]


def test_a_current_that_decays_outlives_its_spike(net):
    layer = dense(floats([32]), **cuba(1024, 0, 50))
    # u = 3/4 u: 2048 1536 1152 864 648 486 364 (364.5 towards zero), threshold 3200:
    # v = 2048, 3584 -> 0, 1152, 2016, 2664, 3150, 3514 -> 0
    inputs = [(1,)] + 6 * [(0,)]
    expected = [[0], [1], [0], [0], [0], [0], [1]]
    assert spikes_of(net(layer), inputs) == expected


def test_a_voltage_at_the_threshold_does_not_fire(net):
    layer = dense(floats([25], [26]), **cuba(4096, 4096, 25))
    assert spikes_of(net(layer), [(1,)]) == [[0, 1]]


def test_decays_may_differ_between_neurons_and_between_channels(net):
    decays = np.array([0, 4096])
    layer = dense(floats([20], [20]), **cuba(4096, decays, 30))
    # 20 + 20 = 40 > 30 where nothing is lost; 20 where everything is
    assert spikes_of(net(layer), [(1,), (1,)]) == [[0, 0], [1, 0]]
    image = {"type": kind("input"), "shape": np.array([1, 1, 2])}
    kernel = conv(
        floats(20, 20).reshape(2, 1, 1, 1),
        *((2, 1, 2), 1, 0),
        **cuba(4096, decays, 30),
    )
    both = [[[[1, 1]]]] * 2
    assert spikes_of(net(image, kernel), both, "layer1")[1] == [1, 1, 0, 0]


def test_neurons_of_the_older_type_are_the_same(net):
    layer = dense(floats([30]), **cuba(4096, 0, 25)) | {
        "neuron/type": "LOIHI",
        "neuron/theta": 1600,
        "neuron/wgtExp": 0,
        "neuron/tauRho": 0.5,
    }
    assert spikes_of(net(layer), [(1,)]) == [[1]]


@pytest.mark.parametrize("threshold", [NEVER, 2**18 - 1])
def test_a_threshold_out_of_reach_reads_the_voltage(net, threshold):
    layer = dense(floats([32, -6]), **cuba(4096, 1024, threshold))
    graph = read_netx(net(layer), dt_s=DT_S)
    trace = run(graph, [[(1, 0), (0, 1)]], backend="integer")
    # in lava-dl's float network a weight is w / 64: 0.5, then 3/4 0.5 - 6/64
    assert trace.output[0, :, 0].tolist() == [0.5, 0.375 - 0.09375]


def test_a_layer_without_neurons_sums_up_its_input(net):
    graph = read_netx(net(dense(floats([32]))), dt_s=DT_S)
    trace = run(graph, [[(1,), (0,), (1,)]], backend="integer")
    assert trace.output[0, :, 0].tolist() == [0.5, 0.5, 1.0]


# --- weights -------------------------------------------------------------------------


def test_weights_are_kept_to_the_last_unit():
    graph = read_netx(GOLDEN / "netx_dense.net", dt_s=DT_S)
    rng = np.random.default_rng(1)
    wanted = MAKE["even"](rng, (16, 12), 180)
    wanted[0, :2] = 254, -256
    parts = [graph.nodes[each] for each in ("layer0_weight", "layer0_weight_2")]
    # 8 bits of mixed signs hold 127 << 1; the one weight of -256 lacks 2
    assert [part.exponent for part in parts] == [1, 0]
    assert parts[1].weight[np.nonzero(parts[1].weight)].tolist() == [-2]
    assert np.array_equal(2.0 * parts[0].weight + parts[1].weight, wanted)
    assert graph.nodes["layer1_weight"].weight.max() == 255  # one sign: all 8 bits
    assert graph.nodes["layer2_weight"].exponent == 0  # odd ones, below 128


def test_a_long_bias_is_split_into_two_numbers_of_8_bits(net):
    layer = dense(floats([0], [2]), bias=floats([4095, -3])[0], **cuba(4096, 0, 99))
    graph = read_netx(net(layer), dt_s=DT_S)
    high, low = (graph.nodes[f"layer0_bias{end}"] for end in ("", "_2"))
    # 4095 = 127 << 5 and 31; -3 is too small for the first
    assert (high.exponent, high.weight.ravel().tolist()) == (5, [127, 0])
    assert (low.exponent, low.weight.ravel().tolist()) == (0, [31, -3])
    # v = 64 * 4095, above 64 * 99 at once
    assert spikes_of(net(layer), [(0,)]) == [[1, 0]]


def test_a_bias_acts_from_the_first_data_on_in_every_layer(net):
    lif = cuba(4096, 0, 25)
    first = dense(floats([40]), **lif)
    second = dense(floats([20]), bias=floats([6])[0], **lif)
    graph = read_netx(net(first, second), dt_s=DT_S)
    assert graph.arrival == {
        "input": 0,
        "layer0": 1,
        "layer1": 2,
        "output": 2,
        "bias_line": 0,
    }
    assert Edge("bias_line", "layer1_bias", 1) in graph.edges
    # 20 + 6 = 26 > 25 in the first step of the sample
    assert spikes_of(net(first, second), [(1,), (0,)], "layer1") == [[1], [0]]


def test_a_bias_behind_64_layers_starts_a_line_of_its_own(net):
    lif = cuba(4096, 4096, 25)
    deep = [dense(floats([30]), **lif) for _ in range(63)]
    last = dense(floats([20]), bias=floats([6])[0], **lif)
    graph = read_netx(net(*deep, last), dt_s=DT_S)
    assert graph.arrival["layer63"] == 64
    assert graph.arrival["bias_line_2"] == 63
    assert max(edge.delay for edge in graph.edges) <= 62
    path = net(*deep, last)
    assert spikes_of(path, [(1,), (0,), (1,)], "layer63") == [[1], [0], [1]]


# --- images --------------------------------------------------------------------------


def test_a_kernel_is_stored_as_torch_has_it(net):
    image = {"type": kind("input"), "shape": np.array([1, 2, 3])}
    weight = floats(10, 90, 20, 30).reshape(1, 1, 2, 2)
    kernel = conv(weight, (1, 1, 2), 1, 0, **cuba(4096, 0, 25))
    # y[0, j] = sum of w[p, q] x[p, j + q]; x is 1 at row 0, column 2 alone,
    # so y[0, 1] = w[0, 1] = 90; flipped it would be w[1, 0] = 20, turned w[1, 0], too
    x = np.zeros((1, 1, 2, 3))
    x[0, 0, 0, 2] = 1
    assert spikes_of(net(image, kernel), x, "layer1") == [[0, 1]]


def test_stride_and_padding_are_rows_then_columns(net):
    image = {"type": kind("input"), "shape": np.array([1, 4, 3])}
    weight = floats(30).reshape(1, 1, 1, 1)
    kernel = conv(weight, (1, 2, 5), (2, 1), (0, 1), **cuba(4096, 0, 25))
    x = np.zeros((1, 1, 4, 3))
    x[0, 0, 2, 0] = 1  # row 2 is row 1 of every second; column 0 is 1 behind a zero
    wanted = np.zeros((2, 5))
    wanted[1, 1] = 1
    got = spikes_of(net(image, kernel), x, "layer1")
    assert got == [wanted.ravel().tolist()]


def test_an_image_is_flattened_by_channel_row_column(net):
    image = {"type": kind("input"), "shape": np.array([2, 2, 3])}
    same = floats(30, 0, 0, 30).reshape(2, 2, 1, 1)
    kernel = conv(same, (2, 2, 3), 1, 0, **cuba(4096, 0, 25))
    picks = np.zeros((1, 12), dtype=np.float32)
    picks[0, 1 * 6 + 0 * 3 + 2] = 30
    layers = (image, kernel, flatten(12), dense(picks, **cuba(4096, 0, 25)))
    x = np.zeros((2, 2, 2, 3))
    x[0, 1, 0, 2] = 1  # channel 1, row 0, column 2
    x[1, 0, 1, 2] = 1
    assert spikes_of(net(*layers), x, "layer3") == [[1], [0]]


# --- input layers --------------------------------------------------------------------


def test_an_input_layer_drives_its_neurons_with_weight_and_bias():
    graph = read_netx(GOLDEN / "netx_conv.net", dt_s=DT_S)
    assert graph.nodes["input"].shape == (3, 9, 8)
    # 40 x + 6: below the threshold of 25 without a spike, above it with one
    assert np.all(graph.nodes["layer0_weight"].weight == 40)
    assert np.all(graph.nodes["layer0_bias"].weight == 6)


def test_values_are_encoded_on_the_host_as_the_input_layer_does(net):
    entry = {"type": kind("input"), "shape": np.array([2]), **cuba(4096, 1024, 25)}
    layer = read_netx_input(net(entry, dense(floats([1, 1]), **cuba(4096, 0, 9))))
    drive = np.array([[[10, 30], [10, 20], [9, 6]]])
    # 64 units: 10, 7.5 + 10 = 17.5, 13.125 + 9 = 22.125 < 25; 30 -> 0, 20, 15 + 6 = 21
    assert encode_netx(layer, drive)[0].tolist() == [[0, 1], [0, 0], [0, 0]]
    longer = np.concatenate([drive, [[[9, 10]]]], axis=1)
    # 16.59 + 9 = 25.6 fires; 15.75 + 10 = 25.75 fires
    assert encode_netx(layer, longer)[0, 3].tolist() == [1, 1]


def test_a_graph_may_begin_with_the_spikes_of_the_input_layer():
    path = GOLDEN / "netx_conv.net"
    whole = read_netx(path, dt_s=DT_S)
    rest = read_netx(path, dt_s=DT_S, entry="spikes")
    x = np.random.default_rng(0).integers(0, 2, (2, 12, 3, 9, 8))
    wanted = run(whole, x, backend="integer")
    encoded = encode_netx(read_netx_input(path), 40 * x + 6)
    assert np.array_equal(encoded, wanted.spikes["layer0"])
    got = run(rest, encoded, backend="integer")
    assert np.array_equal(got.output, wanted.output)
    assert "layer0" in rest.inputs


def test_encoding_refuses_what_is_no_drive():
    layer = read_netx_input(GOLDEN / "netx_conv.net")
    with pytest.raises(InputError, match=r"drive of type float64.*integers of shape"):
        encode_netx(layer, np.zeros((1, 1, 3, 9, 8)))
    bare = read_netx_input(GOLDEN / "netx_groups.net")
    with pytest.raises(InputError, match="no neurons; give the spikes themselves"):
        encode_netx(bare, np.zeros((1, 1, 4, 7, 6), dtype=int))


def test_only_the_first_layers_are_read_on_request():
    graph = read_netx(GOLDEN / "netx_dense.net", dt_s=DT_S, num_layers=2)
    assert [*graph.populations()] == ["input", "layer0", "layer1"]


def test_an_unknown_entry_is_refused():
    with pytest.raises(InputError, match="entry 'frames': must be 'values' or"):
        read_netx(GOLDEN / "netx_conv.net", dt_s=DT_S, entry="frames")


# --- delays and loops ----------------------------------------------------------------


def test_a_list_of_delays_is_one_a_target_else_one_a_source(net):
    lif = cuba(4096, 4096, 25)
    square = dense(floats([30, 0], [0, 30]), delay=floats([0, 2])[0], **lif)
    both = [(1, 1), (0, 0), (0, 0)]
    assert spikes_of(net(square), both) == [[1, 0], [0, 0], [0, 1]]
    flat = dense(floats([30, 28]), delay=floats([1, 0])[0], **lif)
    # 28 at once, 30 a step later; together they would fire once
    assert spikes_of(net(flat), [(1, 1), (0, 0)]) == [[1], [1]]


def test_every_weight_may_have_its_own_delay(net):
    delay = floats([0, 1], [2, 0])
    layer = dense(floats([30, 30], [30, 30]), delay=delay, **cuba(4096, 4096, 25))
    assert spikes_of(net(layer), [(1, 0), (0, 0), (0, 0)]) == [[1, 0], [0, 0], [0, 1]]
    assert spikes_of(net(layer), [(0, 1), (0, 0)]) == [[0, 1], [1, 0]]


def test_a_loop_takes_one_step(net):
    layer = dense(
        floats([30], [0]), weight_rec=floats([0, 0], [30, 0]), **cuba(4096, 4096, 25)
    ) | {"type": kind("dense_rec")}
    assert spikes_of(net(layer), [(1,), (0,), (0,)]) == [[1, 0], [0, 1], [0, 0]]


# --- seconds -------------------------------------------------------------------------


def test_seconds_are_those_of_lava_dls_float_network(net):
    layer = dense(floats([32, -6]), bias=floats([16])[0], **cuba(1024, 512, 48))
    graph = read_netx_in_seconds(net(layer), dt_s=DT_S)
    lif = graph.nodes["layer0"]
    assert graph.stage is Stage.CONTINUOUS
    assert isinstance(lif, n.CubaLIF)
    assert graph.nodes["layer0_weight"].weight.tolist() == [[0.5, -0.09375]]
    # a loss of 1024 / 4096 a step is a time constant of 4 steps; 512 / 4096 of 8
    assert (lif.tau_syn_s[0], lif.tau_mem_s[0]) == (4 * DT_S, 8 * DT_S)
    # v grows by v_leak / 8 a step, which is the bias of 16 / 64
    assert (lif.v_threshold[0], lif.v_leak[0]) == (0.75, 2.0)


@pytest.mark.parametrize(
    ("i_decay", "v_decay", "threshold", "wanted"),
    [
        (4096, 512, 48, n.LIF),
        (4096, 0, 48, n.IF),
        (1024, 512, 48, n.CubaLIF),
        (4096, 512, NEVER, n.LI),
        (4096, 0, NEVER, n.I),
        (1024, 512, NEVER, n.CubaLI),
    ],
)
def test_each_neuron_has_its_kind_in_nir(net, i_decay, v_decay, threshold, wanted):
    layer = dense(floats([32]), **cuba(i_decay, v_decay, threshold))
    graph = read_netx_in_seconds(net(layer), dt_s=DT_S)
    assert type(graph.nodes["layer0"]) is wanted
