"""A training configuration: read whole, or refused with the place and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewright.errors import ConfigError
from spikewright.train.settings.config import QuantizeConfig, load_config

DATA = '[data]\ntrain = ["a", "b"]\nvalidation = "a"\nlabels = ["no", "yes"]\n'
TEACHER = '[teacher]\nbase = "somewhere"\n'


def _write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_not_given_has_the_documented_default(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, DATA + TEACHER))
    assert config.as_dict() == {
        "data": {
            "train": ("a", "b"),
            "validation": "a",
            "labels": ("no", "yes"),
            "max_tokens": 64,
            "unlabeled": (),
        },
        "teacher": {
            "base": "somewhere",
            "epochs": 2.0,
            "learning_rate": 5e-5,
            "batch_size": 64,
            "weight_decay": 0.01,
            "warmup_ratio": 0.06,
            "average": 0.0,
        },
        "augment": {
            "rounds": 1,
            "long_rounds": 0,
            "long_words": 8,
            "replace_probability": 0.0,
            "drop_probability": 0.15,
            "splice_probability": 0.5,
            "longest_piece": 12,
        },
        "student": {
            "channels": 192,
            "word_channels": 0,
            "position_channels": 32,
            "hidden": 384,
            "blocks": 2,
            "steps": 4,
            "window": 3,
            "block_window": 1,
            "beta": 0.5,
        },
        "distill": {
            "epochs": 8.0,
            "learning_rate": 1e-3,
            "batch_size": 128,
            "weight_decay": 0.01,
            "warmup_ratio": 0.03,
            "logit_weight": 1.0,
            "label_weight": 0.1,
            "rate_weight": 0.0,
            "dropout": 0.1,
            "average": 0.0,
            "compile": "auto",
        },
        "quantize": {
            "epochs": 0.0,
            "learning_rate": 2e-4,
            "batch_size": 128,
            "weight_decay": 0.01,
            "warmup_ratio": 0.03,
            "logit_weight": 1.0,
            "label_weight": 0.1,
            "rate_weight": 0.0,
            "rate_target": 0.0,
            "average": 0.0,
            "compile": "auto",
        },
        "seed": 0,
    }


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    text = "seed = 7\n" + DATA + TEACHER + "epochs = 3\n[student]\nbeta = 0.9\n"
    config = load_config(_write(tmp_path, text))
    assert config.seed == 7
    assert config.teacher.epochs == 3.0
    assert isinstance(config.teacher.epochs, float)
    assert config.student.beta == 0.9


@pytest.mark.parametrize("epochs", [0, 0.5])
def test_quantizing_may_have_no_epochs(tmp_path: Path, epochs: float) -> None:
    text = f"[quantize]\nepochs = {epochs}\nrate_target = 0.1\n"
    config = load_config(_write(tmp_path, DATA + TEACHER + text))
    assert config.quantize == QuantizeConfig(epochs=epochs, rate_target=0.1)


def test_the_shipped_configuration_is_one() -> None:
    configs = Path(__file__).parents[3] / "train" / "configs"
    assert load_config(configs / "sst2_chip.toml").student.word_channels == 384


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no toml", r"run.toml: not a readable TOML file: .*line 1"),
        ("sed = 1\n" + DATA, r"run.toml: unknown key sed; known: seed, data, teacher"),
        ("data = 3\n", r"run.toml: data must be a table; write \[data\]"),
        (
            "seed = 0.5\n" + DATA + TEACHER,
            r"seed: must be 0 to 2\*\*32 - 1, got 0.5",
        ),
        ("seed = true\n" + DATA + TEACHER, r"seed: must be 0 to 2\*\*32 - 1, got True"),
        ("seed = -1\n" + DATA + TEACHER, r"seed: must be 0 to 2\*\*32 - 1, got -1"),
        ("", r"run.toml \[data\]: lacks labels, train, validation; add it"),
        (DATA, r"run.toml \[teacher\]: lacks base; add it"),
        (
            DATA + "token = 3\n",
            r"\[data\]: unknown key token; known: train, valid",
        ),
        (DATA + "max_tokens = 3.5\n", r"\[data\] max_tokens: must be int, got 3.5"),
        (DATA + "max_tokens = true\n", r"max_tokens: must be int, got True"),
        (DATA + "max_tokens = 0\n", r"max_tokens: must be above 0, got 0"),
        (DATA + TEACHER + "epochs = 'a'\n", r"\[teacher\] epochs: must be float, got"),
        (DATA + TEACHER + "epochs = 0\n", r"epochs: must be above 0, got 0.0"),
        (DATA + TEACHER + "epochs = nan\n", r"epochs: must be above 0, got nan"),
        (DATA + TEACHER + "average = 2\n", r"average: must be 0 to 1, got 2"),
        (
            DATA + TEACHER + "[distill]\ncompile = 'fast'\n",
            r"\[distill\] compile: must be one of auto, always, never, got 'fast'",
        ),
        (
            DATA + TEACHER + "[quantize]\nrate_target = 2\n",
            r"\[quantize\] rate_target: must be 0 to 1, got 2",
        ),
        (
            DATA + TEACHER + "[quantize]\nepochs = -1\n",
            r"\[quantize\] epochs: must be above 0, got -1",
        ),
        (
            DATA + TEACHER + "[quantize]\ndropout = 0.1\n",
            r"\[quantize\]: unknown key dropout; known: epochs, learning_rate",
        ),
        (DATA + TEACHER + "warmup_ratio = 2\n", r"warmup_ratio: must be 0 to 1, got 2"),
        (DATA + TEACHER + "weight_decay = -1\n", r"weight_decay: must be 0 or more"),
        (DATA + TEACHER + "weight_decay = inf\n", r"weight_decay: must be 0 or more"),
        (DATA.replace('["a", "b"]', "[1]"), r"train: must be tuple\[str, ...\], got"),
        (DATA.replace('["a", "b"]', "[]"), r"train: must name 1 or more, got 0"),
        (DATA.replace('"no", "yes"', '"no"'), r"labels: must name 2 or more, got 1"),
        (DATA.replace('n = "a"', "n = 1"), r"\[data\] validation: must be str, got 1"),
        (
            DATA + TEACHER + "[augment]\nlongest_piece = 0\n",
            r"longest_piece: must be ab",
        ),
        (
            DATA + TEACHER + "[augment]\ndrop_probability = 1.1\n",
            r"must be 0 to 1, got",
        ),
    ],
)
def test_refuses(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(_write(tmp_path, text))


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: no such file"):
        load_config(tmp_path / "none.toml")


def test_refuses_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"run.toml: not a readable TOML file"):
        load_config(tmp_path / "run.toml")
