"""Make the golden netx files: `python tests/golden/make_netx.py [FOLDER]`.

Written with h5py alone, field by field as `export_hdf5` of lava-dl 0.6.0 does, so that
they judge our reader and our writer. Deterministic.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Fields = dict[str, Any]
MAX_THRESHOLD = 131071


def cuba(i_decay: Any, v_decay: Any, threshold: int) -> Fields:
    return {
        "neuron/type": "CUBA",
        "neuron/iDecay": i_decay,
        "neuron/vDecay": v_decay,
        "neuron/vThMant": threshold,
        "neuron/refDelay": 1,
        "neuron/gradedSpike": False,
    }


def kind(name: str) -> Any:
    return np.array([name], dtype="S10")


def even(rng: np.random.Generator, size: tuple[int, ...], largest: int) -> Any:
    """lava-dl quantizes to even numbers, and stores them as float32."""
    half = largest // 2
    return (2 * rng.integers(-half, half + 1, size)).astype(np.float32)


def dense(weight: Any, **fields: Any) -> Fields:
    targets, sources = weight.shape
    sizes = {"inFeatures": sources, "outFeatures": targets}
    return {
        "type": kind("dense"),
        "shape": np.array([targets]),
        "weight": weight,
        **sizes,
        **fields,
    }


def conv(
    weight: Any, shape: tuple[int, ...], stride: Any, padding: Any, **fields: Any
) -> Fields:
    described = {
        "type": kind("conv"),
        "shape": np.array(shape),
        "inChannels": weight.shape[1],
        "outChannels": weight.shape[0],
        "kernelSize": np.array(weight.shape[2:4]),
        "stride": np.array(stride),
        "padding": np.array(padding),
        "dilation": np.array([1, 1]),
        "groups": 1,
        "weight": weight,
    }
    return described | fields


def flatten(size: int) -> Fields:
    return {"type": kind("flatten"), "shape": np.array([size, 1, 1])}


def netx_dense() -> list[Fields]:
    """No input layer; weights at both ends of their range, all positive, and odd."""
    rng = np.random.default_rng(1)
    first = even(rng, (16, 12), 180)
    first[0, :2] = 254, -256
    second = rng.integers(0, 256, (10, 16)).astype(np.float32)
    third = rng.integers(-60, 61, (6, 10)).astype(np.float32)
    return [
        dense(first, **cuba(4096, 415, 250)),
        dense(second, **cuba(4096, 128, 700)),
        dense(third, **cuba(4096, 0, 30)),
    ]


def netx_cuba_delay() -> list[Fields]:
    """A current that decays, decays of each neuron, delays of targets and sources."""
    rng = np.random.default_rng(2)
    decays = rng.integers(300, 3000, 14)
    to_targets = rng.integers(0, 6, 14).astype(np.float32)
    of_sources = rng.integers(0, 9, 14).astype(np.float32)
    return [
        dense(even(rng, (14, 10), 120), delay=to_targets, **cuba(1024, decays, 300)),
        dense(even(rng, (6, 14), 120), delay=of_sources, **cuba(decays[:6], 900, 200)),
        {  # without neurons: read by its voltage
            **dense(even(rng, (3, 6), 90)),
        },
    ]


def netx_conv() -> list[Fields]:
    """Neurons in the input layer, kernels that are not square, biases, a flatten."""
    rng = np.random.default_rng(3)
    lif = cuba(4096, 1024, 25)
    first, second = even(rng, (6, 3, 3, 2), 30), even(rng, (8, 6, 2, 3, 1), 24)
    return [
        {
            "type": kind("input"),
            "shape": np.array([3, 9, 8]),
            "weight": np.float32(40.0),
            "bias": np.float32(6.0),
            **lif,
        },
        # rows (9 + 2 - 3) // 2 + 1 = 5, columns (8 - 2) // 1 + 1 = 7
        conv(first, (6, 5, 7), [2, 1], [1, 0], bias=even(rng, (6,), 20), **lif),
        # rows 5 - 2 + 1 = 4, columns (7 + 2 - 3) // 2 + 1 = 4
        conv(second, (8, 4, 4), [1, 2], [0, 1], bias=even(rng, (8,), 12), **lif),
        flatten(128),
        dense(even(rng, (10, 128), 34), bias=even(rng, (10,), 16), **lif),
        dense(even(rng, (4, 10), 60), **cuba(4096, 0, MAX_THRESHOLD)),
    ]


def netx_groups() -> list[Fields]:
    """An input layer that is but a shape; groups and dilation."""
    rng = np.random.default_rng(4)
    options = {"groups": 2, "dilation": np.array([2, 1])}
    # rows 7 - 2 * (3 - 1) = 3, columns 6 + 2 - 2 = 6, + 1 = 7
    weight = even(rng, (4, 2, 3, 2), 60)
    lif = cuba(4096, 512, 40)
    kernel = conv(weight, (4, 3, 7), [1, 1], [0, 1], **options, **lif)
    return [
        {"type": kind("input"), "shape": np.array([4, 7, 6])},
        kernel | {"inChannels": 4},
        flatten(84),
        dense(even(rng, (5, 84), 40), **lif),
    ]


def netx_recurrent() -> list[Fields]:
    rng = np.random.default_rng(5)
    loop = even(rng, (12, 12), 60)
    hidden = dense(even(rng, (12, 8), 120), weight_rec=loop, **cuba(2048, 700, 150))
    hidden["type"] = kind("dense_rec")
    return [hidden, dense(even(rng, (4, 12), 90), **cuba(4096, 300, 90))]


MAKERS = (netx_dense, netx_cuba_delay, netx_conv, netx_groups, netx_recurrent)


def write(path: Path, layers: list[Fields]) -> None:
    with h5py.File(path, "w") as file:
        for index, fields in enumerate(layers):
            group = file.create_group(f"layer/{index}")
            for name, value in fields.items():
                group.create_dataset(name, data=value)


def main(folder: Path) -> None:
    for make in MAKERS:
        write(folder / f"{make.__name__}.net", make())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
