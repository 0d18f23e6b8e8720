"""`spikewright export FILE.py:NAME`: a user's module in, a proven file out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spikewright import cli
from spikewright.export.nir.io import read_nir, read_nir_dt
from spikewright.export.snntorch.convert.axes import rearranged
from spikewright.nodes import LIF, Affine

NET = """
import snntorch as snn
import torch
from torch import nn


def lif():
    return snn.Leaky(0.5, init_hidden=True, reset_mechanism="zero")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 3), lif()

    def forward(self, x):
        return self.lif(self.fc(x))


def make_net():
    print("made")
    return Net()


def of_size(size):
    return nn.Linear(size, size)


def tied():
    net = nn.Sequential(nn.Linear(4, 4, bias=False), lif(), nn.Linear(4, 4), lif())
    net[2].weight = net[0].weight
    return net


class Meddles(Net):
    def forward(self, x):
        spk = super().forward(x)
        self.lif.mem.data.mul_(0.25)
        return spk


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = lif()

    def forward(self, left, right):
        return self.l1(left + right)


class Mapped(Two):
    def forward(self, given):
        return super().forward(given["left"], given["right"])


class Heads(Net):
    def forward(self, x):
        h = self.fc(x)
        return {"spikes": self.lif(h), "sums": h}


class Normed(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return super().forward(self.norm(x))


ready = Net()
number = 3
"""


@pytest.fixture
def net(here: Path) -> Path:
    """A file of modules and a sample of two, in the working directory."""
    (here / "net.py").write_text(NET)
    np.save(here / "x.npy", 3 * np.random.default_rng(0).random((2, 4)))
    return here / "net.py"


@pytest.fixture
def export(run, net: Path) -> Callable[..., object]:
    """Export a target from the file on the sample."""

    def call(target: str, *argv: object, sample: str = "x.npy") -> object:
        common = ("--sample", sample, "--dt", "1e-3", "-o", "net.nir")
        return run("export", target, *common, *argv)

    return call


@pytest.fixture
def refused(run, net: Path, here: Path) -> Callable[..., str]:
    """Run what must be refused; return the line. No file may change or appear."""

    def listing() -> dict[str, bytes]:
        paths = (path for path in here.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in paths}

    def call(target: str, *argv: object, sample: str = "x.npy") -> str:
        (here / "net.nir").write_bytes(b"an older file")
        before = listing()
        common = ("--sample", sample, "--dt", "1e-3", "-o", "net.nir")
        done = run("export", target, *common, *argv)
        assert listing() == before
        return done_line(done)

    return call


def done_line(done) -> str:
    """Return the one line of a refusal; user's code may have printed before it."""
    assert (done.status, done.out) == (1, ""), done
    printed, line = done.err.rstrip("\n").split("\n")[:-1], done.err.split("\n")[-2]
    assert set(printed) <= {"made"}, done.err
    assert line.startswith("spikewright export: ")
    return str(line)


# --- what is exported ----------------------------------------------------------------


def test_the_last_line_says_what_was_proven(export, here: Path) -> None:
    """3 x 4 weights + 3 biases = 15.

    3 trials x 2 samples, 16 steps each, 3 neurons: 288 entries, and as many values.
    """
    done = export("net.py:make_net")
    assert done.status == 0
    first, second = done.out.splitlines()
    assert first == (
        "net.nir: 4 nodes, 3 edges, 15 weights and biases, chip dialect, time step "
        "0.001 s"
    )
    assert second.startswith(
        "proven on 6 samples of 16 steps (the sample, random spikes, random numbers): "
        "288 entries compared, "
    )
    assert second.endswith(
        "of them spikes, 0 wrong; 288 output values, largest difference 0"
    )
    assert read_nir_dt("net.nir") == 1e-3
    assert list(read_nir("net.nir").nodes) == ["input", "fc", "lif", "output"]
    left = {path.name for path in here.iterdir()}
    assert left == {"net.py", "x.npy", "net.nir"}  # and no __pycache__


def test_json_is_all_that_stdout_holds_even_if_the_code_prints(export) -> None:
    done = export("net.py:make_net", "--json")
    summary = json.loads(done.out)
    assert summary["proof"]["wrong"] == 0
    assert summary["proof"]["entries"] == 288
    assert 0 < summary["proof"]["spikes"] < 288
    assert (summary["nodes"], summary["edges"], summary["weights"]) == (4, 3, 15)
    assert done.err == "made\n"


@pytest.mark.parametrize("name", ["Net", "make_net", "ready"])
def test_a_target_is_a_module_a_class_or_a_function(export, name: str) -> None:
    assert export(f"net.py:{name}").status == 0


def test_a_target_may_be_in_a_package(export, here: Path) -> None:
    (here / "bench_nets").mkdir()
    (here / "bench_nets" / "one.py").write_text("from net import Net as Inner\n")
    assert export("bench_nets.one:Inner").status == 0


def test_a_file_may_import_its_neighbors(export, here: Path) -> None:
    (here / "deep").mkdir()
    (here / "deep" / "neighbor_net.py").write_text(NET)
    (here / "deep" / "main.py").write_text("from neighbor_net import Net\n")
    path = list(sys.path)
    assert export("deep/main.py:Net").status == 0
    assert sys.path == path


def test_a_module_is_put_into_eval_mode(export) -> None:
    assert export("net.py:Normed").status == 0  # BatchNorm in training mode refuses


def test_the_same_seed_gives_the_same_bytes(export, here: Path) -> None:
    found = []
    for argv in ((), ("--seed", 0), ("--seed", 1)):
        assert export("net.py:make_net", *argv).status == 0
        found.append((here / "net.nir").read_bytes())
    assert found[0] == found[1] != found[2]


def test_the_portable_dialect(export) -> None:
    assert "portable dialect" in export("net.py:Net", "--dialect", "portable").out


def test_an_export_without_a_proof_says_so(export) -> None:
    done = export("net.py:Net", "--no-verify")
    assert done.out.splitlines()[-1] == "not proven: --no-verify"
    assert json.loads(export("net.py:Net", "--no-verify", "--json").out)[
        "proof"
    ] is None  # fmt: skip


def test_a_silent_proof_says_that_it_shows_little(export, net: Path) -> None:
    deaf = "\ndef deaf():\n    return snn.Leaky(0.5, 99.0, init_hidden=True)\n"
    net.write_text(NET + deaf)
    last = export("net.py:deaf").out.splitlines()[-1]
    assert last.startswith("but no neuron fired, so this shows little")


@pytest.mark.parametrize(
    ("chosen", "outputs"),
    [((), {"spikes", "sums"}), (("--outputs", "sums"), {"output"})],
)
def test_what_forward_returns_can_be_chosen(
    export, chosen: tuple[str, ...], outputs: set[str]
) -> None:
    assert export("net.py:Heads", *chosen).status == 0
    assert set(read_nir("net.nir").outputs) == outputs


# --- samples -------------------------------------------------------------------------


def test_a_sample_of_several_arguments_goes_by_their_names(export, here: Path) -> None:
    left, right = np.random.default_rng(1).random((2, 2, 4)) * 2
    np.savez(here / "two.npz", right=right, left=left)
    assert export("net.py:Two", sample="two.npz").status == 0
    assert list(read_nir("net.nir").inputs) == ["left", "right"]
    np.savez(here / "two.npz", **{"given.left": left, "given.right": right})
    assert export("net.py:Mapped", sample="two.npz").status == 0
    assert list(read_nir("net.nir").inputs) == ["left", "right"]


@pytest.mark.parametrize("kind", [np.uint8, np.bool_, np.float16, ">f4"])
def test_a_sample_of_any_numbers_will_do(export, here: Path, kind: object) -> None:
    np.save(here / "kind.npy", np.array([[0, 1, 1, 0], [1, 0, 1, 1]]).astype(kind))
    assert export("net.py:Net", sample="kind.npy").status == 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([["a"]]), "'inputs' holds <U1; allowed: numbers"),
        (np.array([[1j]]), "'inputs' holds complex128"),
        (np.array([[None]]), "holds Python objects"),
        (np.ones((0, 4)), "'inputs' is empty"),
        (np.array([[np.nan]]), "'inputs' holds numbers that are not finite"),
        (np.ones((2, 5)), "cannot run the sample: .*(net.py:17)"),
        (np.ones(4), "has shape (4,); its first axis must be the samples"),
    ],
)
def test_a_sample_that_cannot_be_used(
    refused, here: Path, array: np.ndarray, message: str
) -> None:
    np.save(here / "odd.npy", array, allow_pickle=True)
    line = refused("net.py:Net", sample="odd.npy")
    for part in message.split(".*"):
        assert part in line


def test_a_sample_with_other_names(refused, here: Path) -> None:
    np.savez(here / "odd.npz", a=np.ones((2, 4)), b=np.ones((2, 4)))
    line = refused("net.py:Two", sample="odd.npz")
    assert "the sample does not fit forward(left, right)" in line
    assert "nope.npy: no such file" in refused("net.py:Two", sample="nope.npy")
    np.savez(here / "odd.npz")
    assert "holds no array" in refused("net.py:Two", sample="odd.npz")


# --- weights -------------------------------------------------------------------------


def weights(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Return all that a `Net` needs, but for what is changed or left out."""
    made: dict[str, torch.Tensor | None] = {
        "fc.weight": torch.arange(12.0).reshape(3, 4) / 4,
        "fc.bias": torch.tensor([0.5, -0.25, 0.125]),
        "lif.threshold": torch.tensor(1.5),
        "lif.beta": torch.tensor(0.25),
        "lif.graded_spikes_factor": torch.tensor(1.0),
        "lif.reset_mechanism_val": torch.tensor(1),
    }
    made |= {name.replace("_", ".", 1): each for name, each in changes.items()}
    return {name: each for name, each in made.items() if each is not None}


def test_weights_are_those_of_the_file(export, here: Path) -> None:
    save_file(weights(), here / "w.safetensors")
    assert export("net.py:Net", "--weights", "w.safetensors").status == 0
    fc, lif = read_nir("net.nir").nodes["fc"], read_nir("net.nir").nodes["lif"]
    assert isinstance(fc, Affine) and isinstance(lif, LIF)
    np.testing.assert_array_equal(fc.weight, np.arange(12.0).reshape(3, 4) / 4)
    np.testing.assert_array_equal(fc.bias, [0.5, -0.25, 0.125])
    np.testing.assert_array_equal(lif.v_threshold, np.full(3, 1.5))
    np.testing.assert_array_equal(lif.tau_s, np.full(3, 1e-3 / 0.75))


def test_states_of_a_run_are_no_weights(export, here: Path) -> None:
    save_file(weights(lif_mem=torch.ones(7, 3)), here / "w.safetensors")
    assert export("net.py:Net", "--weights", "w.safetensors").status == 0


def test_of_a_shared_weight_one_name_is_enough(export, here: Path) -> None:
    own = {
        f"{i}.{name.partition('.')[2]}": each
        for i in (1, 3)
        for name, each in weights().items()
        if name.startswith("lif.")
    }
    eye = {"0.weight": 3 * torch.eye(4), "2.bias": torch.zeros(4)}
    save_file({**own, **eye}, here / "w.safetensors")
    assert export("net.py:tied", "--weights", "w.safetensors").status == 0
    last = read_nir("net.nir").nodes["layer_2"]
    assert isinstance(last, Affine)
    np.testing.assert_array_equal(last.weight, 3 * np.eye(4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fc_bias": None}, "w.safetensors: does not fit the module: it lacks fc.bias"),
        ({"fc_extra": torch.ones(1)}, "it has, but the module has not, fc.extra"),
        (
            {"fc_bias": torch.ones(4)},
            "it has in another shape fc.bias (4,), wanted (3,)",
        ),
        (
            {"fc_bias": torch.full((3,), 0.1, dtype=torch.float64)},
            "'fc.bias' is torch.float64, and the module's torch.float32 does not hold",
        ),
        ({"fc_bias": torch.full((3,), float("nan"))}, "'fc.bias' holds NaN"),
        (
            {"lif_reset_mechanism_val": torch.tensor(0)},
            "its checkpoint 'subtract', but it was built for 'zero'",
        ),
    ],
)
def test_weights_that_do_not_fit(
    refused, here: Path, changes: dict[str, torch.Tensor | None], message: str
) -> None:
    save_file(weights(**changes), here / "w.safetensors")
    assert message in refused("net.py:Net", "--weights", "w.safetensors")


def test_pickled_weights_are_not_read(refused, here: Path) -> None:
    torch.save(weights(), here / "w.pt")
    line = refused("net.py:Net", "--weights", "w.pt")
    assert "w.pt: is no .safetensors file" in line
    assert "nope: no such file" in refused("net.py:Net", "--weights", "nope")


# --- targets that are refused --------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("net.py:Nte", "net.py: has no 'Nte'; it has lif, Net, make_net, of_size"),
        ("nope.py:Net", "nope.py: no such file"),
        ("net.py", "net.py: which of its names? write net.py:NAME"),
        ("net.py:", "net.py:: names no module; allowed: FILE.py:NAME or package.mod"),
        ("net.py:a.b", "names no module"),
        ("some/net:Net", "names no module"),
        (":Net", "names no module"),
        ("nopackage.net:Net", "no module 'nopackage' here or installed"),
        ("json.nope:Net", "no module 'json.nope' here"),
        ("net.py:number", "net.py:number: gives int; allowed: an nn.Module, or a cl"),
        ("net.py:of_size", "net.py:of_size: missing a required argument: 'size'; all"),
        ("json:dumps", "json:dumps: missing a required argument: 'obj'"),
    ],
)
def test_a_target_that_is_none(refused, target: str, message: str) -> None:
    assert message in refused(target)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("-o", "net.nir", "--dt", "1e-3"), "net.py:Net: needs --sample X.npy"),
        (("-o", "net.nir", "--sample", "x.npy"), "net.py:Net: needs --dt SECONDS"),
        (
            ("-o", "folder", "--sample", "x.npy", "--dt", "1"),
            "folder: a module is exported to a file that ends in .nir",
        ),
        (
            ("-o", "net.nir", "--sample", "x.npy", "--dt", "1", "--tokens", "3"),
            "net.py:Net: --tokens is only for a student's checkpoint",
        ),
        (
            ("-o", "no/net.nir", "--sample", "x.npy", "--dt", "1"),
            "no/net.nir: there is no folder no",
        ),
        (
            ("-o", "net.nir", "--sample", "x.npy", "--dt", "0"),
            "time step 0.0 s; allowed: finite and above 0",
        ),
        (
            ("-o", "net.nir", "--sample", "x.npy", "--dt", "1", "--seed", "-1"),
            "--seed -1: must be 0 to 2**32 - 1",
        ),
    ],
)
def test_options_that_are_missing_or_wrong(
    run, net: Path, here: Path, argv: tuple[str, ...], message: str
) -> None:
    assert message in run("export", "net.py:Net", *argv).refusal()
    assert not (here / "net.nir").exists()


def test_options_of_modules_are_refused_for_a_student(run, here: Path) -> None:
    for argv in (("--sample", "x.npy"), ("--no-verify",), ("--dialect", "chip")):
        line = run("export", "runs", "-o", "net.nir", *argv).refusal()
        assert f"runs: {argv[0]} is only for a module; leave it out" in line


def test_a_file_that_the_command_reads_is_not_written_over(
    run, net: Path, here: Path
) -> None:
    (here / "x.nir").write_bytes((here / "x.npy").read_bytes())
    argv = ("--sample", "x.nir", "--dt", "1", "-o", "x.nir")
    assert "reads or writes it already" in run("export", "net.py:Net", *argv).refusal()


# --- what goes wrong in the user's code ----------------------------------------------

BROKEN = {
    "import": ("import torch\nimport nothing_there\n", "ModuleNotFoundError", 2),
    "syntax": ("x = 1\ndef f(:\n", "SyntaxError", 2),
    "exit": ("import sys\n\nsys.exit(3)\n", "SystemExit: 3", 3),
    "make": ("def f():\n    return [][1]\n", "IndexError: list index out", 2),
    "forward": (
        "from torch import nn\nclass f(nn.Module):\n"
        "    def forward(self, x):\n        return self.nope(x)\n",
        "AttributeError: 'f' object has no attribute 'nope'",
        4,
    ),
    "below": (
        "from torch import nn\nclass f(nn.Module):\n    def forward(self, x):\n"
        "        return self.more(x)\n\n    def more(self, x):\n        return 1 / 0\n",
        "ZeroDivisionError: division by zero",
        7,
    ),
    "lines": ("def f():\n    raise ValueError('a\\nb')\n", "ValueError: a b", 2),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_code_raises_is_shown_with_its_line(
    refused, here: Path, name: str
) -> None:
    text, message, line = BROKEN[name]
    (here / "broken.py").write_text(text)
    found = refused("broken.py:f")
    assert found.startswith("spikewright export: broken.py:f: raised ")
    assert message in found
    assert f"(broken.py:{line}); correct it there" in found


@pytest.mark.parametrize(
    ("body", "message", "line"),
    [
        ("x + 1 if x.sum() > 0 else x", "asks for the value of a signal (__bool__)", 4),
        ("x @ torch.ones(9, 9)", "the module cannot run the sample", 4),
    ],
)
def test_our_refusals_say_from_which_line_they_come(
    refused, here: Path, body: str, message: str, line: int
) -> None:
    text = "import torch\nclass Odd(torch.nn.Module):\n    def forward(self, x):\n"
    (here / "odd.py").write_text(f"{text}        return {body}\n")
    found = refused("odd.py:Odd")
    assert message in found
    assert found.endswith(f"(odd.py:{line})")


def test_a_module_that_does_more_than_its_layers_say_is_not_written(refused) -> None:
    line = refused("net.py:Meddles")
    assert "node 'lif', neuron [" in line
    assert "the module gives" in line


def test_the_traceback_shows_what_the_code_raised(net: Path, here: Path) -> None:
    (here / "broken.py").write_text("def f():\n    return [][1]\n")
    argv = ["export", "broken.py:f", "--sample", "x.npy", "--dt", "1", "-o", "n.nir"]
    with pytest.raises(ValueError, match="IndexError") as caught:
        cli.main([*argv, "--traceback"])
    assert isinstance(caught.value.__cause__, IndexError)


def test_our_own_bugs_are_not_blamed_on_the_code(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikewright.export.from_snntorch.find_body", rearranged)
    argv = ["export", "net.py:Net", "--sample", "x.npy", "--dt", "1", "-o", "n.nir"]
    with pytest.raises(AttributeError):  # it is no Lowering that it gets
        cli.main(argv)


def test_without_torch_it_says_how_to_install_it(
    run, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (
        "spikewright.cli.verbs.export_module",
        "spikewright.export.from_snntorch",
    ):
        monkeypatch.delitem(sys.modules, each, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    argv = ("--sample", "x.npy", "--dt", "1", "-o", "n.nir")
    line = run("export", "net.py:Net", *argv).refusal()
    assert "torch is not installed; run: pip install 'spikewright[train]'" in line


# --- the time step of a file that says none ------------------------------------------


def test_a_file_without_a_time_step_is_told_what_its_neurons_point_to(
    run, timeless: Path
) -> None:
    """tau = 2e-4 s and r = 2: made for 1e-4 s; but it is for the user to say so."""
    for verb in (("check",), ("lower", "-o", "x.npz")):
        line = run(verb[0], timeless, *verb[1:]).refusal()
        assert "does not say its time step; give --dt SECONDS" in line
        assert "its neurons look made for 0.0001 s: every r is tau / 0.0001 s" in line
