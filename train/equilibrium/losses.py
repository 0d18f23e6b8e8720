"""What is compared at equilibrium, each a mean over all processes.

    feature    sum over l of MSE(a_l W_l + b_l, H_m(l)), a_l the rates of block l,
               the mean over real tokens and channels
    embedding  MSE(a_0 W_0 + b_0, H_0), a_0 the encoder's rates, H_0 the teacher's
               embedding
    score      sum over l of MSE(q k / sqrt(d)), the student's of its rates and the
               teacher's before its softmax, the mean over heads and real pairs
    logit      temperature^2 KL(p_t || p_s), mean over samples
    label      cross entropy, mean over samples with a label

m(l) = l N_teacher / N, rounded down: 3, 6, 9, 12 of 12 for 4 blocks. The W_l are one,
unless `shared_projection` is off.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from spikewright.errors import ConfigError
from spikewright.train.settings.spikingbert import SettledTable
from spikewright.train.stages.losses import Share


def layer_map(table: SettledTable, *, blocks: int, layers: int) -> list[int]:
    """Return the teacher's layer of each block, from 1.

    Raises:
        ConfigError: a layer that the teacher does not have.
    """
    default = [max(1, block * layers // blocks) for block in range(1, blocks + 1)]
    chosen = list(table.layers) or default
    if wrong := [layer for layer in chosen if not 1 <= layer <= layers]:
        raise ConfigError(
            f"layers: {wrong} are not layers of the teacher, which has 1 to {layers}"
        )
    return chosen


def score_loss(
    scores: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    mask: torch.Tensor,
    share: Share,
) -> torch.Tensor:
    """Return the sum over pairs of the mean squared difference of scores.

    Args:
        scores: of each block, (samples, heads, tokens, tokens).
        targets: the teacher's, of the same shape.
        mask: True where there is a token, (samples, tokens).
        share: of the mean over processes.
    """
    real = (mask[:, :, None] & mask[:, None])[:, None]
    squares = torch.stack(
        [
            # Masked first: scores of padding are -inf, whose gradient is no number.
            (s.float().masked_fill(~real, 0) - t.float().masked_fill(~real, 0))
            .square()
            .sum()
            for s, t in zip(scores, targets, strict=True)
        ]
    )
    pairs = real.sum().to(squares) * scores[0].shape[1]
    return squares.sum() / share(pairs)
