"""The order of words matters to trained students: negations moved, words swapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from spikewright.errors import InputError
from spikewright.train.answers.trained import load_trained
from spikewright.train.answers.word_order import PAIRS, Pair, word_order
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.student import shipped_student

Array = npt.NDArray[np.float64]


def test_the_pairs_are_thirty_and_differ_by_order_alone() -> None:
    assert len(PAIRS) == 30
    assert {pair.kind for pair in PAIRS} == {"negation", "swap"}
    texts = [text for pair in PAIRS for text in (pair.first, pair.second)]
    assert len(set(texts)) == 60
    for pair in PAIRS:
        assert sorted(pair.first.split()) == sorted(pair.second.split())


def test_the_shipped_student_reads_order() -> None:
    found = word_order(load_trained(shipped_student()).logits)
    # Every pair moves a logit, whether or not that turns the answer.
    assert found.logits_differ == 1.0
    assert found.answers_change > 0.25
    # Of the negations, praise (1) becomes blame (0) for most; never the other way
    # round more often than by 1 in 10.
    turned = [tuple(each) for each in found.of("negation").answers.tolist()]
    assert turned.count((1, 0)) > len(turned) / 2
    assert turned.count((0, 1)) < len(turned) / 10


def test_shares_are_of_the_pairs_and_kinds() -> None:
    pairs = [Pair("a", "x y", "y x"), Pair("a", "x z", "z x"), Pair("b", "y z", "z y")]
    known = {
        **{"x y": [0.0, 1.0], "y x": [2.0, 1.0]},  # another answer
        **{"x z": [0.0, 1.0], "z x": [0.0, 1.5]},  # the same, 0.5 apart
        **{"y z": [1.0, 0.0], "z y": [1.0, 1e-6]},  # apart by rounding alone
    }

    def logits(texts: Sequence[str]) -> Array:
        return np.array([known[text] for text in texts])

    found = word_order(logits, pairs)
    assert found.distances.tolist() == [2.0, 0.5, 1e-6]
    assert found.answers.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert found.logits_differ == 2 / 3
    assert found.answers_change == 1 / 3
    assert found.of("a").logits_differ == 1.0
    assert found.of("a").answers_change == 1 / 2
    assert found.of("b").logits_differ == 0.0


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "no pair of sentences"),
        ([Pair("a", "x y", "x z")], "'x y' and 'x z' hold other words"),
    ],
)
def test_refuses_pairs_that_tell_nothing(pairs: list[Pair], message: str) -> None:
    with pytest.raises(InputError, match=message):
        word_order(lambda texts: np.zeros((len(texts), 2)), pairs)


def test_refuses_a_kind_without_pairs() -> None:
    found = word_order(lambda texts: np.zeros((len(texts), 2)))
    with pytest.raises(InputError, match="no pair of kind 'verbs'; there are negation"):
        found.of("verbs")


# --- SpikeBERT, trained where order is all there is ----------------------------------

GOOD, BAD = ("fine", "warm", "bright"), ("dull", "cold", "grim")
TOY = [
    Pair("negation", f"{good} {link} not {bad}", f"{bad} {link} not {good}")
    for good in GOOD
    for bad in BAD
    for link in ("and", "but")
]
VOCABULARY = {word: i for i, word in enumerate((*GOOD, *BAD, "and", "but", "not"))}


def _ids(texts: Sequence[str]) -> torch.Tensor:
    return torch.tensor([[VOCABULARY[word] for word in text.split()] for text in texts])


def _train(positions: str) -> SpikeBertForSequenceClassification:
    torch.manual_seed(0)
    config = SpikeBertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        positions=positions,
        steps=2,
    )
    model = SpikeBertForSequenceClassification(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    ids = _ids([text for pair in TOY for text in (pair.first, pair.second)])
    labels = torch.tensor([1, 0] * len(TOY))
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(model(ids).logits, labels).backward()
        optimizer.step()
    return model.eval()


def _logits(model: SpikeBertForSequenceClassification, texts: Sequence[str]) -> Array:
    with torch.no_grad():
        found: Array = model(_ids(texts)).logits.double().numpy()
    return found


@pytest.mark.parametrize("positions", ["learned", "log-distance"])
def test_a_trained_spikebert_reads_order(positions: str) -> None:
    model = _train(positions)
    found = word_order(lambda texts: _logits(model, texts), TOY)
    assert found.logits_differ == 1.0
    # All that tells the classes apart is which word the negation stands before.
    assert found.answers_change > 0.9


def test_without_positions_it_learns_nothing_of_order() -> None:
    model = _train("none")
    found = word_order(lambda texts: _logits(model, texts), TOY)
    assert (found.logits_differ, found.answers_change) == (0.0, 0.0)


def test_a_trained_run_is_read_as_it_was_trained(finished: Path) -> None:
    trained = load_trained(finished / "student")
    # [CLS] 2 and [SEP] 3 around the words, as the teacher had them.
    (ids,) = trained.token_ids(["the soup was fine"])
    assert (len(ids), ids[0], ids[-1]) == (6, 2, 3)
    pair = Pair("swap", "the soup was fine", "fine the soup was")
    assert word_order(trained.logits, [pair]).logits_differ == 1.0
