"""Read lava-dl's own networks: `python benchmarks/netx.py LAVA_DL [--steps N]`.

LAVA_DL is a checkout of https://github.com/lava-nc/lava-dl. Reads every netx file in
it, takes it to integers, to NIR and back, and compares every number. Then runs

- PilotNet (SNN) on the image of lava-dl's tests, and compares the spikes of all layers
  with those recorded there (two samples of 17 steps, as far as they go);
- Oxford on its own input, for N steps, and compares with Lava, if lava-dl is installed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from spikewright.errors import SpikewrightError
from spikewright.export.netx.io import (
    encode_netx,
    is_same,
    read_netx,
    read_netx_in_seconds,
    read_netx_input,
    write_netx,
)
from spikewright.export.netx.layers import Layers
from spikewright.export.netx.read import read_layers
from spikewright.export.nir.io import read_nir, write_nir
from spikewright.simulate.run import run

DT_S = 1e-3
SAMPLE = 17
"""steps between two resets when lava-dl recorded PilotNet"""
CHILD = Path(__file__).parents[1] / "tests" / "export" / "netx" / "in_lava.py"


def main() -> None:
    """Check every network, then run two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="LAVA_DL")
    parser.add_argument("--steps", type=int, default=300, help="of Oxford in Lava")
    args = parser.parse_args()
    for path in sorted(args.folder.rglob("*.net")):
        print(f"{path.relative_to(args.folder)}: {round_trip(path)}")
    pilotnet(args.folder / "tests/lava/lib/dl/netx/gts/pilotnet_lif")
    oxford(args.folder / "tutorials/lava/lib/dl/netx/oxford", args.steps)


def round_trip(path: Path) -> str:
    """Say whether every number survives, or why the file is refused."""
    try:
        layers = read_layers(path)
        with tempfile.TemporaryDirectory() as folder:
            again = Path(folder) / "again.net"
            write_netx(read_netx(path, dt_s=DT_S), again)
            by_integers = same(layers, read_layers(again))
            nir = Path(folder) / "x.nir"
            write_nir(read_netx_in_seconds(path, dt_s=DT_S), nir, dt_s=DT_S)
            write_netx(read_nir(nir), again, dt_s=DT_S)
            by_nir = same(layers, read_layers(again))
    except SpikewrightError as error:
        return f"refused: {str(error).removeprefix(str(path))}"
    return f"{len(layers)} layers; equal by integers: {by_integers}, by NIR: {by_nir}"


def same(one: Layers, other: Layers) -> bool:
    """Say whether two networks have the same layers."""
    return [*one] == [*other] and all(is_same(one[k], other[k]) for k in one)


def pilotnet(folder: Path) -> None:
    """Compare all layers with what lava-dl recorded."""
    net = folder / "network.net"
    image = np.load(folder / "image.npy").transpose(2, 1, 0)
    drive = np.broadcast_to(image, (1, SAMPLE, *image.shape))
    spikes = encode_netx(read_netx_input(net), drive)
    report("PilotNet input", spikes, recorded(folder / "input.npy"), 0)
    trace = run(read_netx(net, dt_s=DT_S, entry="spikes"), spikes, backend="integer")
    files = [*(f"conv-{i}" for i in range(5)), *(f"fc-{i}" for i in range(3))]
    layers = [name for name in trace.spikes if name not in {"layer0", "layer10"}]
    for place, (layer, file) in enumerate(zip(layers, files, strict=True), start=1):
        wanted = recorded(folder / f"{file}.npy")
        report(f"PilotNet {layer} ({file})", trace.spikes[layer], wanted, place)


def recorded(path: Path) -> np.ndarray:
    """Return spikes (steps, neurons), kept as (columns, rows, channels, steps)."""
    spikes = np.load(path).T
    return spikes.reshape(len(spikes), -1)


def report(name: str, got: np.ndarray, wanted: np.ndarray, late: int) -> None:
    """Compare one sample, repeated, with a record that starts `late` steps later."""
    twice = np.concatenate([got[0], got[0]]).reshape(2 * SAMPLE, -1)
    wanted = wanted[late:]
    wrong = int((twice[: len(wanted)] != wanted).sum())
    print(f"{name}: {wrong} of {wanted.size} differ, {int(wanted.sum())} spikes")


def oxford(folder: Path, steps: int) -> None:
    """Compare both layers with Lava."""
    if not [*importlib.metadata.distributions(name="lava-dl")]:
        print("Oxford: lava-dl is not installed")
        return
    events = np.load(folder / "input.npy")
    inputs = np.zeros((steps, 200), dtype=np.uint8)
    when = np.round(events[:, -1]).astype(int)
    inputs[when[when < steps], events[when < steps, 0].astype(int)] = 1
    net = folder / "Trained" / "network.net"
    trace = run(read_netx(net, dt_s=DT_S), inputs[None], backend="integer")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "oxford.net"
        copy.write_bytes(net.read_bytes())
        np.savez(copy.with_suffix(".npz"), inputs=inputs, reset=0)
        subprocess.run([sys.executable, str(CHILD), name], check=True)  # noqa: S603
        found = np.load(copy.with_suffix(".spikes.npz"))
        for index, layer in enumerate(("layer0", "layer1")):
            wrong = int((trace.spikes[layer][0] != found[str(index)]).sum())
            count = int(found[str(index)].sum())
            print(
                f"Oxford {layer}: {wrong} of {found[str(index)].size} differ, "
                f"{count} spikes"
            )


if __name__ == "__main__":
    main()
