"""`spikewright demo` and `doctor`: the whole road, and whether it is open."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from spikewright.cli.verbs import doctor as doctor_verb
from spikewright.export.deployment.folder import FILES

COMMON = ("demo", "--runtime", "local")


@pytest.mark.lava
@pytest.mark.slow
def test_lava_and_integers_agree_and_a_cut_is_told(run, here) -> None:
    texts = ("a good film", "word " * 500)
    done = run(*COMMON, *texts, "--json", "-o", "student")
    document = json.loads(done.out)
    assert done.status == 0
    assert document["compared"] > 0
    assert document["spikes"] > 0
    assert document["mismatches"] == document["output_mismatches"] == 0
    answers = document["sentences"]
    assert [each["text"] for each in answers] == list(texts)
    assert [each["tokens"] for each in answers] == [3, 64]
    assert [each["tokens_cut"] for each in answers] == [0, 436]
    assert answers[0]["label"] == answers[0]["float_label"] == "positive"
    assert "cut: the last 436 tokens of 'word word" in done.err
    assert document["report"]["samples"] == 2
    assert document["report"]["teacher"]["mean_tokens"] == (5 + 66) / 2
    assert {path.name for path in (here / "student").iterdir()} == FILES


@pytest.mark.lava
def test_words_by_default(run, here) -> None:
    done = run(*COMMON, "a bad film")
    assert done.status == 0
    assert "Lava and the integer simulator: identical" in done.out
    assert "a bad film" in done.out
    assert "Student, operations and energy of one sample" in done.out
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("text", ["", "  "])
def test_a_sentence_without_a_word(run, here, text: str) -> None:
    done = run(*COMMON, text)
    *progress, line = done.err.splitlines()
    assert (done.status, done.out) == (1, "")
    assert line.startswith("spikewright demo: sentence '")
    assert line.endswith("holds no token; give at least one word")
    assert all(each.startswith("export to NIR: ") for each in progress)
    assert list(here.iterdir()) == []


def test_a_folder_that_holds_something_else(run, here) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "precious").write_text("!")
    line = run(*COMMON, "fine", "-o", "mine").refusal()
    assert "mine: exists and is no deployment folder" in line
    assert [path.name for path in (here / "mine").iterdir()] == ["precious"]


# --- doctor --------------------------------------------------------------------------


@pytest.mark.lava
def test_the_doctor_runs_lava(run) -> None:
    done = run("doctor", "--json")
    found = json.loads(done.out)["found"]
    assert done.status == 0
    assert found["local runtime"] == found["lava runtime"] == "ok"
    assert {"python", "numpy", "torch", "lava-nc"} <= set(found)


@pytest.mark.parametrize(
    "found",
    [{"lava-nc": "needs asteval"}, {"local runtime": "ok", "lava runtime": "?"}],
)
def test_the_doctor_says_that_lava_does_not_run(
    run, monkeypatch: pytest.MonkeyPatch, found: Mapping[str, str]
) -> None:
    monkeypatch.setattr(doctor_verb, "doctor", lambda: dict(found))
    done = run("doctor")
    assert done.status == 1
    assert all(value in done.out for value in found.values())
