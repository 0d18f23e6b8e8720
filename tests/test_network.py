"""Nothing reaches for the network unless a hub name is given; if told, not then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"
STUDENT = Path(__file__).parents[1] / "train" / "students" / "sst2_chip"
GUARD = """
    import os, sys

    def guard(event, args):
        if not event.startswith("socket.") or event == "socket.__new__":
            return
        address = args[-1]
        if event in ("socket.bind", "socket.connect") and isinstance(address, str):
            return  # a file: Lava's runtime shares memory through one
        if event == "socket.gethostname":
            return
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{event} {args!r}\\n")
        os._exit(97)  # no except clause sees this

    sys.addaudithook(guard)
"""
"""sitecustomize of a process and of all its children"""
CALL = """
    import json, sys
    from spikewright.cli import main
    for argv in json.loads(sys.argv[1]):
        status = main(argv)
        print(argv[0], status, flush=True)
        if status:
            sys.exit(status)
"""


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the network ends it."""
    (tmp_path / "guard").mkdir()
    place = tmp_path / "guard" / "sitecustomize.py"
    place.write_text(textwrap.dedent(GUARD))
    told = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSF"))}
    return {
        **told,
        "PYTHONPATH": str(place.parent),
        "NETWORK_LOG": str(tmp_path / "log"),
        "HF_HOME": str(tmp_path / "cache"),  # with nothing in it
    }


def _python(
    code: str, env: dict[str, str], *words: str, cwd: Path
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "reach",
    [
        "import urllib.request as u; u.urlopen('http://192.0.2.1/')",
        "import huggingface_hub as h; h.hf_hub_download('no-one/no-model', 'x')",
        "import socket; socket.create_connection(('192.0.2.1', 80))",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import socket; s = socket.socket(type=2); s.sendto(b'x', ('192.0.2.1', 53))",
    ],
)
def test_the_guard_is_not_swallowed(
    reach: str, guarded: dict[str, str], tmp_path: Path
) -> None:
    code = f"try:\n    {reach}\nexcept BaseException:\n    pass"
    assert _python(code, guarded, cwd=tmp_path).returncode == 97
    assert (tmp_path / "log").read_text()


def test_no_verb_reaches_for_the_network(
    guarded: dict[str, str], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 4, 12), np.uint8))
    text, inputs = ["--text", "a good film"], ["--inputs", "x.npy"]
    teacher = ["--teacher", "bert-base", "--tokens", "16", "--draws", "1000"]
    verbs = [
        ["doctor"],  # Lava's own runtime and ours
        ["export", "-o", "student"],
        ["simulate", "student", *text],
        ["card", str(STUDENT)],
        ["convert", str(GOLDEN / "netx_dense.net"), "--dt", "1e-3", "-o", "net.nir"],
        ["check", "net.nir"],
        ["lower", "net.nir", "-o", "lowered.npz", "--dump-passes", "passes"],
        ["simulate", "lowered.npz", *inputs, "-o", "trace.npz"],
        ["simulate", "net.nir", *inputs, "--workers", "2", "--batch", "1"],
        ["report", "lowered.npz", "trace.npz", *teacher, "-o", "report.json"],
        ["plot", "rates", "trace.npz", "-o", "rates.svg"],
        ["profile", "loihi1"],
    ]
    done = _python(CALL, guarded, json.dumps(verbs), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "log").exists()


def test_a_hub_name_is_refused_at_once_if_there_may_be_no_network(
    guarded: dict[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data" / "tiny"
    data.mkdir(parents=True)
    for split in ("train", "validation"):
        rows = [{"text": f"{i} words", "label": i % 2} for i in range(8)]
        (data / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    config = (Path(__file__).parent / "train" / "spikebert.toml").read_text("utf-8")
    (tmp_path / "run.toml").write_text(config.replace("BASE", "no-one/no-model"))
    train = [["train", "run.toml", "--data", "data", "-o", "run"]]
    offline = {**guarded, "HF_HUB_OFFLINE": "1"}
    done = _python(CALL, offline, json.dumps(train), cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [each for each in done.stderr.splitlines() if "no-one" in each]
    assert line.startswith("spikewright train: teacher 'no-one/no-model': cannot be")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "log").exists()
