"""The deployable student in torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from spikewright.errors import ConfigError, InputError
from spikewright.train.answers.logits import float_logits
from spikewright.train.chip.config import ChipStudentConfig
from spikewright.train.chip.encoder import PackedEncoder
from spikewright.train.chip.layers import look_ahead
from spikewright.train.distill.distill import distillation_loss
from spikewright.train.settings.config import DistillConfig
from spikewright.train.student import ChipStudent

MakeStudent = Callable[..., ChipStudent]


def _batch(
    seed: int, lengths: tuple[int, ...], *, width: int = 12, vocabulary: int = 50
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random ids and mask; what stands in the padding is random, too."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, vocabulary, (len(lengths), width), generator=generator)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    return ids, mask.long()


def _logits(
    student: ChipStudent, ids: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    with torch.inference_mode():
        logits = student(ids, mask).logits
    assert logits is not None
    return logits


@pytest.mark.parametrize("blocks", [1, 2])
def test_populations_have_the_documented_shapes_and_are_spikes(
    make_student: MakeStudent, blocks: int
) -> None:
    student = make_student(blocks=blocks)
    ids, mask = _batch(0, (12, 3, 1))
    logits, populations = student.run(ids, mask.bool())
    assert logits.shape == (3, 2)
    # Steps, then the 16 tokens of all samples (the gate: the 3 samples), channels.
    tokens, gate, hidden = (3, 16, 16), (3, 3, 16), (3, 16, 24)
    block = [tokens] * 4 + [gate] + [tokens] * 2 + [hidden, tokens]
    assert [tuple(s.shape) for s in populations] == [tokens, *block * blocks]
    for spikes in populations:
        assert set(spikes.unique().tolist()) <= {0.0, 1.0}


def test_the_rate_is_the_mean_over_populations(make_student: MakeStudent) -> None:
    student = make_student(dropout=0.0).train()
    ids, mask = _batch(0, (12, 3))
    _, populations = student.run(ids, mask.bool())
    means = [s.double().mean().item() for s in populations]
    rate = student(ids, mask).rate
    assert rate is not None
    assert rate.item() == pytest.approx(sum(means) / len(means))
    assert 0.02 < rate.item() < 0.98


def test_logits_are_the_mean_over_steps_and_tokens_of_the_heads(
    make_student: MakeStudent,
) -> None:
    student = make_student(blocks=1)
    ids, mask = _batch(0, (5,), width=5)
    logits, populations = student.run(ids, mask.bool())
    by_hand = torch.zeros(2)
    for head, spikes in zip(
        student.heads, (populations[0], populations[-1]), strict=True
    ):
        by_hand += head.get_parameter("weight") @ spikes.mean(dim=(0, 1))
    torch.testing.assert_close(logits[0], by_hand)


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("width", [16, 32, 64])
def test_padding_changes_no_bit_of_the_logits(
    make_student: MakeStudent, width: int, ahead: int
) -> None:
    student = make_student(max_tokens=64, block_window=ahead)
    ids, mask = _batch(1, (12, 3, 1, 7))
    torch.manual_seed(width)
    more = torch.randint(0, 50, (4, width - 12))
    padded = torch.cat([ids, more], dim=1), functional.pad(mask, (0, width - 12))
    assert torch.equal(_logits(student, *padded), _logits(student, ids, mask))


def test_padding_may_be_wider_than_the_positions(make_student: MakeStudent) -> None:
    student = make_student(max_tokens=12)
    ids, mask = _batch(1, (12, 3))
    padded = functional.pad(ids, (0, 20)), functional.pad(mask, (0, 20))
    assert torch.equal(_logits(student, *padded), _logits(student, ids, mask))


def test_a_sentence_does_not_see_its_neighbors(make_student: MakeStudent) -> None:
    student = make_student(block_window=2)
    ids, mask = _batch(2, (12, 3, 7))
    together = _logits(student, ids, mask)
    alone = torch.cat(
        [_logits(student, ids[i : i + 1], mask[i : i + 1]) for i in range(3)]
    )
    # Spikes are equal; matrix products of other sizes may round logits apart.
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("window", [1, 3])
def test_the_order_of_words_matters(make_student: MakeStudent, window: int) -> None:
    student = make_student(window=window)
    ids, mask = _batch(3, (12,))
    assert not torch.equal(
        _logits(student, ids.flip(1), mask), _logits(student, ids, mask)
    )


def test_a_word_sees_the_next_words_of_its_window_only(
    make_student: MakeStudent,
) -> None:
    student = make_student(window=3)
    ids, mask = _batch(3, (12,))
    other = ids.clone()
    other[0, 6] = (ids[0, 6] + 1) % 50
    stem, changed = (student.run(each, mask.bool())[1][0] for each in (ids, other))
    differs = (stem != changed).any(dim=2).any(dim=0)
    assert differs.nonzero().flatten().tolist() == [4, 5, 6]


def test_tokens_look_ahead_in_their_own_sample_only() -> None:
    # Two samples, of 3 tokens and of 1, one channel, two steps that differ by 10.
    s = (
        torch.tensor([1.0, 2.0, 3.0, 4.0])[None, :, None]
        + torch.tensor([0.0, 10.0])[:, None, None]
    )
    found = look_ahead(s, torch.tensor([0, 0, 0, 1]), 3)
    assert found[0].tolist() == [[1, 2, 3], [2, 3, 0], [3, 0, 0], [4, 0, 0]]
    assert found[1].tolist() == [[11, 12, 13], [12, 13, 0], [13, 0, 0], [14, 0, 0]]


def test_a_window_may_be_longer_than_all_tokens() -> None:
    found = look_ahead(torch.ones(1, 2, 1), torch.tensor([0, 0]), 4)
    assert found.tolist() == [[[1, 1, 0, 0], [1, 0, 0, 0]]]


def test_gradient_flows_to_every_parameter(make_student: MakeStudent) -> None:
    student = make_student(dropout=0.1).train()
    ids, mask = _batch(4, (12, 3, 1, 7))
    labels, targets = torch.tensor([0, 1, -100, 1]), torch.randn(4, 2)
    config = DistillConfig(rate_weight=0.1)
    distillation_loss(student(ids, mask), labels, targets, config).backward()
    for name, parameter in student.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_the_loss_by_hand() -> None:
    # MSE of (1, -1) against (0, 0) is 1; the cross entropy of the one labeled row is
    # log(1 + e**-2); the unlabeled row takes no part in it.
    class Output:
        logits = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
        rate = torch.tensor(0.25)

    config = DistillConfig(logit_weight=2.0, label_weight=3.0, rate_weight=4.0)
    labels, zeros = torch.tensor([0, -100]), torch.zeros(2, 2)
    loss = distillation_loss(Output(), labels, zeros, config)  # type: ignore[arg-type]
    entropy = math.log(1 + math.exp(-2))
    assert loss.item() == pytest.approx(2 * 1 + 3 * entropy + 4 * 0.25)
    none = distillation_loss(Output(), labels.fill_(-100), zeros, config)  # type: ignore[arg-type]
    assert none.item() == pytest.approx(2 * 1 + 4 * 0.25)


def test_packing_the_encoder_changes_no_bit_of_the_logits(
    make_student: MakeStudent,
) -> None:
    student = make_student()
    ids, mask = _batch(5, (12, 3, 1))
    packed = student.pack_encoder()
    assert isinstance(packed.encoder, PackedEncoder)
    assert not packed.training
    assert torch.equal(_logits(packed, ids, mask), _logits(student, ids, mask))
    again = packed.pack_encoder()
    assert torch.equal(_logits(again, ids, mask), _logits(student, ids, mask))


@pytest.mark.parametrize("packed", [False, True])
def test_saving_and_loading_changes_no_bit(
    make_student: MakeStudent, tmp_path: Path, packed: bool
) -> None:
    student = make_student(beta=0.9, window=2, blocks=1, steps=5)
    student = student.pack_encoder() if packed else student
    student.save_pretrained(tmp_path)
    loaded = ChipStudent.from_pretrained(tmp_path)
    saved = student.state_dict()
    assert list(loaded.state_dict()) == list(saved)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, saved[name]), name
    assert float(loaded.stem.neuron.beta) == float(student.stem.neuron.beta)
    assert loaded.config.id2label == {0: "bad", 1: "good"}
    ids, mask = _batch(6, (12, 3, 1))
    assert torch.equal(_logits(loaded.eval(), ids, mask), _logits(student, ids, mask))


def test_float_logits_are_in_the_order_of_the_sentences(
    make_student: MakeStudent,
) -> None:
    student = make_student()
    ids, mask = _batch(7, (12, 3, 1, 7, 5))
    rows = [row[: keep.sum()].tolist() for row, keep in zip(ids, mask, strict=True)]
    expected = _logits(student, ids, mask).double()
    answered = torch.from_numpy(float_logits(student, rows, batch_size=2))
    torch.testing.assert_close(answered, expected, rtol=0, atol=1e-6)


def test_float_logits_of_no_sentence_are_no_logits(make_student: MakeStudent) -> None:
    assert float_logits(make_student(), []).shape == (0, 2)


def test_refuses_a_sentence_without_a_token(make_student: MakeStudent) -> None:
    with pytest.raises(InputError, match="each with a token"):
        float_logits(make_student(), [[1, 2], []])
    ids, mask = _batch(0, (3, 0))
    with pytest.raises(InputError, match="a sentence holds no token"):
        make_student()(ids, mask)


def test_refuses_a_sentence_longer_than_its_positions(
    make_student: MakeStudent,
) -> None:
    with pytest.raises(InputError, match=r"of 13 tokens; .* for 1 to 12; cut"):
        float_logits(make_student(), [[1] * 13])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("channels", 12, "channels: must be a multiple of 8, 8 or more, got 12"),
        ("channels", 0, "channels: must be a multiple of 8, 8 or more, got 0"),
        ("position_channels", 9, "position_channels: must be a multiple of 8"),
        ("steps", 0, "steps: must be a multiple of 1, 1 or more, got 0"),
        ("window", "3", "window: must be a multiple of 1"),
        ("beta", 1.0, "beta: must be 0 or more and below 1, got 1.0"),
        ("beta", -0.1, "beta: must be 0 or more"),
    ],
)
def test_refuses_sizes_that_no_student_has(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ChipStudentConfig(**{name: value})
