"""Which checkpoint a training that was cut goes on from, and with which rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from spikewright.train.training.resume import Redrawn, is_over, last_checkpoint

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")
STATE = "trainer_state.json"


def _checkpoint(folder: Path, step: int) -> Path:
    place = folder / f"checkpoint-{step}"
    place.mkdir()
    for name in FILES:
        (place / name).touch()
    (place / STATE).write_text('{"global_step": 1}')
    return place


def test_the_last_checkpoint_is_the_last_by_number(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    _checkpoint(tmp_path, 9)
    last = _checkpoint(tmp_path, 10)
    assert last_checkpoint(tmp_path) == last


@pytest.mark.parametrize("missing", [*FILES, STATE])
def test_a_checkpoint_that_was_half_deleted_is_none(
    tmp_path: Path, missing: str
) -> None:
    first = _checkpoint(tmp_path, 10)
    (_checkpoint(tmp_path, 20) / missing).unlink()
    assert last_checkpoint(tmp_path) == first


@pytest.mark.parametrize("text", ["", '{"global_step": 1', "[]"])
def test_a_state_that_was_cut_while_being_written_is_none(
    tmp_path: Path, text: str
) -> None:
    first = _checkpoint(tmp_path, 10)
    (_checkpoint(tmp_path, 20) / STATE).write_text(text)
    assert last_checkpoint(tmp_path) == first


def test_a_checkpoint_without_its_average_is_none(tmp_path: Path) -> None:
    first, second = _checkpoint(tmp_path, 10), _checkpoint(tmp_path, 20)
    (first / "average").touch()
    assert last_checkpoint(tmp_path, "average") == first
    assert last_checkpoint(tmp_path) == second


def _state(**more: Any) -> dict[str, Any]:
    return {"global_step": 5, "max_steps": 9, **more}


@pytest.mark.parametrize(("waited", "over"), [(2, False), (3, True)])
def test_a_training_that_stopped_for_want_of_gain_is_over(
    waited: int, over: bool
) -> None:
    stopper = {
        "args": {"early_stopping_patience": 3},
        "attributes": {"early_stopping_patience_counter": waited},
    }
    callbacks = {"EarlyStoppingCallback": stopper}
    assert is_over(_state(stateful_callbacks=callbacks)) is over


def test_a_training_is_over_after_its_steps() -> None:
    assert not is_over(_state(stateful_callbacks={}))
    assert is_over(_state(global_step=9))


class _Shuffled(torch.utils.data.Sampler[int]):
    def __len__(self) -> int:
        return 20

    def __iter__(self) -> Any:
        return iter(torch.randperm(20).tolist())


def test_an_order_is_drawn_as_ever_and_can_be_drawn_again() -> None:
    torch.manual_seed(3)
    plain = torch.randperm(20).tolist()
    torch.manual_seed(3)
    order = Redrawn(_Shuffled())
    assert list(order) == plain
    torch.rand(7)  # dropout, say
    later = Redrawn(_Shuffled())
    later.again = order.before
    assert list(later) == plain
    assert list(later) != plain  # the next epoch has an order of its own
