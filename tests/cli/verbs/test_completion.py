"""`spikewright completion`: the scripts complete in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from spikewright.hardware_profiles.profiles.profile import list_profiles

LINES = [
    ("spikewright sim", {"simulate"}),
    ("spikewright report x --for", {"--format"}),
    ("spikewright simulate x --backend l", {"lava"}),
    ("spikewright report x --profile lo", {"loihi1", "loihi1_silicon", "loihi2"}),
    ("spikewright profile odin cm", {"cmos45", "cmos7"}),
    ("spikewright report --teacher bert-base-u", {"bert-base-uncased"}),
    ("spikewright run r.toml --force ex", {"export"}),
    ("spikewright check net", {"net.nir"}),
]
"""what is typed before the tabulator, and what it may become"""


def _script(run, shell: str, folder: Path) -> Path:
    done = run("completion", shell)
    assert (done.status, done.err) == (0, "")
    path = folder / f"completion.{shell}"
    path.write_text(done.out)
    (folder / "net.nir").touch()
    return path


def _shell(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_bash_completes(run, here) -> None:
    script = _script(run, "bash", here)
    for line, wanted in LINES:
        words = " ".join(f"'{each}'" for each in line.split())
        found = _shell(
            *("bash", "--norc", "-c"),
            f"source {script}; shopt -u progcomp; compopt() {{ :; }}\n"
            f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
            "call=$(complete -p spikewright); call=${call##*-F }; ${call%% *}\n"
            'printf "%s\\n" "${COMPREPLY[@]}"',
        )
        assert set(found.split()) == wanted, line


def test_fish_completes(run, here) -> None:
    script = _script(run, "fish", here)
    for line, wanted in LINES:
        found = _shell("fish", "-N", "-c", f"source {script}; complete -C '{line}'")
        assert {each.split("\t")[0] for each in found.splitlines()} == wanted, line


def test_zsh_can_read_its_script(run, here) -> None:
    script = _script(run, "zsh", here)
    _shell("zsh", "-f", "-n", str(script))
    text = script.read_text()
    assert "(reference integer lava)" in text
    assert f"({' '.join(list_profiles())} all)" in text


def test_the_shell_at_hand_is_the_default(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run("completion").out == run("completion", "fish").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "which shell? name one of bash, zsh, fish" in run("completion").refusal()
