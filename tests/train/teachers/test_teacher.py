"""The teacher: found or refused in one line; its logits, progress and checkpoints."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import BackendMissingError, ConfigError, InputError
from spikewright.train.teachers.teacher import (
    find_encoder,
    label_texts,
    load_classifier,
    load_tokenizer,
)
from spikewright.train.training.trainer import Progress


def test_refuses_a_folder_without_an_encoder(tmp_path: Path) -> None:
    message = r"teacher .*: cannot be loaded: .*; \[teacher\] base is a folder"
    with pytest.raises(InputError, match=message) as caught:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-thing", "a.b", "", "a/b"])
def test_refuses_a_package_that_is_not_installed(name: str) -> None:
    with pytest.raises(BackendMissingError, match=f"package {name} is missing; pip"):
        find_encoder(f"package:{name}")


def test_refuses_a_package_without_an_encoder() -> None:
    with pytest.raises(InputError, match="package json has no folder 'model'"):
        find_encoder("package:json")


def test_labels_do_not_depend_on_the_order_of_the_texts(done: Path) -> None:
    # Batches are sorted by length; the logits must find their way back.
    model = load_classifier(str(done / "teacher"), classes=2)
    tokenizer = load_tokenizer(str(done / "teacher"))
    texts = ["the soup was fine", "grim", "the tale was very very dull and cold"]
    labels = label_texts(model, tokenizer, texts, max_tokens=10, batch_size=2)
    alone = [label_texts(model, tokenizer, [each], max_tokens=10) for each in texts]
    np.testing.assert_allclose(labels, np.concatenate(alone), atol=0.03)
    assert np.abs(labels[0] - labels[1]).max() > 0.5


@pytest.mark.parametrize("key", ["loss", "eval_loss", "train_loss"])
def test_progress_refuses_every_loss_that_is_no_number(key: str) -> None:
    class State:
        global_step, max_steps = 3, 9

    progress = Progress("teacher", lambda line: None)
    progress.on_log(None, State, None, logs={key: 1.0})
    with pytest.raises(ConfigError, match=f"teacher: {key} is nan at step 3 of 9"):
        progress.on_log(None, State, None, logs={key: math.nan})
