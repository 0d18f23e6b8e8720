"""The losses of both stages, each a mean over all processes.

    features   sum over l of MSE(R_l, H_m(l)), the mean over real tokens and channels
    embedding  MSE of the word tables
    logits     temperature^2 KL(p_t || p_s), mean over samples
    labels     cross entropy, mean over samples with a label

m(l) = 1 + (l - 1) N_teacher / N, rounded down; H_0 is the teacher's embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from spikewright.errors import ConfigError
from spikewright.train.settings.spikebert import DistillTable
from spikewright.train.texts.data import NO_LABEL

Share = Callable[[torch.Tensor], torch.Tensor]
"""a count of this process -> what to divide its sum by, so that the mean over
processes of the quotients is the sum of all sums by the count of all"""


def layer_map(table: DistillTable, *, blocks: int, layers: int) -> dict[int, int]:
    """Return the teacher's layer of each block whose features are compared, from 1.

    Raises:
        ConfigError: a layer that the teacher does not have, or every block is skipped.
    """
    default = [1 + (block - 1) * layers // blocks for block in range(1, blocks + 1)]
    chosen = list(table.layers) or default
    if wrong := [layer for layer in chosen if not 0 <= layer <= layers]:
        raise ConfigError(
            f"layers: {wrong} are not layers of the teacher, which has 0 to {layers}"
        )
    if table.skip_layers >= blocks:
        raise ConfigError(
            f"skip_layers: {table.skip_layers} of {blocks} blocks; set feature_weight "
            "= 0 instead"
        )
    pairs = dict(enumerate(chosen, start=1))
    return {b: layer for b, layer in pairs.items() if b > table.skip_layers}


def feature_loss(
    features: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    *,
    samples: int,
    kind: str,
    share: Share,
) -> torch.Tensor:
    """Return the sum over pairs of the mean squared difference.

    Args:
        features: R of each pair, (tokens, width): the real ones, or, "published", all.
        targets: H of each pair, of the same shape.
        samples: in the batch, by which the published form divides once more.
        kind: "tokens" or "published".
        share: of the mean over processes.
    """
    pairs = zip(features, targets, strict=True)
    squares = torch.stack([(r.float() - h.float()).square().sum() for r, h in pairs])
    tokens, width = features[0].shape
    if kind == "published":
        return squares.sum() / (tokens * width * samples)
    return squares.sum() / (share(_count(squares, tokens)) * width)


def logit_loss(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float, share: Share
) -> torch.Tensor:
    """Return temperature^2 KL(p_t || p_s) of logits (samples, classes)."""
    left = functional.log_softmax(student.float() / temperature, dim=-1)
    right = functional.log_softmax(teacher.float() / temperature, dim=-1)
    divergence = functional.kl_div(left, right, reduction="sum", log_target=True)
    return temperature**2 * divergence / share(_count(divergence, len(student)))


def label_loss(
    logits: torch.Tensor, labels: torch.Tensor, share: Share
) -> torch.Tensor:
    """Return the cross entropy of the rows not labeled -100; 0 if there is none."""
    total = functional.cross_entropy(
        logits.float(), labels, ignore_index=NO_LABEL, reduction="sum"
    )
    known = _count(total, int((labels != NO_LABEL).sum()))
    return total / share(known).clamp(min=torch.finfo(total.dtype).tiny)


def _count(like: torch.Tensor, number: int) -> torch.Tensor:
    return torch.tensor(float(number), device=like.device)
