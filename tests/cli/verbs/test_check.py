"""`spikewright check`: tables, JSON, exit statuses, and what it reads."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from spikewright.files import write_graph
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import (
    DenseSynapses,
    Input,
    Output,
    QuantizedNeurons,
    TokenSynapses,
)

ROOT = Path(__file__).parents[3]
Files = Callable[[str], Path]


def _lowered(path: Path, weight: np.ndarray, delay: int = 0) -> Path:
    """Write inputs -> weight -> neurons as `spikewright lower` would."""
    targets, sources = weight.shape
    nodes = {
        "input": Input((sources,)),
        "w": DenseSynapses(weight),
        "n": QuantizedNeurons((targets,), 2048, 64, 1.0),
        "output": Output((targets,)),
    }
    edges = (Edge("input", "w", delay), Edge("w", "n"), Edge("n", "output"))
    write_graph(Graph(nodes, edges, Stage.QUANTIZED, 1e-3), path)
    return path


def _ones(targets: int, sources: int) -> np.ndarray:
    return np.ones((targets, sources), dtype=np.int64)


def _documents(text: str) -> dict[str, dict[str, Any]]:
    return {each["profile"]: each for each in json.loads(text)["chips"]}


def test_a_network_that_fits_is_told_with_status_0(run, here) -> None:
    done = run("check", _lowered(here / "l.npz", 255 * _ones(64, 4096)))
    assert (done.status, done.err) == (0, "")
    # 64 = 30 + 30 + 4: an axon may take 256 bits of Loihi 1's memory, 8 x 30 + 10
    assert "Intel Loihi 1: fits on 3 cores of 1 chip\n" in done.out
    assert "Intel Loihi 2: fits on 2 cores of 1 chip\n" in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert ["input", "axons", "4,096", "4,096", "4,096.0", "(100%)"] in rows
    assert ["input", "axons", "unknown", "4,096", "4,096.0"] in rows


def test_everything_that_breaks_is_listed_with_status_1(run, here) -> None:
    done = run("check", _lowered(here / "l.npz", 300 * _ones(2, 5000), 70))
    assert (done.status, done.err) == (1, "")
    first, second = done.out.split("Intel Loihi 2")
    assert "Intel Loihi 1: does not fit, 3 violations" in first
    assert "- w: weights from 0 to 300; allowed: 0 to 255 (8 bits)" in first
    assert "- w: a delay of 70 steps from 'input'; allowed: 62 steps;" in first
    assert "- n: 2 neurons need up to 5,000 input axons alone; allowed: 4," in first
    # Nobody publishes the axons of a Loihi 2 core.
    assert ": does not fit, 2 violations" in second
    assert "- input axons a core: no public number" in second


def test_json_has_both_accountings_and_every_use(run, here) -> None:
    nodes = {
        "input": Input((2, 5)),
        "w": TokenSynapses(np.ones((1, 3, 2), dtype=np.int64)),
        "n": QuantizedNeurons((3, 5), 2048, 64, 1.0),
        "output": Output((3, 5)),
    }
    edges = (Edge("input", "w"), Edge("w", "n"), Edge("n", "output"))
    write_graph(Graph(nodes, edges, Stage.QUANTIZED, 1e-3), here / "l.npz")
    done = run("check", "l.npz", "--profile", "loihi1", "--json")
    assert done.status == 0
    (found,) = _documents(done.out).values()
    assert found["fits"] is True
    assert (found["replicated"]["neurons"], found["streamed"]["neurons"]) == (15, 3)
    assert (found["replicated"]["synapses"], found["streamed"]["synapses"]) == (30, 6)
    assert (found["streamed"]["places"], found["streamed"]["passes"]) == (5, 1)
    assert found["replicated"]["placed"] == [{"n": 15}]
    assert found["replicated"]["resources"]["neurons"]["most"] == 15
    assert found["limits"]["neurons"]["source"].startswith("nengo-loihi")


def test_json_says_that_nothing_can_be_streamed(run, here) -> None:
    path = _lowered(here / "l.npz", _ones(3, 2))
    (found,) = _documents(
        run("check", path, "--profile", "loihi2", "--json").out
    ).values()
    assert found["streamed"] is None
    done = run("check", path)
    assert done.out.count("- nothing can be streamed: no population treats") == 2


def test_limits_of_ones_own_are_read(run, here) -> None:
    limits = "".join(
        f'[limits.{key}]\nvalue = {value}\nunit = "u"\nsource = "s"\nevidence = "C"\n'
        for key, value in (("cores", 2), ("neurons", 4), ("weight_bits", 8))
    )
    Path("mine.toml").write_text(f'title = "mine"\nunknown = []\n{limits}')
    path = _lowered(here / "l.npz", _ones(9, 1))
    done = run("check", path, "--profile", "mine.toml", "--profile", "loihi1")
    assert done.status == 0
    assert "mine: fits on 3 cores of 2 chips" in done.out  # 9 = 4 + 4 + 1
    assert "Intel Loihi 1: fits on 1 core of 1 chip" in done.out


def test_a_nir_file_is_lowered_first(run, here, golden: Files) -> None:
    done = run("check", golden("residual_bias"))
    assert done.status == 0
    assert done.out.count("fits on 1 core of 1 chip") == 2


def test_weights_of_fewer_bits_take_less_memory(run, here, golden: Files) -> None:
    words = ("check", golden("residual_bias"), "--profile", "loihi2", "--json")
    (found,) = _documents(run(*words, "--weight-bits", "3").out).values()
    maps, biases = [], []
    for each in found["replicated"]["projections"]:
        (biases if each["name"].endswith("_bias") else maps).append(each)
    assert {each["weight_bits"] for each in maps} == {3}
    assert {each["weight_bits"] for each in biases} == {8}
    # all lies in one core; of Loihi 2's memory the weights alone are known
    taken = sum(each["synapses"] * each["weight_bits"] for each in (*maps, *biases))
    assert found["replicated"]["resources"]["synapse_bits"]["most"] == taken
    path = _lowered(here / "l.npz", _ones(3, 2))
    refusal = run("check", path, "--weight-bits", "3").refusal()
    assert "has its integers already; leave it out, or lower again" in refusal


def test_a_nir_file_without_a_time_step_needs_one(run, here, timeless: Path) -> None:
    assert "give --dt SECONDS" in run("check", timeless).refusal()
    done = run("check", timeless, "--dt", "1e-4")
    assert done.status == 0
    assert "fits on 1 core" in done.out


@pytest.fixture
def unlowerable(tmp_path: Path) -> Path:
    """An LI whose numbers go into weights: Loihi's integer synapses take spikes."""
    two = np.ones(2)
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "first": nir.Linear(np.eye(2)),
        "li": nir.LI(two * 2e-4, two, two * 0),
        "second": nir.Linear(np.eye(2)),
        "lif": nir.LIF(two * 2e-4, two * 2, two * 0, two * 0.5, two * 0),
        "output": nir.Output({"output": np.array([2])}),
    }
    names = list(nodes)
    path = tmp_path / "unlowerable.nir"
    edges = list(itertools.pairwise(names))
    nir.write(path, nir.NIRGraph(nodes, edges))
    return path


def test_what_cannot_be_lowered_is_the_violation(run, here, unlowerable: Path) -> None:
    done = run("check", unlowerable, "--dt", "1e-4")
    assert (done.status, done.err) == (1, "")
    assert done.out.startswith("does not fit: it cannot be lowered to Loihi's integers")
    assert "'li' sends numbers" in done.out
    done = run("check", unlowerable, "--dt", "1e-4", "--json")
    assert done.status == 1
    (found,) = json.loads(done.out)["chips"]
    assert found["fits"] is False
    (violation,) = found["violations"]
    assert violation["kind"] == "lowering"
    assert "'li' sends numbers" in violation["got"]


# --- which tools load it -------------------------------------------------------------


def test_tools_that_load_a_file_are_told_below_the_chips(
    run, here, timeless: Path
) -> None:
    """Weights of 1, v_threshold 1/2: 0.5 v + 1 is never 1/2, but that takes a proof."""
    done = run("check", timeless, "--dt", "1e-4")
    assert (done.status, done.err) == (0, "")
    _, tools = done.out.split("\n\n\nLoads exactly in: ")
    assert tools == (
        "snnTorch 1.0.0\n"
        "\n"
        "Does not load exactly in SpikingJelly 2.0.0:\n"
        "- node 'lif' can meet its threshold, for its numbers are round, and fires "
        "there: other spikes now\n    and then\n"
        "\n"
        "Does not load exactly in Norse 1.1.0:\n"
        "- node 'lif' has an r that is not 1, and r is ignored: other outputs\n"
    )


def test_the_time_step_decides_who_loads_it(run, here, timeless: Path) -> None:
    """tau = 2e-4 s: with steps of 5e-5 s, r = 2 is neither 1 nor 4."""
    done = run("check", timeless, "--dt", "5e-5", "--json")
    tools = {each["tool"]: each for each in json.loads(done.out)["tools"]}
    assert [each["loads"] for each in tools.values()] == [False, False, False]
    assert tools["SpikingJelly"]["version"] == "2.0.0"
    assert tools["SpikingJelly"]["obstacles"][0] == {
        "node": "lif",
        "reason": "has an r that is neither 1 nor tau / dt",
        "effect": "an error",
    }


def test_graphs_in_the_graph_are_seen_though_they_are_read_flat(
    run, here, golden: Files
) -> None:
    done = run("check", golden("nested_recurrent"), "--json")
    tools = {each["tool"]: each for each in json.loads(done.out)["tools"]}
    first = tools["SpikingJelly"]["obstacles"][0]
    assert (first["node"], first["reason"]) == ("block", "is a graph in the graph")


def test_what_cannot_be_lowered_may_load_elsewhere(run, here, unlowerable) -> None:
    done = run("check", unlowerable, "--dt", "1e-4")
    assert "\n- node 'li' is of a kind it lacks: LI: an error\n" in done.out
    done = run("check", unlowerable, "--dt", "1e-4", "--json")
    assert len(json.loads(done.out)["tools"]) == 3


@pytest.mark.parametrize("name", ["residual_bias", "two_ends"])
def test_what_the_document_quotes_is_printed(
    run, here, golden: Files, name: str
) -> None:
    text = (ROOT / "docs" / "interchange.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(f"```check {name}\n(.*?)```", text, flags=re.DOTALL)
    assert run("check", golden(name)).out.endswith(f"\n\n\n{quoted}")


def test_a_lowered_file_is_for_no_other_tool(run, here) -> None:
    path = _lowered(here / "l.npz", _ones(1, 1))
    assert "Loads exactly" not in run("check", path).out
    assert json.loads(run("check", path, "--json").out)["tools"] == []


def test_a_file_of_another_stage_is_refused(run, here) -> None:
    nodes = {"input": Input((1,)), "output": Output((1,))}
    graph = Graph(nodes, (Edge("input", "output"),), Stage.TIMED, 1e-3)
    write_graph(graph, here / "timed.npz")
    assert "lower with --to quantized" in run("check", "timed.npz").refusal()


def test_an_unknown_chip_is_refused(run, here) -> None:
    path = _lowered(here / "l.npz", _ones(1, 1))
    assert "loihi1, loihi2" in run("check", path, "--profile", "loihi3").refusal()


# --- the shipped student -------------------------------------------------------------


def _neurons(tokens: int) -> int:
    """Neurons of the student: 192 channels, 2 blocks, 2 classes.

    Stem 1; in a block q, k, v, kv, passed, mixed, out 7 and expand 2 more: 19 times
    192 for each token. Once: 2 gates of 192, 2 readouts, the bias line.
    """
    return 19 * 192 * tokens + 2 * 192 + 2 + 1


def _dense_weights() -> int:
    """Weights of one token, zeros included.

    Stem 3 x (384 + 32) x 192 and bias; in a block 192 x 192 for q, k, v and mixed, and
    192 x 384 for 3 tokens there and for 1 back; biases of q, k, v, mixed, out (192)
    and expand (384); diagonals: k and v into kv, q into passed, 2 skips: 5 x 192;
    spread 192.
    """
    stem = 3 * 416 * 192 + 192
    block = 4 * 192 * 192 + (3 + 1) * 192 * 384 + 5 * 192 + 384 + 5 * 192 + 192
    return stem + 2 * block


def test_the_shipped_student_is_placed(run, here, exported: Path) -> None:
    done = run("check", exported, "--json")
    found = _documents(done.out)
    for chip in found.values():
        replicated, streamed = chip["replicated"], chip["streamed"]
        assert replicated["neurons"] == _neurons(8)
        assert streamed["neurons"] == _neurons(1)
        assert streamed["places"] == 8 + 2  # the window of 3 looks 2 slots ahead
        assert streamed["passes"] == 3  # before, between and after two gates
        assert len(streamed["streamed"]) == 17
        # Every weight once a token, but for those that rounded to 0; besides, the
        # gates (192 x 8 in 2 blocks) and 3 heads (2 x 192 x 8) see all 8 tokens. In 2
        # blocks the last token has none of the 2 ahead, the one before it only 1.
        across = 2 * 192 * 8 + 3 * 2 * 192 * 8
        one_copy = _dense_weights() + across
        copies = 8 * _dense_weights() + across - 2 * (2 + 1) * 192 * 384
        assert 0.9 * copies < replicated["synapses"] <= copies
        assert 0.9 * one_copy < streamed["synapses"] <= one_copy
        sizes = [sum(core.values()) for core in replicated["placed"]]
        assert sum(sizes) == _neurons(8)
        assert len(sizes) == replicated["cores"] > streamed["cores"]
    # Two readouts read 3 x 192 x 8 = 4608 neurons; a core of Loihi 1 has 4096 axons.
    assert done.status == 1
    assert [each["kind"] for each in found["loihi1"]["replicated"]["violations"]] == [
        "input_axons"
    ]
    assert found["loihi2"]["fits"] is True
    # 8 bits for each synapse, 192 KB a core: no fewer cores can hold them
    bits = 8 * found["loihi2"]["replicated"]["synapses"]
    assert found["loihi2"]["replicated"]["cores"] >= -(-bits // (192 * 1024 * 8))


def test_a_checkpoint_is_exported_for_its_longest_sentence(
    run, here, checkpoint: Path
) -> None:
    done = run("check", checkpoint, "--profile", "loihi2", "--json")
    assert done.status == 0
    (found,) = _documents(done.out).values()
    assert found["replicated"]["neurons"] == _neurons(64)
