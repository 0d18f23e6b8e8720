"""What a trained student looks at in a sentence, as numbers for a picture to draw."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spikewright.errors import InputError
from spikewright.train.answers.trained import Trained
from spikewright.train.chip.layers import Block
from spikewright.train.spikebert.block import SpikingAttention
from spikewright.train.spikebert.layout import Layout
from spikewright.train.texts.data import pad_batch

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scores:
    """Of one block with attention "ssa": q_i . k_j + R_ij, whole numbers.

    How strongly token i reads the values of token j; R is 0 without
    `positions = "log-distance"`.
    """

    scores: Floats
    """(steps, heads, tokens i, tokens j)"""


@dataclass(frozen=True, eq=False)
class Gates:
    """Of one block with attention "sdsa", or of a `ChipStudent`: spikes, 0 or 1."""

    raised: Floats
    """k AND v: what each token adds to the gates, (steps, channels, tokens)"""
    gates: Floats
    """LIF of their sum over tokens, (steps, channels)"""
    passed: Floats
    """q AND gate: what of each token passes, (steps, channels, tokens)"""


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """What each block of a student looks at in one sentence."""

    pieces: tuple[str, ...]
    """the tokens as the tokenizer writes them: a piece with ## goes on with a word"""
    blocks: tuple[Scores | Gates, ...]


def attention_map(trained: Trained, sentence: str) -> AttentionMap:
    """Return the attention of every block of a student that reads a sentence.

    A sentence with more tokens than the student has places for is cut.

    Raises:
        InputError: the sentence holds no token, or the student is a SpikingBERT.
    """
    (ids,) = trained.token_ids([sentence])
    batch = pad_batch([{"input_ids": ids}])
    seen: list[Scores | Gates] = []
    student = trained.student
    hooks = [
        _watch(block, seen) for block in student.modules() if isinstance(block, _BLOCKS)
    ]
    try:
        with torch.no_grad():
            student(batch["input_ids"], batch["attention_mask"])
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise InputError(
            f"{type(student).__name__}: its attention is of rates, and no map of it is "
            "drawn; give a SpikeBERT or a chip student"
        )
    pieces = trained.tokenizer.convert_ids_to_tokens(ids)
    return AttentionMap(tuple(str(piece) for piece in pieces), tuple(seen))


_BLOCKS = (Block, SpikingAttention)


def _watch(block: nn.Module, seen: list[Scores | Gates]) -> Any:
    if isinstance(block, Block):
        return block.register_forward_hook(functools.partial(_note_chip, seen))
    return block.register_forward_hook(functools.partial(_note_bert, seen))


def _note_chip(
    seen: list[Scores | Gates], block: nn.Module, given: Any, populations: Any
) -> None:
    del block, given
    _, _, _, both, gate, passed, *_ = populations
    seen.append(_gates(both, gate[:, 0], passed))


def _note_bert(
    seen: list[Scores | Gates], attention: SpikingAttention, given: Any, spikes: Any
) -> None:
    del spikes
    x: torch.Tensor = given[0]
    layout: Layout = given[1]
    q, k = attention.query(x), attention.key(x)
    if attention.kind == "ssa":
        scores = attention.scores(q, k, layout)[:, 0]
        seen.append(Scores(scores.numpy()))
        return
    v = attention.value(x)
    gate = attention.gate(k, v, layout)[:, 0, 0]
    seen.append(_gates(k * v, gate, q * gate[:, None]))


def _gates(both: torch.Tensor, gate: torch.Tensor, passed: torch.Tensor) -> Gates:
    """Return them of one sentence; both and passed are (steps, tokens, channels)."""
    return Gates(
        both.mT.contiguous().numpy(), gate.numpy(), passed.mT.contiguous().numpy()
    )
