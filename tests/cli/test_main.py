"""The command line as a process: usage, versions, pipes, signals."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spikewright import cli
from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.parser import build_parser
from spikewright.errors import InputError

PROGRAM = (sys.executable, "-m", "spikewright.cli")
VERBS = tuple(name for name, _ in verbs_of(build_parser()) if " " not in name)
DESIGNED = {
    *("demo", "run", "train", "export", "check", "lower", "simulate", "report"),
    *("profile", "plot", "convert", "card", "doctor", "completion", "sweep"),
}


def _spikewright(*argv: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, argv)]
    return subprocess.run(
        command, cwd=cwd, check=False, capture_output=True, text=True, timeout=60
    )


# --- usage ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nope",),
        ("simulate",),
        ("simulate", "x.nir", "-o", "t.npz"),
        ("simulate", "x.nir", "--inputs", "x", "--text", "y", "-o", "t.npz"),
        ("simulate", "x.nir", "--inputs", "x", "-o", "t.npz", "--backend", "gpu"),
        ("simulate", "x.nir", "--inputs", "x", "-o", "t.npz", "--steps", "few"),
        ("simulate", "x.nir", "--inputs", "x", "-o", "t.npz", "--deadline", "-1"),
        ("simulate", "x.nir", "--inputs", "x", "-o", "t.npz", "--deadline", "nan"),
        ("export", "run"),
        ("simulate", "x.nir", "--inputs", "x", "--trace"),
        ("export", "run", "-o", "x", "--dt", "soon"),
        ("report",),
        ("run",),
        ("completion", "tcsh"),
        ("report", "x.nir", "t.npz", "--format", "pdf"),
        ("train", "c.toml", "--data", "d"),
        ("demo", "--nope"),
        ("demo", "--runtime", "gpu"),
    ],
)
def test_bad_usage_exits_with_2_and_one_line(run, here, argv) -> None:
    done = run(*argv)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("spikewright")
    assert done.err.endswith(" --help)\n")
    assert done.err.count("\n") == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("simulat x", "no verb 'simulat'; did you mean 'simulate'?"),
        ("sim x", "no verb 'sim'; did you mean 'simulate'?"),
        ("Report x", "no verb 'Report'; did you mean 'report'?"),
        ("simulate x --input x", None),  # the beginning of --inputs
        ("simulate x --inptus x", "no option --inptus; did you mean '--inputs'?"),
        ("simulate x --bakend=lava", "no option --bakend; did you mean '--backend'?"),
        ("simulate x --inputs x --backend lavva", "did you mean 'lava'?"),
        ("simulate x --inputs x --trace cuonts", "did you mean 'counts'?"),
        ("export x -o y --dialect porteble", "did you mean 'portable'?"),
        ("run x --force exprot", "did you mean 'export'?"),
        ("completion fsih", "did you mean 'fish'?"),
        ("simulate x --xyzzy", "no option --xyzzy ("),
    ],
)
def test_a_slip_is_told_what_was_probably_meant(
    run, here, line: str, meant: str | None
) -> None:
    done = run(*line.split())
    if meant is None:
        assert "x: no such file" in done.refusal()
    else:
        assert done.status == 2
        assert meant in done.err


def test_a_sentence_may_look_like_an_option(run, here, exported: Path) -> None:
    text = "--good film"  # argparse takes words with a space as they are
    assert run("simulate", exported, "--text", text, "-o", "t.npz").status == 0


def test_names_are_suggested_where_only_the_verb_knows_them(
    run, here, golden, inputs
) -> None:
    common = ("simulate", golden("ties"), "--inputs", inputs("ties"))
    line = run(*common, "--keep", "inptu").refusal()
    assert line.endswith("; did you mean 'input'?\n")
    assert "did you mean 'loihi2'?" in run("profile", "lohi2").refusal()
    (here / "c.toml").write_text("[distil]")
    line = run("train", "c.toml", "--data", "d", "-o", "r").refusal()
    assert line.endswith("; did you mean 'distill'?\n")
    chip = ("check", golden("ties"), "--profile", "lohi2")
    assert "did you mean 'loihi2'?" in run(*chip).refusal()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(run, verb: str) -> None:
    done = run(verb, "--help")
    assert done.status == 0
    assert "--json" in done.out
    assert "--traceback" in done.out


def test_the_version_is_the_package_s(run) -> None:
    assert run("--version").out.strip() == importlib.metadata.version("spikewright")


def test_there_is_no_other_verb() -> None:
    assert "VERB" in build_parser().format_usage()
    assert set(VERBS) == DESIGNED
    for verb in VERBS:
        assert f"    {verb}" in build_parser().format_help()


def test_every_verb_has_examples_that_can_be_read(run) -> None:
    for verb in VERBS:
        lines = run(verb, "--help").out.splitlines()
        shown = [each.strip() for each in lines if each.startswith("  spikewright ")]
        assert shown, verb
        for each in shown:
            _, *words = shlex.split(each.partition(" > ")[0])
            build_parser().parse_args(words)  # raises, if it is no command


# --- errors --------------------------------------------------------------------------


def test_a_traceback_only_if_it_is_asked_for(run) -> None:
    run("profile", "nope").refusal()
    with pytest.raises(ValueError, match="no profile 'nope'"):
        cli.main(["profile", "nope", "--traceback"])


def test_our_own_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: object) -> int:
        raise KeyError("bug")

    monkeypatch.setattr("spikewright.cli.verbs.profile.run_profile", fail)
    with pytest.raises(KeyError, match="bug"):
        cli.main(["profile"])


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("x: is wrong\n"), 1, "spikewright profile: x: is wrong\n"),
        (OSError(28, "No space left"), 1, "spikewright profile: [Errno 28] No space"),
        (KeyboardInterrupt(), 130, "spikewright profile: interrupted\n"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    run, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, line: str
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr("spikewright.cli.verbs.profile.run_profile", fail)
    done = run("profile")
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(line)
    assert done.err.count("\n") == 1


# --- the process ---------------------------------------------------------------------


def test_a_refusal_is_one_line_and_status_1(tmp_path: Path) -> None:
    done = _spikewright("profile", "nope", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("spikewright profile: no profile 'nope'")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_json_is_all_that_stdout_holds_even_if_libraries_talk(
    tmp_path: Path, checkpoint: Path
) -> None:
    argv = ("export", checkpoint, "-o", "net.nir", "--tokens", 2, "--json")
    done = _spikewright(*argv, cwd=tmp_path)
    assert json.loads(done.stdout)["tokens"] == 2
    assert done.stderr == ""  # no bar of transformers in a pipe
    assert done.returncode == 0


def test_a_reader_that_has_read_enough(tmp_path: Path) -> None:
    command = [*PROGRAM, "profile", "cmos45", "--json"]
    reader, writer = os.pipe()
    os.close(reader)  # as `| head -0` does
    with os.fdopen(writer, "wb") as stdout:
        done = subprocess.run(
            command, cwd=tmp_path, check=False, stdout=stdout, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as stdout:
        done = subprocess.run(
            [*PROGRAM, "profile"], cwd=tmp_path, check=False,
            stdout=stdout, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode != 0
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def _take_interrupts() -> None:
    """Undo what shells do to what they start in the background: ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.lava
@pytest.mark.slow
def test_an_interrupt_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [*PROGRAM, "demo", "fine", "-o", str(tmp_path / "student")]
    caches = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "torch")}  # torch makes it
    environment = {**os.environ, **caches, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=_take_interrupts,  # noqa: PLW1509 - sets one handler
    ) as process:  # fmt: skip
        assert process.stderr is not None
        begun = []
        for line in process.stderr:  # until Lava starts
            begun.append(line)
            if line.startswith("lower to"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), (begun, err)
    assert err == "spikewright demo: interrupted\n"
    assert list(temporary.iterdir()) == []
