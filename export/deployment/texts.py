"""Sentences in, logits out: what the host does before and after the chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewright.export.deployment.encoder import Bits, bits_of, token_ids
from spikewright.export.deployment.folder import Deployment
from spikewright.nodes import Input


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """Sentences as spikes."""

    inputs: Bits
    """(samples, steps, channels, token slots), 0 or 1"""
    token_ids: Sequence[Sequence[int]]
    """of each sentence, as far as they entered"""
    cut: npt.NDArray[np.int64]
    """tokens of each sentence that did not fit"""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each sentence that entered."""
        return np.array([len(ids) for ids in self.token_ids], dtype=np.int64)


def encode_texts(deployment: Deployment, texts: Sequence[str]) -> EncodedTexts:
    """Turn sentences into spikes; the same bits at every step.

    A sentence longer than the deployment's tokens is cut at its end; `cut` says by how
    much. Slots without a token are silent.

    Raises:
        InputError: a sentence holds no token, or one that the encoder lacks.
    """
    tokens, steps = int(deployment.card["tokens"]), int(deployment.card["steps"])
    ids = [token_ids(deployment.tokenizer, text) for text in texts]
    kept = [each[:tokens] for each in ids]
    node = deployment.graph.nodes[deployment.graph.input_name]
    assert isinstance(node, Input)  # noqa: S101 - the name says so
    inputs = np.zeros((len(ids), *node.shape), dtype=np.uint8)
    for sample, each in enumerate(kept):
        inputs[sample, :, : len(each)] = bits_of(deployment.tables, each)
    cut = np.array([max(0, len(each) - tokens) for each in ids], dtype=np.int64)
    return EncodedTexts(np.repeat(inputs[:, None], steps, axis=1), kept, cut)


def logits_of(
    output: npt.NDArray[np.float64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return logits (samples, classes) from the output (samples, steps, classes).

    The chip sums over tokens and the host over steps; both sums become means here.
    """
    steps = output.shape[1]
    means: npt.NDArray[np.float64] = output.sum(axis=1) / (steps * lengths[:, None])
    return means
