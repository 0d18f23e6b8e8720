"""Stage denorm: a LayerNorm student becomes one whose norms fold. Stages by name."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spikewright.cli import main
from spikewright.errors import ConfigError, InputError
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.settings.spikebert import DenormTable, SpikeBertRun
from spikewright.train.settings.spikebert_read import load_run
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.denorm import foldable_twin
from spikewright.train.spikebert.load import load_spikebert
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.stages.run import train_spikebert

BATCH = 96


def _layer_student(seed: int = 0) -> SpikeBertForSequenceClassification:
    """Return a random student whose LayerNorms keep most neurons busy."""
    torch.manual_seed(seed)
    config = SpikeBertConfig(
        vocab_size=60,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        num_labels=3,
    )
    model = SpikeBertForSequenceClassification(config)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.uniform_(-2, 2)
                module.bias.uniform_(0, 1)
    return model.eval()


def _texts(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 13, (BATCH, 1), generator=generator)
    mask = (torch.arange(12) < lengths).long()
    ids = torch.randint(5, 60, mask.shape, generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask}


def _seen(model: nn.Module, batch: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return input and output of each norm, in float64."""
    seen: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, y: torch.Tensor) -> None:
            seen[name] = given[0].double().flatten(0, 1), y.double().flatten(0, 1)

        return hook

    hooks = [
        module.register_forward_hook(keep(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm | FoldableNorm)
    ]
    with torch.no_grad():
        model(**batch)
    for hook in hooks:
        hook.remove()
    return seen


# --- the start -----------------------------------------------------------------------


def test_the_first_norms_are_the_least_squares_line_of_the_layer_norms() -> None:
    old, batch = _layer_student(), _texts(1)
    new = foldable_twin(old, [batch])
    # Nothing before the first block's query, key and value differs, so these see
    # the very inputs that the line was drawn through.
    for name in ("query", "key", "value"):
        where = f"spikebert.blocks.0.attention.{name}.norm"
        x, y = (each.numpy() for each in _seen(old, batch)[where])
        norm = new.get_submodule(where)
        assert isinstance(norm, FoldableNorm)
        gain, shift = norm.folded()
        for channel in range(64):
            slope, _ = np.polyfit(x[:, channel], y[:, channel], 1)
            # The norm divides by variance + 1e-5, a line by the variance.
            slope /= 1 + 1e-5 / x[:, channel].var()
            assert gain[channel] == pytest.approx(slope, rel=1e-4, abs=1e-4)
            intercept = y[:, channel].mean() - slope * x[:, channel].mean()
            assert shift[channel] == pytest.approx(intercept, rel=1e-4, abs=1e-4)


def test_every_norm_keeps_the_mean_that_its_neurons_saw() -> None:
    old, batch = _layer_student(), _texts(1)
    found = _seen(foldable_twin(old, [batch]), batch)
    for name, (_, y) in _seen(old, batch).items():
        # gain (x - mean) + bias over the texts that the mean was measured on.
        torch.testing.assert_close(
            found[name][1].mean(0), y.mean(0), atol=1e-4, rtol=0, msg=name
        )


def test_over_several_batches_the_statistics_are_the_mean_of_theirs() -> None:
    old, batches = _layer_student(), [_texts(1), _texts(2), _texts(3)]
    new = foldable_twin(old, batches)
    where = "spikebert.blocks.0.attention.query.norm"
    inputs = [_seen(old, batch)[where][0] for batch in batches]
    norm = new.get_submodule(where)
    assert isinstance(norm, FoldableNorm)
    means = torch.stack([x.mean(0) for x in inputs]).mean(0)
    variances = torch.stack([x.var(0, correction=0) for x in inputs]).mean(0)
    torch.testing.assert_close(norm.mean.double(), means, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(norm.variance.double(), variances, atol=1e-5, rtol=1e-5)
    assert norm.momentum == FoldableNorm(1, limit=1.0).momentum


def test_the_start_is_nearer_than_the_weights_alone_on_unseen_text() -> None:
    old, unseen = _layer_student(), _texts(9)
    new = foldable_twin(old, [_texts(1), _texts(2)])
    bare = SpikeBertForSequenceClassification(new.config).eval()
    bare.load_state_dict({**bare.state_dict(), **old.state_dict()})
    with torch.no_grad():
        wanted, near, far = (each(**unseen).logits for each in (old, new, bare))
    # Not one threshold: at least a third of the distance is gone.
    assert (near - wanted).square().mean() < 0.67 * (far - wanted).square().mean()


def test_a_channel_that_never_changes_gets_no_slope() -> None:
    old, batch = _layer_student(), _texts(1)
    projection = old.get_submodule("spikebert.blocks.0.attention.query.linear")
    assert isinstance(projection, nn.Linear)
    with torch.no_grad():
        projection.weight[5] = 0.0
    new = foldable_twin(old, [batch])
    norm = new.get_submodule("spikebert.blocks.0.attention.query.norm")
    assert isinstance(norm, FoldableNorm)
    # By hand: cov(x, y) = 0, so y is its mean, however small the variance of x.
    assert norm.folded()[0][5].abs() < 1e-3


# --- the stage -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def denormed(
    finished: Path,
    place: Path,
    spike_config: SpikeBertRun,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished run with a finished stage denorm."""
    run = tmp_path_factory.mktemp("denorm") / "run"
    shutil.copytree(finished, run)
    train_spikebert(spike_config, place / "data", run, stage="denorm")
    return run


def _card(run: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((run / "card.json").read_text())
    return card


def test_the_student_that_comes_out_folds_and_still_knows(denormed: Path) -> None:
    student = load_spikebert(denormed / "denorm")
    assert student.config.norm == "channel"
    assert not any(isinstance(each, nn.LayerNorm) for each in student.modules())
    found = _card(denormed)["denorm"]
    # 40 sentences: chance is 0.5, three standard deviations above it are 0.74.
    assert found["validation_accuracy"] > 0.74
    assert found["agreement"] > 0.74
    accuracies = [e["eval_accuracy"] for e in found["curve"] if "eval_accuracy" in e]
    assert found["validation_accuracy"] == max(accuracies)
    assert {"feature_loss", "logit_loss", "label_loss"} < set(found["curve"][0])
    assert found["config"] == dataclasses.asdict(DenormTable(compile="never"))


def test_the_rest_of_the_run_stays_as_it_was(denormed: Path, finished: Path) -> None:
    before, after = _card(finished), _card(denormed)
    for name in ("config", "data_sha256", "teacher", "stage1", "student"):
        assert after[name] == before[name]
    for name in ("teacher", "stage1", "student"):
        file = f"{name}/model.safetensors"
        assert (denormed / file).read_bytes() == (finished / file).read_bytes()


class KilledError(Exception):
    """What a test raises where a run would be killed."""


def test_killed_on_the_way_it_comes_to_the_same_end(
    denormed: Path,
    finished: Path,
    place: Path,
    spike_config: SpikeBertRun,
    tmp_path: Path,
) -> None:
    def kill(line: str) -> None:
        if line.startswith("denorm: step 9"):
            raise KilledError(line)

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = len((run / "slices.jsonl").read_text().splitlines())
    with pytest.raises(KilledError):
        train_spikebert(spike_config, place / "data", run, stage="denorm", say=kill)
    assert not (run / "denorm" / "result.json").exists()
    short = train_spikebert(
        spike_config, place / "data", run, stage="denorm", minutes=0.0001
    )
    assert short is None
    card = train_spikebert(spike_config, place / "data", run, stage="denorm")
    assert card is not None
    # Those of stages 1 and 2, and two; a call that was killed wrote none.
    assert len(card["seconds_of_slices"]) == before + 2
    file = "denorm/model.safetensors"
    assert (run / file).read_bytes() == (denormed / file).read_bytes()


def test_its_table_may_come_after_stage_2_but_not_change_on_the_way(
    denormed: Path, place: Path, spike_config: SpikeBertRun
) -> None:
    table = dataclasses.replace(spike_config.denorm, logit_weight=0.5)
    other = dataclasses.replace(spike_config, denorm=table)
    # The run itself does not mind: nothing is left to do for its three stages.
    assert train_spikebert(other, place / "data", denormed) is not None
    with pytest.raises(InputError, match=r"values in config.denorm.logit_weight;"):
        train_spikebert(other, place / "data", denormed, stage="denorm")


def test_a_weight_of_0_leaves_a_loss_out(
    finished: Path, place: Path, tmp_path: Path, spike_config: SpikeBertRun
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    table = DenormTable(epochs=0.5, feature_weight=0.0, label_weight=0.0)
    config = dataclasses.replace(spike_config, denorm=table)
    card = train_spikebert(config, place / "data", tmp_path / "run", stage="denorm")
    assert card is not None
    told = {k for k in card["denorm"]["curve"][0] if k.endswith("_loss")}
    assert told == {"logit_loss"}


# --- stages by name ------------------------------------------------------------------


def _given(place: Path, run: Path) -> list[str]:
    data = ["--data", str(place / "data"), "-o", str(run)]
    return ["train", str(place / "spikebert.toml"), *data]


def test_one_stage_is_done_and_no_other(
    finished: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    shutil.rmtree(run / "stage1")
    shutil.rmtree(run / "student")
    assert main([*_given(place, run), "--stage", "stage1"]) == 0
    file = "stage1/model.safetensors"
    assert (run / file).read_bytes() == (finished / file).read_bytes()
    assert not (run / "student").exists()
    # The card holds what is done by now.
    card = _card(run)
    assert ("teacher" in card, "stage1" in card) == (True, True)
    assert ("student" in card, "denorm" in card) == (False, False)
    said = capsys.readouterr().out
    assert said.startswith(f"teacher {card['teacher']['validation_accuracy']:.4f} on")
    assert said.endswith(f"saved to {run / 'stage1'}\n")


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("stage3", r"--stage stage3: no stage .* teacher, stage1, stage2, denorm"),
        ("stage2", r"has no finished teacher; do that first, by --stage teacher or"),
        ("denorm", r"has no finished stage2; do that first, by --stage stage2 or"),
    ],
)
def test_refuses_a_stage_that_cannot_be_done(
    spike_config: SpikeBertRun, place: Path, tmp_path: Path, stage: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_spikebert(spike_config, place / "data", tmp_path, stage=stage)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stage", "setting", "message"),
    [
        ("denorm", "student.norm=channel", 'norm is "channel", which folds already'),
        ("stage1", "stage1.epochs=0", r"\[stage1\] epochs is 0, which leaves it out"),
    ],
)
def test_refuses_a_stage_that_the_configuration_leaves_nothing_to_do(
    spike_config: SpikeBertRun,
    finished: Path,
    place: Path,
    stage: str,
    setting: str,
    message: str,
) -> None:
    config = load_run(place / "spikebert.toml", [setting])
    with pytest.raises(ConfigError, match=message):
        train_spikebert(config, place / "data", finished, stage=stage)


def test_denorm_needs_epochs_and_texts(place: Path, spike_config: SpikeBertRun) -> None:
    for key in ("epochs", "calibration"):
        with pytest.raises(ConfigError, match=r"\[denorm\] epochs and calibration"):
            load_run(place / "spikebert.toml", [f"denorm.{key}=0"])


# --- --set ---------------------------------------------------------------------------


def test_set_is_as_if_the_file_said_so(
    place: Path, spike_config: SpikeBertRun, tmp_path: Path
) -> None:
    settings = ["stage2.logit_weight=0", "student.steps=3", "seed = 5"]
    settings += ["student.norm=channel", 'data.labels=["no", "yes"]']
    run = load_run(place / "spikebert.toml", settings)
    assert (run.stage2.logit_weight, run.student.steps, run.seed) == (0.0, 3, 5)
    assert (run.student.norm, run.data.labels) == ("channel", ("no", "yes"))
    assert run.settings == tuple(settings)
    untouched = dataclasses.replace(spike_config.student, steps=3, norm="channel")
    assert run.student == untouched


def test_the_card_tells_what_was_set(
    finished: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*_given(place, tmp_path / "run"), "--stage", "teacher", "--seed", "3"]
    assert main([*given, "--set", "teacher.epochs=1"]) == 0
    card = _card(tmp_path / "run")
    assert card["set"] == ["teacher.epochs=1", "seed=3"]
    assert (card["config"]["teacher"]["epochs"], card["config"]["seed"]) == (1.0, 3)
    assert _card(finished)["set"] == []
    capsys.readouterr()
    assert main([*given, "--set", "seed=4"]) == 1
    assert "seed is set twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("student.steps", r"--set 'student.steps': write KEY=VALUE"),
        ("=2", "write KEY=VALUE"),
        ("student.steps=", "write KEY=VALUE"),
        ("student.steps.more=2", "write KEY=VALUE"),
        ("student.steps=[", r"\[ is no TOML value"),
        ("student.steps=2\nseed = 3", "one at a time"),
        ("student.steps=fast", r"\[student\] steps: must be int, got 'fast'"),
        ("student.stepps=2", r"\[student\]: unknown key stepps; known: width"),
        ("pupil.steps=2", "unknown key pupil; known: family, seed, data"),
        ("seed.steps=2", "seed is no table"),
        ("student.beta=1.5", "beta: must be 0 or more and below 1"),
        ("stage2.epochs=0", r"\[stage2\] epochs: must be above 0"),
    ],
)
def test_refuses_a_setting_that_cannot_be(
    place: Path, spike_config: SpikeBertRun, setting: str, message: str
) -> None:
    path = place / "seeded.toml"
    path.write_text("seed = 0\n" + (place / "spikebert.toml").read_text())
    with pytest.raises(ConfigError, match=message):
        load_run(path, [setting])
