"""A BERT of random weights with a tokenizer of its own texts.

For languages without a pretrained encoder at hand; its accuracy is that of training
from nothing, and a run card that names it says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizer

from spikewright.train.folders.writing import Writing
from spikewright.train.settings.stage_tables import TeacherTable

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MOST_WORDS = 8000
_PIECE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|\w+|[^\w\s]")


def make_fresh_bert(
    texts: Sequence[str],
    table: TeacherTable,
    folder: Path,
    *,
    max_tokens: int,
    seed: int,
) -> None:
    """Write the encoder and the tokenizer to `folder`."""
    words = vocabulary(texts)
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    with Writing(folder):
        tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=table.fresh_width,
        num_hidden_layers=table.fresh_layers,
        num_attention_heads=table.fresh_heads,
        intermediate_size=4 * table.fresh_width,
        max_position_embeddings=max(max_tokens, 16),
    )
    model = BertModel(config)
    with Writing(folder):
        model.save_pretrained(folder)


def vocabulary(texts: Sequence[str]) -> list[str]:
    """Return special tokens, every character, and the words that occur twice or more.

    The most frequent words first, ties by the alphabet; MOST_WORDS at most.
    """
    counts = Counter(piece for text in texts for piece in _PIECE.findall(text.lower()))
    characters = sorted({character for piece in counts for character in piece})
    words = sorted(
        (word for word, count in counts.items() if len(word) > 1 and count > 1),
        key=lambda word: (-counts[word], word),
    )
    within = [f"##{c}" for c in characters if c.isascii() and c.isalnum()]
    return [*SPECIAL, *characters, *within, *words[:MOST_WORDS]]
