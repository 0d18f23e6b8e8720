"""The networks of the NIR paper on our executors, beside what it published.

    git clone https://github.com/neuromorphs/NIR
    python benchmarks/nir_paper.py --paper NIR/paper

1. Its single LIF neuron with its input train: voltage and spikes of our integers beside
   the published traces of Lava (float, fixed point) and of a Loihi chip.
2. Its convolutional and recurrent networks, on random spikes: wrong spikes between our
   executors, and how far integers agree with float.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import describe_machine

from spikewright.export.lower import lower
from spikewright.export.nir.io import read_nir
from spikewright.graph import Graph, Stage
from spikewright.nodes import QuantizedNeurons
from spikewright.simulate.compare import Comparison, compare_traces
from spikewright.simulate.reference import run_reference
from spikewright.simulate.reference_neurons import State
from spikewright.simulate.run import run

DT_S = 1e-4
STATE_UNIT = 64
"""a weight unit is 2**6 units of v"""
PUBLISHED_UNIT = 256 * STATE_UNIT
"""units of v for 1 in the file, in the paper's script: w * 256, shifted by 6"""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """Voltage and spikes of the neuron, one entry a step, in the units of the file."""

    label: str
    v: Values
    spikes: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Network:
    """A network of the paper, and the spikes that we give it."""

    file: str
    dt_s: float
    """the step in which its r = tau / dt, or for IF with r = 1: one"""
    rate: float
    steps: int


NETWORKS = (
    Network("02_cnn/cnn_sinabs.nir", 1.0, 0.02, 20),
    Network("03_rnn/braille_noDelay_bias_zero.nir", DT_S, 0.1, 100),
    Network("03_rnn/braille_noDelay_noBias_subtract.nir", DT_S, 0.1, 100),
)


def single_neuron(paper: Path) -> None:
    """Print the error of each recording against the same neuron in float64."""
    folder = paper / "01_lif"
    train = np.loadtxt(folder / "lif_norse.csv", delimiter=",")[:, 0] > 0
    graph = read_nir(folder / "lif_norse.nir")
    exact = _ours("float64", lower(graph, dt_s=DT_S, to=Stage.TIMED).graph, train)
    rows = [
        _published("Norse, published", folder / "lif_norse.csv", 1.0, late=0),
        _published("Lava float, published", folder / "lif_lava_cpu_float.csv", 1.0),
        _published("Lava fixed, published", folder / "lif_lava_cpu_fixed.csv"),
        _published("Loihi chip, published", folder / "lif_lava_loihi_fixed.csv"),
        _ours("ours, integers", lower(graph, dt_s=DT_S).graph, train),
    ]
    print(f"\nsingle LIF, {len(train)} steps, {int(train.sum())} input spikes")
    print(f"float64 fires at {_times(exact)}, threshold 0.1")
    for row in rows:
        error = np.abs(row.v - exact.v)[:-1]  # Lava's last step is beyond its trace
        print(
            f"{row.label:<24} fires at {_times(row)}; |v - float64| at most "
            f"{error.max():.2e}, rms {np.sqrt((error**2).mean()):.2e}"
        )

    _explain(lower(graph, dt_s=DT_S).graph, *rows[2:4])


def _explain(graph: Graph, lava: Recording, loihi: Recording) -> None:
    """Say where the integers differ: the constants, and the probe on the chip."""
    neurons = next(v for v in graph.nodes.values() if isinstance(v, QuantizedNeurons))
    differ = np.flatnonzero(lava.v != loihi.v)
    print(
        "the paper's script rounds w dt/tau = 0.04 to 10/256, the threshold 0.1 to "
        "25/256 and the decay to 1 - 163/4096; ours folds dt/tau into the threshold, "
        f"{neurons.vth} / {neurons.scale:g} = {neurons.vth / neurons.scale:g} exactly, "
        f"and has the decay 1 - {neurons.dv}/4096"
    )
    print(
        f"chip and Lava's fixed point differ in v at {len(differ)} steps, "
        f"{int(loihi.spikes[differ].sum())} of them those of a spike, where the chip's "
        f"probe reads {loihi.v[differ].max() * PUBLISHED_UNIT:g} for 0"
    )


def _times(recording: Recording) -> str:
    return ", ".join(map(str, np.flatnonzero(recording.spikes)))


def _published(
    label: str, path: Path, unit: float = PUBLISHED_UNIT, *, late: int = 1
) -> Recording:
    """Read a trace; Lava's are one step late, the step of the synapse."""
    _, v, spikes = np.loadtxt(path, delimiter=",").T
    return Recording(label, _earlier(v / unit, late), _earlier(spikes > 0, late))


def _earlier(values: npt.NDArray[np.generic], steps: int) -> npt.NDArray[np.generic]:
    return np.concatenate([values[steps:], np.zeros(steps, values.dtype)])


def _ours(label: str, graph: Graph, train: npt.NDArray[np.bool_]) -> Recording:
    """Run the neuron and record its potential after the reset."""
    seen: list[float] = []

    def probe(name: str, step: int, a: npt.NDArray[np.generic], state: State) -> None:
        seen.append(float(state.v[0]))

    trace = run_reference(graph, train.reshape(1, -1, 1), probe=probe)
    name = next(name for name in trace.spikes if name not in graph.inputs)
    first = graph.arrival[name]
    node = graph.nodes[name]
    unit = node.scale * STATE_UNIT if isinstance(node, QuantizedNeurons) else 1.0
    gain = DT_S / 2.5e-3  # the graph counts in units of the input: v = gain * v_graph
    v = np.array(seen[first : first + len(train)]) / unit * gain
    return Recording(label, v, trace.spikes[name][0, :, 0] > 0)


def networks(paper: Path) -> None:
    """Print the differences between executors on each network."""
    for network in NETWORKS:
        graph = read_nir(paper / network.file)
        print(f"\n{network.file}: {len(graph.nodes)} nodes")
        for label, same in _compare(graph, network):
            print(
                f"{label:<34} {same.compared:>9,} entries, {same.spikes:>7,} spikes, "
                f"{same.mismatches} wrong"
            )


def _compare(graph: Graph, network: Network) -> Iterator[tuple[str, Comparison]]:
    rng = np.random.default_rng(0)
    shape = (2, network.steps, *graph.inputs[graph.input_name].shape)
    spikes = (rng.random(shape) < network.rate).astype(np.uint8)
    given = list(graph.inputs)
    discrete, timed, quantized = (
        lower(graph, dt_s=network.dt_s, to=stage).graph
        for stage in (Stage.DISCRETE, Stage.TIMED, Stage.QUANTIZED)
    )
    judge = run(discrete, spikes)
    integer = run(quantized, spikes, backend="integer")
    pairs = {
        "DISCRETE vs TIMED": (judge, run(timed, spikes)),
        "DISCRETE vs Lava float": (judge, run(timed, spikes, backend="lava")),
        "integer vs reference": (integer, run(quantized, spikes)),
        "integer vs Lava fixed": (integer, run(quantized, spikes, backend="lava")),
        "float vs integer (8-bit weights)": (judge, integer),
    }
    for label, (left, right) in pairs.items():
        yield label, compare_traces(left, right, given=given)


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", type=Path, required=True, help="its folder `paper`")
    args = parser.parse_args()
    print(describe_machine())
    single_neuron(args.paper)
    networks(args.paper)


if __name__ == "__main__":
    main()
