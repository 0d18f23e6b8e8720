"""What a student looks at: the numbers of the equations, told by token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from spikewright.errors import InputError
from spikewright.train.answers.attention_map import Gates, Scores, attention_map
from spikewright.train.answers.trained import Trained, load_trained
from spikewright.train.spikebert.block import SpikingAttention
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.student import ChipStudent, shipped_student

MakeStudent = Callable[..., ChipStudent]
SENTENCE = "the soup was very fine"
STEPS, WIDTH, HEADS = 3, 32, 2


@pytest.fixture
def tokenizer(place: Path) -> PreTrainedTokenizerFast:
    found: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
        place / "encoder"
    )
    return found


def _spikebert(attention: str, positions: str) -> SpikeBertForSequenceClassification:
    torch.manual_seed(0)
    config = SpikeBertConfig(
        vocab_size=32,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        max_position_embeddings=16,
        steps=STEPS,
        attention=attention,
        positions=positions,
    )
    model = SpikeBertForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.rand_like(parameter))
    return model.eval()


def _spikes(trained: Trained, names: tuple[str, ...]) -> list[dict[str, torch.Tensor]]:
    """Return the spikes of each attention's parts, (steps, tokens, channels)."""
    blocks = [m for m in trained.student.modules() if isinstance(m, SpikingAttention)]
    found: list[dict[str, torch.Tensor]] = [{} for _ in blocks]
    for seen, block in zip(found, blocks, strict=True):
        for name in names:
            part = block.get_submodule(name)
            part.register_forward_hook(
                lambda m, x, y, seen=seen, name=name: seen.update({name: y})
            )
    trained.logits([SENTENCE])
    return found


@pytest.mark.parametrize("positions", ["learned", "log-distance"])
def test_scores_are_the_products_of_queries_and_keys(
    tokenizer: PreTrainedTokenizerFast, positions: str
) -> None:
    trained = Trained(_spikebert("ssa", positions), tokenizer)
    found = attention_map(trained, SENTENCE)
    assert found.pieces == ("[CLS]", "the", "soup", "was", "very", "fine", "[SEP]")
    assert len(found.blocks) == 2
    size = WIDTH // HEADS
    for block, spikes in zip(
        found.blocks, _spikes(trained, ("query", "key")), strict=True
    ):
        assert isinstance(block, Scores)
        assert block.scores.shape == (STEPS, HEADS, 7, 7)
        q, k = (spikes[name].numpy() for name in ("query", "key"))
        for t, h, i, j in np.ndindex(block.scores.shape):
            part = slice(h * size, (h + 1) * size)
            wanted = q[t, i, part] @ k[t, j, part]
            # Head 0 looks left, head 1 right; 4, 3, 2, 2, 1, 1, 1 by distance.
            if positions == "log-distance" and (j <= i if h == 0 else j >= i):
                wanted += (4, 3, 2, 2, 1, 1, 1)[abs(i - j)]
            assert block.scores[t, h, i, j] == wanted
        assert block.scores.any()


def test_gates_are_those_of_the_equations(tokenizer: PreTrainedTokenizerFast) -> None:
    student = _spikebert("sdsa", "learned")
    trained = Trained(student, tokenizer)
    found = attention_map(trained, SENTENCE)
    spikes = _spikes(trained, ("query", "key", "value"))
    for block, each in zip(found.blocks, spikes, strict=True):
        assert isinstance(block, Gates)
        q, k, v = (each[name].numpy() for name in ("query", "key", "value"))
        raised = (k * v).transpose(0, 2, 1)
        np.testing.assert_array_equal(block.raised, raised)
        # v[t] = v[t-1] / 2 + counts / 2, above 0.5: a spike, and from 0 again.
        potential, gates = np.zeros(WIDTH), []
        for counts in raised.sum(axis=2):
            potential = potential / 2 + counts / 2
            gates.append((potential > 0.5).astype(np.float32))
            potential = np.where(potential > 0.5, 0.0, potential)
        np.testing.assert_array_equal(block.gates, gates)
        passed = q.transpose(0, 2, 1) * np.array(gates)[:, :, None]
        np.testing.assert_array_equal(block.passed, passed)
        assert block.raised.any()
    assert any(isinstance(b, Gates) and b.passed.any() for b in found.blocks)


def test_gates_of_a_chip_student(
    make_student: MakeStudent, tokenizer: PreTrainedTokenizerFast
) -> None:
    trained = Trained(make_student(blocks=2), tokenizer)
    found = attention_map(trained, SENTENCE)
    # A chip student reads no [CLS]; 3 steps, 16 channels.
    assert found.pieces == ("the", "soup", "was", "very", "fine")
    ids = torch.tensor(trained.token_ids([SENTENCE]))
    with torch.no_grad():
        _, populations = trained.student.run(ids, torch.ones_like(ids).bool())  # type: ignore[operator]
    # The stem, then q, k, v, k AND v, gate, q AND gate, mixed, expand, out of each.
    for index, block in enumerate(found.blocks):
        q, k, v = (populations[1 + 9 * index + i].numpy() for i in range(3))
        gate = populations[1 + 9 * index + 4].numpy()
        assert isinstance(block, Gates)
        np.testing.assert_array_equal(block.raised, (k * v).transpose(0, 2, 1))
        np.testing.assert_array_equal(block.gates, gate[:, 0])
        passed = (q * gate).transpose(0, 2, 1)
        np.testing.assert_array_equal(block.passed, passed)
        assert (block.raised.shape, block.gates.shape) == ((3, 16, 5), (3, 16))
    assert any(isinstance(b, Gates) and b.passed.any() for b in found.blocks)


def test_watching_leaves_the_student_as_it_was(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    trained = Trained(_spikebert("ssa", "learned"), tokenizer)
    before = trained.logits([SENTENCE])
    first, second = (attention_map(trained, SENTENCE) for _ in range(2))
    assert len(first.blocks) == len(second.blocks) == 2
    np.testing.assert_array_equal(trained.logits([SENTENCE]), before)


def test_the_shipped_student_tells_the_pieces_of_a_word() -> None:
    found = attention_map(load_trained(shipped_student()), "spikewright delights")
    assert found.pieces == ("spike", "##wright", "delight", "##s")
    assert [type(block) for block in found.blocks] == [Gates, Gates]


def test_refuses_a_sentence_without_a_token(
    make_student: MakeStudent, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(InputError, match="'': holds no token"):
        attention_map(Trained(make_student(), tokenizer), "")
