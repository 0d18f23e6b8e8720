"""`simulate` and `report` over a cluster: the same files as from one process."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    """Return a file of three sentences."""
    path = tmp_path / "sentences.txt"
    path.write_text("a film\nbad\na moving , funny film\n")
    return path


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_local_cluster_writes_the_same_trace_and_leaves_nothing(
    run, here, golden, inputs, tmp_path, monkeypatch
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    words = ("simulate", golden("residual_bias"), "--inputs", inputs("residual_bias"))
    assert run(*words, "-o", "alone.npz").status == 0
    before = multiprocessing.active_children()
    cluster = ("--cluster", "local", "--workers", "1", "--shard", "1")
    done = run(*words, "-o", "shards.npz", *cluster)
    assert done.status == 0, done.err
    assert Path("shards.npz").read_bytes() == Path("alone.npz").read_bytes()
    assert multiprocessing.active_children() == before
    assert _files(private) == set()
    assert "distributed" not in done.err


def test_a_report_over_texts_is_the_same(
    run, here, exported, sentences, scheduler, body
) -> None:
    """All sums and peaks, embeddings and padding, which need each text's length."""
    words = ("report", exported, "--text", sentences, "--json", "--draws", "1000")
    words += ("--profile", "cmos45", "--preset", "bert-mac")
    alone = run(*words)
    far = run(*words, "--cluster", scheduler, "--shard", "2")
    assert far.status == 0, far.err
    assert body(far.out) == body(alone.out)


def test_a_page_is_the_same(run, here, golden, inputs, scheduler) -> None:
    """Rates of all samples, and the one that is shown: it is in the second shard."""
    words = ("report", golden("residual_bias"), "--inputs", inputs("residual_bias"))
    words += ("--teacher", "bert-base", "--tokens", "8", "--draws", "1000")
    words += ("--profile", "loihi1", "--show", "1")
    assert run(*words, "-o", "alone.html").status == 0
    cluster = ("--cluster", scheduler, "--shard", "1")
    done = run(*words, "-o", "far.html", *cluster)
    assert done.status == 0, done.err
    assert Path("far.html").read_bytes() == Path("alone.html").read_bytes()


def test_counts_by_sample_come_back_one_by_one(
    run, here, golden, inputs, scheduler, body
) -> None:
    words = ("report", golden("residual_bias"), "--inputs", inputs("residual_bias"))
    words += ("--by", "sample", "--profile", "loihi1", "--draws", "1000", "--json")
    words += ("--teacher", "bert-base", "--tokens", "8")
    alone = run(*words)
    far = run(*words, "--cluster", scheduler, "--shard", "1")
    assert far.status == 0, far.err
    assert body(far.out) == body(alone.out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--shard", "2"), "--shard: only --cluster has shards; leave it out"),
        (("--cluster", "tcp://a:1", "--workers", "2"), "tcp://a:1 has its own"),
        (("--cluster", "local", "--shard", "0"), "shard is 0; allowed: 1 or more"),
    ],
)
def test_options_without_effect_are_refused(
    run, golden, inputs, words: tuple[str, ...], said: str
) -> None:
    network = (golden("residual_bias"), "--inputs", inputs("residual_bias"))
    assert said in run("simulate", *network, *words).refusal()
    assert said in run("report", *network, *words).refusal()


def test_a_report_of_a_trace_has_nothing_to_share(run, golden, tmp_path) -> None:
    words = ("report", golden("ties"), tmp_path / "trace.npz", "--cluster", "local")
    assert "--cluster: nothing is simulated" in run(*words).refusal()
