"""A whole SpikingBERT run, tiny and offline; killed and gone on; its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from spikewright.cli import main
from spikewright.errors import ConfigError, InputError
from spikewright.train.answers.trained import load_trained
from spikewright.train.equilibrium.losses import layer_map, score_loss
from spikewright.train.equilibrium.run import train_spikingbert
from spikewright.train.equilibrium.student import new_student
from spikewright.train.equilibrium.teacher_scores import TeacherScores
from spikewright.train.settings.spikingbert import SettledTable, SpikingBertRun
from spikewright.train.settings.spikingbert_read import load_settled_run

TEXT = (Path(__file__).parent / "spikingbert.toml").read_text(encoding="utf-8")


def _card(run: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((run / "card.json").read_text())
    return card


def test_a_run_ends_with_spikes_that_learned(
    settled: Path, settled_config: SpikingBertRun
) -> None:
    card = _card(settled)
    # 40 sentences: chance is 0.5, four standard deviations above it are 0.82.
    assert card["student"]["validation_accuracy"] > 0.82
    assert card["config"] == json.loads(json.dumps(settled_config.as_dict()))
    curve = card["student"]["curve"]
    weights = settled_config.stage2
    parts = ("feature", "embedding", "score", "logit", "label")
    total = sum(
        getattr(weights, f"{key}_weight") * curve[0][f"{key}_loss"] for key in parts
    )
    assert curve[0]["loss"] == pytest.approx(total, rel=1e-4)
    logits = load_trained(settled / "student").logits(["the soup was lovely"])
    assert logits.shape == (1, 2)
    assert "SpikingBERT" in (settled / "student" / "README.md").read_text()


class KilledError(Exception):
    """What a test raises where a run would be killed."""


def test_a_killed_run_goes_on_to_the_same_end(
    settled: Path, place: Path, settled_config: SpikingBertRun, tmp_path: Path
) -> None:
    def say(line: str) -> None:
        if line.startswith("stage2: ") and "at step 60" in line:
            raise KilledError(line)

    for name in ("teacher", "stage1"):
        (tmp_path / name).symlink_to(settled / name)
    with pytest.raises(KilledError):
        train_spikingbert(settled_config, place / "data", tmp_path, say=say)
    train_spikingbert(settled_config, place / "data", tmp_path)
    ends = [
        (run / "student" / "model.safetensors").read_bytes()
        for run in (settled, tmp_path)
    ]
    assert ends[0] == ends[1]


def test_the_command_line_goes_on_with_a_run_in_slices(
    settled: Path,
    settled_file: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    given = ["train", str(settled_file), "--data", str(place / "data"), "-o"]
    assert main([*given, str(settled)]) == 0
    accuracy = _card(settled)["student"]["validation_accuracy"]
    assert f"student {accuracy:.4f} on validation" in capsys.readouterr().out
    assert main([*given, str(tmp_path), "--minutes", "0.0001"]) == 3
    assert "the slice of time is over at teacher" in capsys.readouterr().err
    assert main([*given, str(tmp_path), "--stage", "denorm"]) == 1
    said = capsys.readouterr().err
    assert "no stage of family spikingbert; it has teacher, stage1, stage2" in said


# --- losses --------------------------------------------------------------------------


def _bert(layers: int = 2) -> BertModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    return BertModel(
        BertConfig(vocab_size=30, num_hidden_layers=layers, **sizes)
    ).eval()


def test_four_blocks_learn_from_layers_3_6_9_12() -> None:
    assert layer_map(SettledTable(), blocks=4, layers=12) == [3, 6, 9, 12]
    assert layer_map(SettledTable(layers=(1, 2)), blocks=2, layers=12) == [1, 2]
    with pytest.raises(ConfigError, match=r"\[13\] are not layers .* 1 to 12"):
        layer_map(SettledTable(layers=(1, 13)), blocks=2, layers=12)


def test_the_teacher_s_scores_are_those_before_its_softmax() -> None:
    teacher = _bert()
    teacher.set_attn_implementation("eager")
    ids = torch.randint(0, 30, (2, 5))
    with torch.no_grad(), TeacherScores(teacher) as heard:
        found = teacher(ids, output_attentions=True).attentions
    for layer in (1, 2):
        scores = heard.scores(layer)
        torch.testing.assert_close(scores.softmax(dim=-1), found[layer - 1])
    assert not heard.hooks


def test_scores_are_compared_where_both_tokens_are_real() -> None:
    # One sample of 2 tokens in 3 places, one head: squares 1, 4, 9, 16 over 4 pairs.
    mine = torch.full((1, 1, 3, 3), -torch.inf)
    mine[0, 0, :2, :2] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    mine.requires_grad_()
    mask = torch.tensor([[True, True, False]])
    loss = score_loss([mine], [torch.zeros(1, 1, 3, 3)], mask, lambda count: count)
    assert float(loss) == 30 / 4
    loss.backward()
    assert mine.grad is not None
    # 2 x / 4 at pairs of tokens, 0 elsewhere: no nan of the infinities.
    assert mine.grad[0, 0].tolist() == [[0.5, 1.0, 0], [1.5, 2.0, 0], [0, 0, 0]]


def test_words_places_segments_and_norm_may_start_from_the_teacher_s(
    settled_config: SpikingBertRun, tmp_path: Path
) -> None:
    text = TEXT.replace("width = 24", 'width = 16\nwords = "teacher"')
    (tmp_path / "c.toml").write_text(text)
    run = load_settled_run(tmp_path / "c.toml")
    encoder = new_student(run, run.stage2, teacher := _bert()).encoder
    theirs = teacher.embeddings
    assert torch.equal(encoder.words.weight, theirs.word_embeddings.weight)
    places = theirs.position_embeddings.weight[:10]
    assert torch.equal(encoder.places.weight, places)
    assert torch.equal(encoder.segments.weight, theirs.token_type_embeddings.weight)
    (tmp_path / "c.toml").write_text(text.replace("width = 16", "width = 18"))
    run = load_settled_run(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match="needs a BERT of width 18; BertModel has"):
        new_student(run, run.stage2, teacher)


def test_scores_need_the_teacher_s_heads(settled_config: SpikingBertRun) -> None:
    teacher = _bert()
    teacher.config.num_attention_heads = 4
    with pytest.raises(ConfigError, match=r"heads: 2; .* the teacher has 4"):
        new_student(settled_config, settled_config.stage2, teacher)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[stage1]", "[stage1]\nlayers = [1, 2]", "names 2 layers .* has 1 blocks"),
        ("steps = 8", 'steps = 8\nattention = "sdsa"', "no scores to compare"),
        ("steps = 8", 'steps = 8\nattention = "ssa"', "one of softmax, sdsa"),
        ('text = ["tiny"]', "", r"\[stage1\]: lacks text; name folders"),
        ("[stage2]", "[stage2]\nspeed = 1", "unknown key speed; known: epochs"),
        ("label_weight = 1.0", "label_weight = 0\nlogit_weight = 0", "both 0"),
    ],
)
def test_refuses_a_configuration_that_cannot_be(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in TEXT
    (tmp_path / "c.toml").write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load_settled_run(tmp_path / "c.toml")


def test_refuses_another_configuration_in_the_same_folder(
    settled: Path, settled_file: Path, place: Path
) -> None:
    other = load_settled_run(settled_file, ["student.steps=9"])
    with pytest.raises(InputError, match=r"other values in config.student.steps;"):
        train_spikingbert(other, place / "data", settled)
