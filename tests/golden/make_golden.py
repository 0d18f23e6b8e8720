"""Make the golden graphs: `python tests/golden/make_golden.py [FOLDER]`.

Written with `nir` alone, so that they judge our reader and our writer. Deterministic.
All record dt_s in the metadata of the graph.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Edges = list[tuple[str, str]]
DT_S = 1e-4
TIES_DT_S = 2.0**-10


def beta_lif(
    shape: tuple[int, ...], beta: float, threshold: float, dt_s: float = DT_S
) -> nir.LIF:
    """v <- beta v + a, as `snn.Leaky(beta, threshold, reset_mechanism="zero")`."""
    tau = np.full(shape, dt_s / (1 - float(np.float32(beta))))
    zero = np.zeros(shape)
    return nir.LIF(tau, tau / dt_s, zero, np.full(shape, threshold), zero)


def affine(rng: np.random.Generator, targets: int, sources: int) -> nir.Affine:
    weight = rng.normal(0.0, 1.6 / np.sqrt(sources), (targets, sources))
    return nir.Affine(
        weight.astype(np.float32), rng.normal(0.05, 0.1, targets).astype(np.float32)
    )


def ends(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> dict[str, nir.NIRNode]:
    return {
        "input": nir.Input({"input": np.array(inputs)}),
        "output": nir.Output({"output": np.array(outputs)}),
    }


def chain(*names: str) -> Edges:
    return list(pairwise(names))


def graph(nodes: dict[str, nir.NIRNode], edges: Edges, dt_s: float) -> nir.NIRGraph:
    return nir.NIRGraph(nodes, edges, metadata={"dt_s": dt_s})


def residual_bias() -> nir.NIRGraph:
    """12-16-16-8 with a skip from the first hidden layer to the third, all biased."""
    rng = np.random.default_rng(1)
    nodes = {
        **ends((12,), (8,)),
        "fc1": affine(rng, 16, 12),
        "lif1": beta_lif((16,), 0.9, 0.8),
        "fc2": affine(rng, 16, 16),
        "lif2": beta_lif((16,), 0.8, 0.7),
        "fc3": affine(rng, 8, 16),
        "lif3": beta_lif((8,), 0.95, 1.0),
        "skip": affine(rng, 8, 16),
    }
    edges = [
        *chain("input", "fc1", "lif1", "fc2", "lif2", "fc3", "lif3", "output"),
        *chain("lif1", "skip", "lif3"),
    ]
    return graph(nodes, edges, DT_S)


def recurrent() -> nir.NIRGraph:
    """A layer with a learned loop, and one that inhibits itself directly."""
    rng = np.random.default_rng(2)
    nodes = {
        **ends((8,), (6,)),
        "fc": affine(rng, 16, 8),
        "lif": beta_lif((16,), 0.85, 0.9),
        "w_rec": nir.Linear(rng.normal(0, 0.3, (16, 16)).astype(np.float32)),
        "fc_out": affine(rng, 6, 16),
        "lif_out": beta_lif((6,), 0.9, 1.1),
    }
    edges = [
        *chain("input", "fc", "lif", "w_rec", "lif"),
        *chain("lif", "fc_out", "lif_out", "output"),
        ("lif_out", "lif_out"),
    ]
    return graph(nodes, edges, DT_S)


def chip_attention() -> nir.NIRGraph:
    """q AND [sum over tokens of (k AND v) > theta], C = 6 channels, L = 5 tokens."""
    rng = np.random.default_rng(3)
    channels, tokens = 6, 5
    shape = (channels, tokens)
    nodes = {**ends(shape, shape)}
    edges: Edges = []
    for name in ("q", "k", "v"):
        weight = rng.normal(0.15, 0.9, (channels, channels, 1)).astype(np.float32)
        bias = rng.normal(0.0, 0.1, channels).astype(np.float32)
        nodes[f"conv_{name}"] = nir.Conv1d(tokens, weight, 1, 0, 1, 1, bias)
        nodes[name] = beta_lif(shape, 0.8, 0.6)
        edges += chain("input", f"conv_{name}", name)
    nodes |= {
        "kv": nir.Threshold(np.full(shape, 1.5)),
        "token_sum": nir.Linear(np.ones((channels, 1, tokens), np.float32)),
        "gate": beta_lif((channels, 1), 0.5, 1.25),
        "broadcast": nir.Linear(np.ones((channels, tokens, 1), np.float32)),
        "attended": nir.Threshold(np.full(shape, 1.5)),
    }
    edges += [("k", "kv"), ("v", "kv")]
    edges += chain("kv", "token_sum", "gate", "broadcast", "attended", "output")
    edges += [("q", "attended")]
    return graph(nodes, edges, DT_S)


def random_branching() -> nir.NIRGraph:
    """Branches of depth 0, 1, 2 and 3 that meet; biases, delay, leaks, a gain not 1."""
    rng = np.random.default_rng(4)
    shape = (10,)
    leaky = nir.LIF(
        np.full(10, 1.25e-3),
        np.full(10, 1.5),
        rng.normal(0.0, 0.02, 10),
        np.full(10, 0.07),
        np.zeros(10),
    )
    nodes = {
        **ends((7,), shape),
        "fc_a": affine(rng, 10, 7),
        "a": beta_lif(shape, 0.9, 0.7),
        "fc_b": affine(rng, 10, 10),
        "b": leaky,
        "delay": nir.Delay(np.full(10, 3 * DT_S)),
        "fc_c": affine(rng, 10, 10),
        "scale": nir.Scale(rng.uniform(0.5, 1.5, 10).astype(np.float32)),
        "c": nir.IF(np.full(10, 1 / DT_S), np.full(10, 0.9), np.zeros(10)),
        "fc_skip": affine(rng, 10, 7),
        "fc_d": affine(rng, 10, 10),
        "d": beta_lif(shape, 0.7, 0.9),
    }
    edges = [
        *chain("input", "fc_a", "a", "fc_b", "b", "delay", "fc_c", "c", "fc_d", "d"),
        *chain("a", "scale", "c"),
        *chain("input", "fc_skip", "d", "output"),
        ("a", "d"),
    ]
    return graph(nodes, edges, DT_S)


def li_readout() -> nir.NIRGraph:
    """Tokens flattened into a classifier that is read as a leaky potential, r = 1."""
    rng = np.random.default_rng(5)
    channels, tokens, classes = 4, 6, 3
    kernel = rng.normal(0.1, 0.8, (channels, 2, 3)).astype(np.float32)
    bias = rng.normal(0.1, 0.1, channels).astype(np.float32)
    width = channels * (tokens - 2)
    readout = nir.LI(
        np.full(classes, 2e-3), np.ones(classes), np.array([0.0, 0.01, -0.02])
    )
    nodes = {
        **ends((2, tokens), (classes,)),
        "conv": nir.Conv1d(tokens, kernel, 1, 0, 1, 1, bias),
        "lif": beta_lif((channels, tokens - 2), 0.9, 1.0),
        "flatten": nir.Flatten({"input": np.array([channels, tokens - 2])}, 0, -1),
        "fc": affine(rng, classes, width),
        "li": readout,
    }
    return graph(
        nodes, chain("input", "conv", "lif", "flatten", "fc", "li", "output"), DT_S
    )


def heterogeneous() -> nir.NIRGraph:
    """Every neuron with its own tau, r, leak and threshold: more than Loihi shares."""
    rng = np.random.default_rng(7)
    lif = nir.LIF(
        rng.uniform(5e-4, 2e-3, 8),
        rng.uniform(0.5, 2.0, 8),
        rng.normal(0.0, 0.02, 8),
        rng.uniform(0.03, 0.08, 8),
        np.zeros(8),
    )
    readout = nir.LI(
        np.array([1e-3, 2e-3, 4e-3]), rng.uniform(0.5, 2.0, 3), rng.normal(0, 0.02, 3)
    )
    nodes = {
        **ends((5,), (3,)),
        "fc1": affine(rng, 8, 5),
        "lif": lif,
        "fc2": affine(rng, 3, 8),
        "li": readout,
    }
    return graph(nodes, chain("input", "fc1", "lif", "fc2", "li", "output"), DT_S)


def ties() -> nir.NIRGraph:
    """Dyadic weights, decay 1/2, threshold 1: v == threshold often, with no spike."""
    rng = np.random.default_rng(6)

    def dyadic(targets: int, sources: int) -> nir.Affine:
        weight = rng.integers(-2, 4, (targets, sources)) / 2
        return nir.Affine(weight, rng.integers(0, 2, targets) / 4)

    def lif(size: int) -> nir.LIF:
        return beta_lif((size,), 0.5, 1.0, TIES_DT_S)

    nodes = {
        **ends((6,), (6,)),
        "fc1": dyadic(8, 6),
        "lif1": lif(8),
        "fc2": dyadic(8, 8),
        "lif2": lif(8),
        "fc3": dyadic(6, 8),
        "skip": dyadic(6, 6),
        "lif3": lif(6),
    }
    edges = [
        *chain("input", "fc1", "lif1", "fc2", "lif2", "fc3", "lif3", "output"),
        *chain("input", "skip", "lif3"),
    ]
    return graph(nodes, edges, TIES_DT_S)


def if_neuron(shape: tuple[int, ...], threshold: float) -> nir.IF:
    """v <- v + a."""
    return nir.IF(np.full(shape, 1 / DT_S), np.full(shape, threshold), np.zeros(shape))


def kernel(rng: np.random.Generator, *shape: int) -> Array:
    scale = 1.6 / np.sqrt(np.prod(shape[1:]))
    return rng.normal(0.1, scale, shape).astype(np.float32)


def bias(rng: np.random.Generator, size: int) -> Array:
    return rng.normal(0.05, 0.1, size).astype(np.float32)


def unchecked(nodes: dict[str, nir.NIRNode], edges: Edges, dt_s: float) -> nir.NIRGraph:
    """Build a graph whose shapes nir 1.0.8 gets wrong: grouped, non-square kernels."""
    return nir.NIRGraph(nodes, edges, metadata={"dt_s": dt_s}, type_check=False)


def conv2d_pool() -> nir.NIRGraph:
    """(2, 13, 11) -> groups, stride 2, 3x5 -> sum pool -> same, 2x2 -> mean pool."""
    rng = np.random.default_rng(8)
    pair = np.array
    nodes = {
        **ends((2, 13, 11), (5,)),
        "conv1": nir.Conv2d(
            (13, 11), kernel(rng, 4, 1, 3, 5), 2, 1, 1, 2, bias(rng, 4)
        ),
        "if1": if_neuron((4, 7, 5), 1.0),
        "sum": nir.SumPool2d(pair([2, 2]), pair([2, 1]), pair([0, 0])),
        "conv2": nir.Conv2d(
            (3, 4), kernel(rng, 6, 4, 2, 2), 1, "same", 1, 1, bias(rng, 6)
        ),
        "if2": if_neuron((6, 3, 4), 1.5),
        "mean": nir.AvgPool2d(pair([3, 2]), pair([3, 2]), pair([1, 0])),
        "flatten": nir.Flatten({"input": np.array([6, 1, 2])}, 0, -1),
        "fc": affine(rng, 5, 12),
        "if3": if_neuron((5,), 0.6),
    }
    edges = chain("input", "conv1", "if1", "sum", "conv2", "if2", "mean", "flatten")
    return unchecked(nodes, edges + chain("flatten", "fc", "if3", "output"), DT_S)


def conv1d_options() -> nir.NIRGraph:
    """A stride, "same" with four taps, dilation, depthwise and grouped; and a skip."""
    rng = np.random.default_rng(9)
    nodes = {
        **ends((4, 16), (4, 6)),
        "strided": nir.Conv1d(16, kernel(rng, 6, 4, 3), 2, 1, 1, 1, bias(rng, 6)),
        "a": beta_lif((6, 8), 0.8, 0.9),
        "same": nir.Conv1d(8, kernel(rng, 6, 6, 4), 1, "same", 1, 1, bias(rng, 6)),
        "b": beta_lif((6, 8), 0.9, 1.1),
        "depthwise": nir.Conv1d(8, kernel(rng, 6, 1, 3), 1, 2, 2, 6, bias(rng, 6)),
        "c": beta_lif((6, 8), 0.7, 1.2),
        "grouped": nir.Conv1d(8, kernel(rng, 4, 3, 3), 1, 0, 1, 2, bias(rng, 4)),
        "d": beta_lif((4, 6), 0.9, 1.0),
    }
    edges = chain("input", "strided", "a", "same", "b", "depthwise", "c", "grouped")
    edges += [*chain("grouped", "d", "output"), ("a", "c")]
    return unchecked(nodes, edges, DT_S)


def cuba() -> nir.NIRGraph:
    """Synaptic currents: spiking with leak and input weights, read as a potential."""
    rng = np.random.default_rng(10)
    neurons = {
        "tau_syn": np.full(12, 2.5e-4),
        "tau_mem": np.full(12, 8e-4),
        "r": np.full(12, 8.0),
        "v_leak": rng.uniform(0.0, 0.2, 12),
        "v_threshold": np.full(12, 1.5),
        "w_in": rng.uniform(0.5, 1.5, 12),
    }
    readout = {
        "tau_syn": np.full(4, 5e-4),
        "tau_mem": np.full(4, 2e-3),
        "r": np.full(4, 2.0),
        "v_leak": rng.normal(0.0, 0.02, 4),
        "w_in": np.ones(4),
    }
    nodes = {
        **ends((10,), (4,)),
        "fc1": affine(rng, 12, 10),
        "cuba_lif": nir.CubaLIF(**neurons),
        "fc2": affine(rng, 4, 12),
        "cuba_li": nir.CubaLI(**readout),
    }
    edges = chain("input", "fc1", "cuba_lif", "fc2", "cuba_li", "output")
    return graph(nodes, edges, DT_S)


def nested_recurrent() -> nir.NIRGraph:
    """A block with a skip holds a recurrent layer as snnTorch's RLeaky writes it."""
    rng = np.random.default_rng(11)
    w_rec = rng.normal(0, 0.3, (9, 9)).astype(np.float32)
    recurrent_nodes = {
        **ends((9,), (9,)),
        "lif": beta_lif((9,), 0.85, 0.9),
        "w_rec": nir.Affine(w_rec, bias(rng, 9)),
    }
    recurrent_edges = chain("input", "lif", "w_rec", "lif", "output")
    block_nodes = {
        **ends((9,), (9,)),
        "recurrent": graph(recurrent_nodes, recurrent_edges, DT_S),
        "fc": affine(rng, 9, 9),
    }
    block_edges = [
        *chain("input", "recurrent", "fc", "output"),
        ("input", "output"),
    ]
    nodes = {
        **ends((6,), (4,)),
        "fc_in": affine(rng, 9, 6),
        "lif_in": beta_lif((9,), 0.9, 1.0),
        "block": graph(block_nodes, block_edges, DT_S),
        "lif": beta_lif((9,), 0.8, 1.1),
        "fc_out": affine(rng, 4, 9),
        "lif_out": beta_lif((4,), 0.9, 0.9),
    }
    edges = chain(
        *("input", "fc_in", "lif_in", "block", "lif", "fc_out", "lif_out", "output")
    )
    return graph(nodes, edges, DT_S)


def two_ends() -> nir.NIRGraph:
    """Two Inputs of different depth meet; one Output adds two layers up."""
    rng = np.random.default_rng(12)
    readout = nir.LI(np.full(3, 1e-3), np.full(3, 10.0), np.zeros(3))
    nodes = {
        "words": nir.Input({"input": np.array([7])}),
        "context": nir.Input({"input": np.array([4])}),
        "spikes": nir.Output({"output": np.array([6])}),
        "potential": nir.Output({"output": np.array([3])}),
        "fc_words": affine(rng, 8, 7),
        "early": beta_lif((8,), 0.9, 0.9),
        "fc_early": affine(rng, 6, 8),
        "fc_context": affine(rng, 6, 4),
        "meeting": beta_lif((6,), 0.8, 0.9),
        "fc_late": affine(rng, 6, 6),
        "late": beta_lif((6,), 0.9, 1.0),
        "fc_readout": affine(rng, 3, 6),
        "readout": readout,
    }
    edges = [
        *chain("words", "fc_words", "early", "fc_early", "meeting"),
        *chain("context", "fc_context", "meeting", "fc_late", "late", "spikes"),
        ("meeting", "spikes"),
        *chain("late", "fc_readout", "readout", "potential"),
    ]
    return graph(nodes, edges, DT_S)


def dyadic_affine(rng: np.random.Generator, targets: int, sources: int) -> nir.Affine:
    """Weights are multiples of 1/2, biases of 1/4."""
    weight = rng.integers(-2, 4, (targets, sources)) / 2
    return nir.Affine(weight, rng.integers(-1, 2, targets) / 4)


def soft_reset() -> nir.NIRGraph:
    """snnTorch's default neuron, beta 1 and 1/2: a spike subtracts theta, a step late.

    Without a leak the potential stays a multiple of 1/4, so v == theta often.
    """
    rng = np.random.default_rng(96)  # all neurons alive
    tau = np.full(5, TIES_DT_S / (1 - 0.5))
    thetas = [rng.integers(3, 7, size) / 4 for size in (8, 5)]
    nodes = {
        **ends((6,), (5,)),
        "fc1": dyadic_affine(rng, 8, 6),
        "v1": nir.I(np.full(8, 1 / TIES_DT_S)),
        "spike1": nir.Threshold(thetas[0]),
        "reset1": nir.Scale(-thetas[0]),
        "fc2": dyadic_affine(rng, 5, 8),
        "v2": nir.LI(tau, tau / TIES_DT_S, np.zeros(5)),
        "spike2": nir.Threshold(thetas[1]),
        "reset2": nir.Scale(-thetas[1]),
    }
    edges = [
        *chain("input", "fc1", "v1", "spike1", "fc2", "v2", "spike2", "output"),
        *chain("spike1", "reset1", "v1"),
        *chain("spike2", "reset2", "v2"),
    ]
    return graph(nodes, edges, TIES_DT_S)


def v_reset() -> nir.NIRGraph:
    """Spikes set the potential to values below and above 0, for each neuron its own."""
    rng = np.random.default_rng(14)
    tau = np.full(8, TIES_DT_S / (1 - 0.5))
    leaky = nir.LIF(
        tau,
        tau / TIES_DT_S,
        np.zeros(8),
        np.full(8, 1.0),
        rng.integers(-4, 3, 8) / 4,
    )
    perfect = nir.IF(
        np.full(5, 1 / TIES_DT_S), np.full(5, 1.5), rng.integers(-4, 3, 5) / 4
    )
    nodes = {
        **ends((6,), (5,)),
        "fc1": dyadic_affine(rng, 8, 6),
        "lif": leaky,
        "fc2": dyadic_affine(rng, 5, 8),
        "if": perfect,
    }
    return graph(nodes, chain("input", "fc1", "lif", "fc2", "if", "output"), TIES_DT_S)


def delays() -> nir.NIRGraph:
    """Every element late by its own number of steps; a loop with a delay in it."""
    rng = np.random.default_rng(15)
    nodes = {
        **ends((6,), (5,)),
        "axons": nir.Delay(np.array([0, 1, 2, 3, 4, 5]) * DT_S),
        "fc1": affine(rng, 8, 6),
        "lif1": beta_lif((8,), 0.9, 0.9),
        "late": nir.Delay(np.array([3, 0, 1, 2, 3, 0, 1, 2]) * DT_S),
        "w_rec": nir.Linear(rng.normal(0, 0.3, (8, 8)).astype(np.float32)),
        "fc2": affine(rng, 5, 8),
        "lif2": beta_lif((5,), 0.8, 0.9),
        "skip": affine(rng, 5, 6),
    }
    edges = [
        *chain("input", "axons", "fc1", "lif1", "late", "w_rec", "lif1"),
        *chain("lif1", "fc2", "lif2", "output"),
        *chain("input", "skip", "lif2"),
    ]
    return graph(nodes, edges, DT_S)


GOLDEN = (
    residual_bias,
    recurrent,
    chip_attention,
    random_branching,
    li_readout,
    heterogeneous,
    ties,
    conv2d_pool,
    conv1d_options,
    cuba,
    nested_recurrent,
    two_ends,
    soft_reset,
    v_reset,
    delays,
)


def main(folder: Path) -> None:
    for make in GOLDEN:
        path = folder / f"{make.__name__}.nir"
        nir.write(path, make(), compression=None)  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
