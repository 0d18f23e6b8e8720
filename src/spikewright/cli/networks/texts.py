"""Sentences for a deployed student."""

from __future__ import annotations

from collections.abc import Sequence

from spikewright.cli.output.progress import say
from spikewright.export.deployment.folder import Deployment
from spikewright.export.deployment.texts import EncodedTexts, encode_texts

SENTENCES = (
    "the acting is superb and the story moves you",
    "a tedious film that never finds its way",
    "not a bad film , but hardly a good one",
)
"""for who has none at hand"""


def encode_and_tell(deployment: Deployment, texts: Sequence[str]) -> EncodedTexts:
    """Encode sentences; say on stderr which of them were cut."""
    encoded = encode_texts(deployment, texts)
    for text, cut in zip(texts, encoded.cut, strict=True):
        if cut:
            say(f"cut: the last {cut} tokens of {text[:40]!r} did not fit")
    return encoded
