"""What read_netx refuses, one at a time."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikewright.errors import (
    GraphError,
    InputError,
    SpikewrightError,
    UnsupportedNodeError,
)
from spikewright.export.netx.io import read_netx, read_netx_in_seconds

GOLDEN = Path(__file__).parents[2] / "golden"
MAKE = runpy.run_path(str(GOLDEN / "make_netx.py"))
cuba, kind = MAKE["cuba"], MAKE["kind"]
DT_S = 1e-3


@pytest.fixture
def good(tmp_path):
    """An image, a kernel, and two dense layers."""
    lif = cuba(4096, 512, 25)
    ones = np.ones
    layers = [
        {"type": kind("input"), "shape": np.array([1, 3, 3]), **lif},
        MAKE["conv"](ones((2, 1, 2, 2), np.float32), (2, 2, 2), 1, 0, **lif),
        MAKE["flatten"](8),
        MAKE["dense"](ones((4, 8), np.float32), **lif),
        MAKE["dense"](ones((3, 4), np.float32), **lif),
    ]
    MAKE["write"](tmp_path / "x.net", layers)
    return tmp_path / "x.net"


def put(path, name, value):
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value


def refuses(path, message, error=(GraphError, InputError)):
    with pytest.raises(error, match=message):
        read_netx(path, dt_s=DT_S)


# --- files ---------------------------------------------------------------------------


def test_a_good_file_is_read(good):
    assert len(read_netx(good, dt_s=DT_S).populations()) == 5


def test_refuses_a_missing_file(tmp_path):
    refuses(tmp_path / "x.net", r"x\.net: no such file", InputError)


def test_refuses_an_empty_file(tmp_path):
    (tmp_path / "x.net").touch()
    refuses(tmp_path / "x.net", "cannot be read .*empty file", InputError)


def test_refuses_a_text_file(tmp_path):
    (tmp_path / "x.net").write_text("no network\n" * 500)
    refuses(tmp_path / "x.net", "not a readable HDF5 file", InputError)


def test_refuses_a_pointer_of_git_lfs_and_says_what_to_run(tmp_path):
    (tmp_path / "x.net").write_text("version https://git-lfs.github.com/spec/v1\noid …")
    refuses(tmp_path / "x.net", "only a pointer.*run: git lfs pull", InputError)


def test_refuses_a_nir_file():
    message = "not a netx file: it has no group '/layer', but .*node"
    refuses(GOLDEN / "ties.nir", message, InputError)


def test_refuses_a_truncated_file(good):
    good.write_bytes(good.read_bytes()[:4000])
    refuses(good, "truncated|damaged", InputError)


def test_random_damage_gives_our_error_or_a_graph(tmp_path):
    content = (GOLDEN / "netx_conv.net").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 20):
            damaged[place] = rng.integers(256)
        (tmp_path / "x.net").write_bytes(damaged)
        try:
            read_netx(tmp_path / "x.net", dt_s=DT_S)
        except SpikewrightError:
            refused += 1
    assert refused > 20  # anything else than a SpikewrightError has failed the test


def test_refuses_links_out_of_the_file(good, tmp_path):
    with h5py.File(good, "r+") as file:
        del file["layer/3/weight"]
        file["layer/3/weight"] = h5py.ExternalLink("/etc/passwd", "/x")
    refuses(good, r"layer3: weight is a link to /x; allowed: values in the file itself")


def test_refuses_an_unknown_group(good):
    put(good, "optimizer/state", 1)
    refuses(good, "holds 'optimizer'; a netx file has 'layer'", InputError)


def test_reads_past_the_group_that_netx_does_not_read(good):
    put(good, "simulation/Ts", 1)
    assert read_netx(good, dt_s=DT_S).dt_s == DT_S


def test_refuses_layers_that_are_not_numbered_from_0(good):
    for before, after in (("4", "fc"), ("fc", ".."), ("..", "4\n")):
        with h5py.File(good, "r+") as file:
            file.move(f"layer/{before}", f"layer/{after}")
        refuses(good, f"5 layers, one of them '{re.escape(after)}'; allowed: 0 to 4")


def test_refuses_arrays_whose_values_are_not_in_the_file(good):
    with h5py.File(good, "r+") as file:
        del file["layer/3/weight"]
        file.create_dataset("layer/3/weight", (10**4, 10**4), "f4", chunks=(64, 64))
    refuses(good, "400000000 bytes, but only 0 bytes are in the file")


def test_refuses_a_shape_that_would_fill_the_memory(good):
    put(good, "layer/0/shape", np.array([10**6, 10**6, 10**6]))
    refuses(good, "'layer0': shape .* 16777216 neurons in all")


def test_refuses_pickled_bytes_in_place_of_numbers(good):
    put(good, "layer/3/weight", np.void(b"\x80\x04\x95"))
    refuses(good, "layer3: weight is .*allowed: numbers of up to 64 bits")


# --- kinds and fields ----------------------------------------------------------------


@pytest.mark.parametrize("layer", ["pool", "average", "concat", "dense_comp", "lstm"])
def test_refuses_layers_that_lava_dl_does_not_build(good, layer):
    put(good, "layer/4/type", kind(layer))
    message = f"'layer4': a layer of type '{layer}' is not supported.*dense, dense_rec"
    refuses(good, message, UnsupportedNodeError)


@pytest.mark.parametrize("neuron", ["SDNN", "RF_PHASE", "ALIF"])
def test_refuses_other_neurons(good, neuron):
    put(good, "layer/1/neuron/type", neuron)
    message = f"'layer1': a neuron of type '{neuron}'.*supported: CUBA, LOIHI"
    refuses(good, message, UnsupportedNodeError)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer/3/color", 1, "layer3: unknown field 'color'; known: bias, delay"),
        ("layer/3/neuron/tau", 1, "layer3 neuron: unknown field 'tau'"),
        ("layer/3/type", 3, "layer3: type is no single word"),
        ("layer/3/neuron/type", None, "layer3 neuron: type is no single word"),
        ("layer/3/weight", None, "layer3: weight is missing"),
        ("layer/3/shape", None, "layer3: shape is missing"),
        ("layer/3/neuron/iDecay", None, "iDecay is missing"),
        ("layer/3/neuron/refDelay", 3, "refDelay is 3; allowed: 1, which is all"),
        ("layer/3/neuron/gradedSpike", True, "gradedSpike is 1; allowed: 0"),
        ("layer/3/neuron/wgtExp", -2, "wgtExp is -2; allowed: 0"),
        ("layer/3/neuron/vThMant", -1, "vThMant is -1; allowed: 0 or more"),
        ("layer/3/neuron/vDecay", 5000, "vDecay from 5000 to 5000; allowed: 0 to 4096"),
        ("layer/3/neuron/vDecay", np.arange(3), "3 values of vDecay; allowed: 1 or 4"),
        ("layer/3/neuron/vThMant", np.arange(4), "vThMant holds 4 numbers"),
        ("layer/3/weight", np.full((4, 8), 0.5), "weight holds 0.5; allowed: whole"),
        ("layer/3/weight", np.full((4, 8), np.nan), "weight holds nan; allowed: whole"),
        ("layer/3/weight", np.ones((5, 8)), r"weight of shape \(5, 8\); allowed: \(4,"),
        ("layer/3/weight", np.ones((4, 9)), "weights for 9 sources, but .8,. arrive"),
        ("layer/3/weight", np.arange(-1, 31) * 9, "weights from -9 to 270; allowed:"),
        ("layer/3/weight/real", 1, "has parts .real., as complex weights do"),
        ("layer/3/inFeatures", 9, r"says inFeatures \[9\], but its weights say \[8\]"),
        ("layer/3/bias", np.ones(3), "3 biases; allowed: 1 or 4"),
        ("layer/3/bias", 4096, "magnitude 4096; allowed: 4095, which 13 bits hold"),
        ("layer/3/delay", np.full(4, 63), "delays from 63 to 63 steps; allowed: 0 to"),
        ("layer/3/delay", np.ones(5), r"delays of shape \(5,\); allowed: \(4,\) for"),
        ("layer/1/weight", np.ones((2, 1, 2)), "allowed: .target channels, source"),
        ("layer/1/groups", 3, "3 groups of 1 source channels for 1 channels"),
        ("layer/1/stride", 0, r"stride is \[0\]; allowed: one number or two, 1 or"),
        ("layer/1/padding", np.ones(3), r"padding is \[1, 1, 1\]; allowed: one number"),
        (
            "layer/1/shape",
            np.array([2, 3, 2]),
            r"says shape \[2, 3, 2\], but .*2, 2, 2",
        ),
        ("layer/1/kernelSize", 3, r"says kernelSize \[3\], but its weights say \[2, 2"),
        ("layer/1/delay", np.ones(2), "a conv layer with a delay, which lava-dl does"),
        ("layer/1/neuron", None, "a conv layer without a neuron"),
        ("layer/1/dilation", 3, r"would have the shape \(2, 0, 0\)"),
        (
            "layer/0/shape",
            np.array([3, 3]),
            r"allowed: \(neurons,\) or \(channels, rows",
        ),
        ("layer/0/neuron/iDecay", 1024, "iDecay is 1024 in an input layer; allowed:"),
        ("layer/0/type", kind("flatten"), "unknown field"),
        ("layer/4/type", kind("input"), "unknown field"),
    ],
)
def test_refuses_by_name(good, name, value, message):
    if name.endswith("/real"):
        put(good, "layer/3/weight", None)
    if name == "layer/3/weight" and getattr(value, "ndim", 0) == 1:
        value = value.reshape(4, 8)
    put(good, name, value)
    refuses(good, message)


def test_refuses_a_dense_layer_behind_an_image(good):
    put(good, "layer/2", None)
    with h5py.File(good, "r+") as file:
        file.move("layer/3", "layer/2")
        file.move("layer/4", "layer/3")
    refuses(good, r"\(2, 2, 2\) arrive.*or put a flatten layer before it")


def test_refuses_a_kernel_without_a_shape_before_it(good):
    put(good, "layer/0", None)
    with h5py.File(good, "r+") as file:
        for index in range(1, 5):
            file.move(f"layer/{index}", f"layer/{index - 1}")
    refuses(good, "got no shape; begin with an input layer that has a shape")


def test_refuses_a_hidden_layer_that_never_fires(good):
    put(good, "layer/3/neuron/vThMant", 131071)
    refuses(good, "'layer3': threshold 131071 is out of reach, so nothing gets to 'lay")


def test_refuses_a_delayed_loop(good):
    put(good, "layer/4/type", kind("dense_rec"))
    put(good, "layer/4/weight_rec", np.ones((3, 3)))
    put(good, "layer/4/delay", np.ones(3))
    refuses(good, "weight_rec of shape .* and a delay; allowed")


def test_refuses_a_bias_without_neurons(good):
    put(good, "layer/4/neuron", None)
    put(good, "layer/4/bias", np.ones(3))
    refuses(good, "'layer4': a bias without neurons")


def test_refuses_a_network_without_neurons(good):
    for index in range(1, 5):
        put(good, f"layer/{index}", None)
    put(good, "layer/0/neuron", None)
    refuses(good, "a network without neurons")


# --- what integers or NIR cannot say -------------------------------------------------


def test_integers_refuse_a_bias_beside_a_current_that_decays(good):
    put(good, "layer/3/neuron/iDecay", 1024)
    put(good, "layer/3/bias", 3)
    refuses(good, "'layer3': a bias beside a synaptic current that decays")
    lif = read_netx_in_seconds(good, dt_s=DT_S).nodes["layer3"]
    assert lif.v_leak[0] == 3 / 64 * 8  # which seconds can say: 3 / 64 a step


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer/3/neuron/iDecay", 0, "'layer3': iDecay 0, a current that never decays"),
        (
            "layer/3/neuron/vDecay",
            np.array([0, 0, 0, 9]),
            "'layer3': vDecay 0, neurons",
        ),
        ("layer/0/neuron/vDecay", 0, "'layer0': vDecay 0, neurons without a leak"),
    ],
)
def test_seconds_refuse_neurons_that_nir_does_not_have(good, name, value, message):
    put(good, name, value)
    put(good, "layer/0/bias", 3)
    assert read_netx(good, dt_s=DT_S).nodes
    with pytest.raises(GraphError, match=message):
        read_netx_in_seconds(good, dt_s=DT_S)


@pytest.mark.parametrize("dt_s", [0.0, -1e-3, float("nan")])
def test_refuses_a_time_step_that_is_none(good, dt_s):
    for read in (read_netx, read_netx_in_seconds):
        with pytest.raises(InputError, match=re.escape(f"time step {dt_s} s")):
            read(good, dt_s=dt_s)
