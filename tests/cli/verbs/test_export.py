"""`spikewright export` and `train`: checkpoints in, nothing half-written out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spikewright.export.deployment.folder import FILES, read_deployment
from spikewright.export.nir.io import read_nir, read_nir_dt

ROOT = Path(__file__).parents[3]


def test_a_folder_with_all_that_a_host_needs(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    card = read_deployment(exported).card
    assert (card["tokens"], card["dt_s"]) == (8, 1e-4)
    assert card["labels"] == ["negative", "positive"]
    assert card["teacher"]["model_type"] == "bert"
    assert "config" in card["training"]


def test_only_the_network(run, here, checkpoint: Path) -> None:
    done = run("export", checkpoint, "-o", "net.nir", "--tokens", 2, "--dt", "1e-3")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("net.nir: ")
    assert "up to 2 tokens, time step 0.001 s" in done.out
    assert read_nir_dt("net.nir") == 1e-3
    assert [path.name for path in here.iterdir()] == ["net.nir"]


def test_json_and_nothing_else(run, here, body, checkpoint: Path) -> None:
    done = run("export", checkpoint, "-o", "net.nir", "--tokens", 2, "--json")
    summary = body(done.out)
    graph = read_nir("net.nir")
    assert summary == {
        "output": "net.nir",
        "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        "tokens": 2,
        "dt_s": 1e-4,
    }


def test_an_older_deployment_is_replaced(run, here, checkpoint: Path) -> None:
    for tokens in (2, 3):
        run("export", checkpoint, "-o", "student", "--tokens", tokens)
    assert read_deployment(here / "student").card["tokens"] == 3
    assert [path.name for path in here.iterdir()] == ["student"]


def test_of_a_training_run_its_student_is_exported(run, here, checkpoint: Path) -> None:
    shutil.copytree(checkpoint, here / "sst2" / "student")
    (here / "sst2" / "config.json").write_text('{"seed": 0}')  # of the run itself
    run("export", "sst2", "-o", "deployed", "--tokens", 2)
    assert read_deployment(here / "deployed").card["tokens"] == 2


@pytest.fixture
def refused(run, here) -> Callable[..., str]:
    """Export what must be refused; return the line. Nothing may change."""

    def listing() -> dict[Path, bytes | None]:
        paths = sorted(here.rglob("*"))
        return {path: path.read_bytes() if path.is_file() else None for path in paths}

    def call(*argv: object) -> str:
        before = listing()
        done = run("export", *argv)
        assert listing() == before
        return str(done.refusal())

    return call


@pytest.mark.parametrize("tokens", [0, 65, -1])
@pytest.mark.parametrize("output", ["student", "net.nir"])
def test_more_tokens_than_positions(
    refused, checkpoint: Path, tokens: int, output: str
) -> None:
    line = refused(checkpoint, "-o", output, "--tokens", tokens)
    assert f"tokens: {tokens}; the student has positions for 1 to 64" in line


@pytest.mark.parametrize("dt", ["0", "-1", "nan", "inf"])
@pytest.mark.parametrize("output", ["student", "net.nir"])
def test_a_time_step_that_is_none(
    refused, checkpoint: Path, dt: str, output: str
) -> None:
    assert "time" in refused(checkpoint, "-o", output, "--dt", dt, "--tokens", 2)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("nope/student", "there is no folder nope; make it first"),
        ("nope/net.nir", "there is no folder nope; make it first"),
        ("notes.txt", "notes.txt: exists and is no deployment folder"),
        ("other", "other: exists and is no deployment folder; choose another"),
        ("taken.nir", "taken.nir: exists and is no file"),
        (".", ".: cannot be written over; give a name in it"),
        ("/proc/student", "/proc/student: cannot be written: "),
    ],
)
def test_a_place_that_cannot_be_written(
    refused, here, checkpoint: Path, output: str, message: str
) -> None:
    (here / "other").mkdir()
    (here / "other" / "card.json").write_text("{}")
    (here / "other" / "precious").write_text("!")
    (here / "taken.nir").mkdir()
    (here / "notes.txt").write_text("!")
    assert message in refused(checkpoint, "-o", output, "--tokens", 2)


def test_a_checkpoint_is_not_written_over(refused, here, checkpoint: Path) -> None:
    shutil.copytree(checkpoint, here / "run")  # which has a card.json as well
    assert "is no deployment folder" in refused("run", "-o", "run", "--tokens", 2)


# --- checkpoints that it refuses -----------------------------------------------------


def _edit(name: str, **changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        values = json.loads((folder / name).read_text()) | changes
        kept = {key: value for key, value in values.items() if value is not None}
        (folder / name).write_text(json.dumps(kept))

    return edit


def _junk(name: str, junk: bytes) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / name).write_bytes(junk)

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json: no such file"),
        (lambda folder: (folder / "card.json").unlink(), "card.json: no such file"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json: no suc"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (_junk("config.json", b"junk"), "config.json: not readable JSON"),
        (_junk("card.json", b"junk"), "card.json: not readable JSON"),
        (_junk("card.json", b"[]"), "card.json: expected a JSON object, got list"),
        (_junk("tokenizer.json", b"junk"), "tokenizer.json: not readable JSON"),
        (_junk("tokenizer.json", b"\xff\xfe"), "tokenizer.json: not readable JSON"),
        (_junk("tokenizer.json", b"{}"), "not a tokenizer: Model missing"),
        (_junk("model.safetensors", b""), "cannot be loaded"),
        (_junk("model.safetensors", b"junk" * 99), "cannot be loaded"),
        (_edit("config.json", model_type="bert"), "model type 'bert', can export"),
        (_edit("config.json", channels=7), "must be a multiple of 8"),
        (_edit("config.json", blocks=3), "model.safetensors does not fit config.json"),
        (_edit("config.json", packed_encoder=False), "does not fit config.json"),
        (_edit("card.json", teacher_config=None), "lacks 'teacher_config'; train"),
        (_edit("card.json", teacher_config=3), "'teacher' is 3; must be a BERT conf"),
    ],
)
def test_a_damaged_checkpoint(
    refused, here, checkpoint: Path, damage: Callable[[Path], None], message: str
) -> None:
    shutil.copytree(checkpoint, here / "run")
    damage(here / "run")
    assert message in refused("run", "-o", "student", "--tokens", 2)


@pytest.mark.parametrize("length", [5000, -4])
def test_a_truncated_checkpoint(refused, here, checkpoint: Path, length: int) -> None:
    shutil.copytree(checkpoint, here / "run")
    path = here / "run" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    assert "run: cannot be loaded" in refused("run", "-o", "student", "--tokens", 2)


def test_no_checkpoint(refused) -> None:
    assert "nope/config.json: no such file" in refused("nope", "-o", "student")


# --- train ---------------------------------------------------------------------------


def test_train_without_data_leaves_no_run(run, here) -> None:
    config = ROOT / "train" / "configs" / "sst2_chip.toml"
    done = run("train", config, "-o", "run", "--data", "nope")
    assert "nope/sst2/train.jsonl: no such file; give" in done.refusal()
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("junk\n", "c.toml: not a readable TOML file"),
        ("colour = 1\n", "c.toml: unknown key colour; known: seed, data"),
        ("seed = 'x'\n", "c.toml: seed: must be "),
        ("[augment]\nrounds = 'x'\n", "c.toml [augment] rounds: must be int, got 'x'"),
    ],
)
def test_train_with_a_wrong_configuration(run, here, first: str, message: str) -> None:
    data = "[data]\ntrain = ['a']\nvalidation = 'a'\nlabels = ['x', 'y']\n"
    teacher = "[teacher]\nbase = 'none'\n"
    (here / "c.toml").write_text(first + data + teacher)
    assert message in run("train", "c.toml", "-o", "run", "--data", ".").refusal()
    assert [path.name for path in here.iterdir()] == ["c.toml"]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_train_with_a_seed_that_is_none(run, here, seed: int) -> None:
    config = ROOT / "train" / "configs" / "sst2_chip.toml"
    done = run("train", config, "-o", "run", "--data", ".", "--seed", seed)
    assert f"--seed {seed}: must be 0 to 2**32 - 1" in done.refusal()
    assert list(here.iterdir()) == []


def test_train_without_a_configuration(run, here) -> None:
    line = run("train", "nope.toml", "-o", "run", "--data", ".").refusal()
    assert "nope.toml: no such file" in line
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("family = 'bert'\n", "c.toml family: must be chip, spikebert or spikingbert"),
        ("family = 'spikebert'\n", "c.toml [stage1]: lacks text; name folders, or"),
        (
            "family = 'spikebert'\n[student]\nleak = 'none'\n",
            "leak: must be one of divided, undivided; got 'none'",
        ),
    ],
)
def test_train_with_a_wrong_family(run, here, first: str, message: str) -> None:
    data = "[data]\ntrain = ['a']\nvalidation = 'a'\nlabels = ['x', 'y']\n"
    (here / "c.toml").write_text(first + data + "[teacher]\nbase = 'none'\n")
    assert message in run("train", "c.toml", "-o", "run", "--data", ".").refusal()
    assert [path.name for path in here.iterdir()] == ["c.toml"]


def test_train_of_folders_without_the_data_directory(run, here) -> None:
    for name in ("sst2_chip", "spikebert_mr"):
        config = ROOT / "train" / "configs" / f"{name}.toml"
        assert "--data" in run("train", config, "-o", "run").refusal()
    assert list(here.iterdir()) == []


def test_slices_are_of_a_spikebert_and_take_time(run, here) -> None:
    configs = ROOT / "train" / "configs"
    for name, message in (("sst2_chip", "not cut"), ("spikebert_mr", "above 0")):
        given = ("train", configs / f"{name}.toml", "-o", "run", "--data", ".")
        assert message in run(*given, "--minutes", "0").refusal()
    assert list(here.iterdir()) == []
