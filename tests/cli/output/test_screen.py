"""What a terminal shows, and what a pipe gets."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from spikewright.cli import main
from spikewright.cli.output import screen
from spikewright.cli.output.progress import is_drawable, progress, say
from spikewright.cli.output.screen import Table, is_rich, show
from spikewright.hardware_profiles.text.document import Document, Section

PROGRAM = (sys.executable, "-m", "spikewright.cli")
ROWS = Table(("layer", "rate"), [("lif1", "0.5"), ("long name", "12.25")])


def _on_a_terminal(*argv: object, **environment: str) -> str:
    """Run a command on a terminal of 80 columns; return all that it shows."""
    ours, theirs = pty.openpty()
    command = [*PROGRAM, *map(str, argv)]
    variables = {"TERM": "xterm", "COLUMNS": "80", **environment}
    kept = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**kept, **variables}
    ) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux's way to say that nobody writes any longer
        return b""


def test_a_terminal_gets_colors_and_frames_and_a_pipe_the_same_words(tmp_path) -> None:
    shown = _on_a_terminal("profile")
    assert "\x1b[" in shown
    assert "─" in shown
    piped = subprocess.run(
        [*PROGRAM, "profile"], check=True, capture_output=True, text=True
    ).stdout
    assert "\x1b" not in piped
    for line in piped.splitlines()[:-1]:
        assert line.split()[0] in shown


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_can_be_made_a_pipe(variable: dict[str, str]) -> None:
    piped = subprocess.run(
        [*PROGRAM, "profile"], check=True, capture_output=True, text=True
    ).stdout
    assert _on_a_terminal("profile", **variable) == piped


def test_a_report_has_its_sections_and_tables_on_a_terminal(
    run, here, golden, inputs
) -> None:
    options = ("--inputs", inputs("residual_bias"), "--draws", 1000)
    shown = _on_a_terminal("report", golden("residual_bias"), *options)
    for words in ("Verdict", "By layer", "lif1", "teacher: bert-base, 128 tokens"):
        assert words in shown
    assert "─" in shown


def test_progress_is_drawn_on_a_terminal_only(
    run, golden, inputs, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress(3, "integer") as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")
    options = ("--inputs", inputs("ties"), "--workers", 2, "--batch", 1)
    shown = _on_a_terminal("simulate", golden("ties"), *options)
    assert "integer" in shown
    assert "2/2" in shown
    assert "2/2" not in _on_a_terminal(
        "simulate", golden("ties"), *options, TERM="dumb"
    )


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show("before", ROWS, Table(("none",), []), "after")
    assert capsys.readouterr().out == (
        "before\nlayer       rate\nlif1         0.5\nlong name  12.25\nafter\n"
    )


def test_rich_is_for_terminals_that_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_rich()  # pytest's stdout
    monkeypatch.setenv("TERM", "xterm")
    assert is_drawable(is_terminal=True)
    assert not is_drawable(is_terminal=False)
    monkeypatch.delenv("TERM")
    assert not is_drawable(is_terminal=True)


def test_a_pipe_does_not_load_rich() -> None:
    code = (
        "import sys; from spikewright.cli import main; main(['profile']);"
        "print('rich' in sys.modules, 'shtab' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.endswith("False False\n")


# --- text of others ------------------------------------------------------------------


STEERING = "[red]\x1b[31m\x1b]0;title\x07\u202e\x00"
SEEN = r"[red]\x1b[31m\x1b]0;title\x07\u202e\x00"
"""neither rich's markup nor a terminal's commands are followed"""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_text_does_not_steer_a_terminal(
    is_terminal: bool, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "is_rich", lambda: is_terminal)
    monkeypatch.setenv("COLUMNS", "200")
    show(f"{STEERING}:\nnext", Table((STEERING, "x"), [(STEERING, f"a\n{STEERING}")]))
    section = Section(STEERING, [STEERING], [["name", STEERING], ["two words", "x"]])
    screen.show_document(Document(STEERING, (section,)))
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\x00\u202e")
    # twice in the text and the head, twice in the row, and four times in the document
    assert shown.count(SEEN) == 8
    assert f"a\\n{SEEN}" in shown  # a cell stays one line
    assert "\nnext\n" in shown


def test_errors_and_progress_do_not_steer_a_terminal(capsys) -> None:
    assert main(["check", f"{STEERING.replace(chr(0), '')}.nir"]) == 1
    assert main(["profile", STEERING]) == 1
    assert main([STEERING]) == 2
    say(STEERING)
    shown = capsys.readouterr().err
    assert not set(shown) & set("\x1b\x07\x00\u202e")
    assert shown.count(SEEN) >= 3
