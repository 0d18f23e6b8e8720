"""SpikeBERT (Lv et al., arXiv 2308.15122): a spiking encoder with a BERT's interface.

E = words[ids]  (+ places[place])         X[t] = H(E), or LIF(E)
X = block(X), N times                     see spikebert_block
logits = mean over t of (mean over tokens of norm(X[t])) W_c + b_c
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from spikewright.errors import InputError
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.block import SpikeBertBlock, make_norm
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.layout import Layout, lay_out
from spikewright.train.spikebert.neuron import SpikingNeuron, binarize

PLACE_STD = 0.5
"""beside words of deviation 1, a place then turns atan(0.5) / pi = 15 % of the bits"""


@dataclass
class EncoderOutput(ModelOutput):
    """What a SpikeBERT without a classifier answers."""

    last_hidden_state: torch.Tensor | None = None
    """the stream after the last block, mean over steps; (samples, tokens, D)"""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """the same of the embedding's bits and after each block, if asked for"""


@dataclass
class ClassifierOutput(ModelOutput):
    """What a SpikeBERT answers."""

    loss: torch.Tensor | None = None
    """cross entropy, where labels were given"""
    logits: torch.Tensor | None = None
    """(samples, classes)"""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """as those of `EncoderOutput`"""


class _SpikeBertBase(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialization, registration and checkpointing, as transformers wants them."""

    config_class = SpikeBertConfig
    config: SpikeBertConfig
    base_model_prefix = "spikebert"
    supports_gradient_checkpointing = True
    _no_split_modules = ["SpikeBertBlock"]  # noqa: RUF012 - transformers' own form

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            is_place = module is getattr(self, "places", None)
            nn.init.normal_(module.weight, std=PLACE_STD if is_place else 1.0)
        elif isinstance(module, nn.LayerNorm | FoldableNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, FoldableNorm):
            nn.init.zeros_(module.mean)
            nn.init.ones_(module.variance)


class SpikeBertModel(_SpikeBertBase):
    """The encoder: token ids in, an integer stream of spikes added up out."""

    def __init__(self, config: SpikeBertConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.places: nn.Embedding | None = None
        if config.positions == "learned":
            places = config.max_position_embeddings
            self.places = nn.Embedding(places, config.hidden_size)
        self.encoder = SpikingNeuron(config, threshold=config.threshold)
        self.blocks = nn.ModuleList(
            SpikeBertBlock(config) for _ in range(config.num_hidden_layers)
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        """Return the word table."""
        return self.words

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word table."""
        if not isinstance(value, nn.Embedding):
            raise InputError(f"the word table is an Embedding, not {type(value)}")
        self.words = value

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        output_hidden_states: bool = False,
        **ignored: Any,
    ) -> EncoderOutput:
        """Encode padded token ids (samples, tokens); 1 in the mask marks a token.

        Raises:
            InputError: a sentence has no token, or more than there are places.
        """
        del ignored
        layout = self.lay_out(input_ids, attention_mask)
        stream = self.run(input_ids, layout)
        shape = input_ids.shape
        kept = stream if output_hidden_states else stream[-1:]
        states = tuple(_over_steps(each, layout, shape) for each in kept)
        return EncoderOutput(
            last_hidden_state=states[-1],
            hidden_states=states if output_hidden_states else None,
        )

    def lay_out(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> Layout:
        """Return where the tokens lie that take part: all of them without a pad mask.

        Raises:
            InputError: a sentence has no token, or more than there are places.
        """
        if attention_mask is None or not self.config.pad_mask:
            attention_mask = torch.ones_like(input_ids)
        layout = lay_out(attention_mask.bool())
        allowed = self.config.max_position_embeddings
        if self.places is not None and layout.longest > allowed:
            raise InputError(
                f"a sentence of {layout.longest} tokens; this SpikeBERT has places "
                f"for 1 to {allowed}; cut it"
            )
        return layout

    def run(self, input_ids: torch.Tensor, layout: Layout) -> list[torch.Tensor]:
        """Return X of the embedding and of each block, (steps, tokens, D) each."""
        x = self.encode(input_ids.flatten()[layout.columns], layout.place)
        stream = [x]
        for block in self.blocks:
            stream.append(block(stream[-1], layout))
        return stream

    def encode(self, ids: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Return the spikes of words at places, (steps, tokens, D)."""
        table = self.words(ids)
        if self.places is not None:
            table = table + self.places(place)
        shape = (self.config.steps, *table.shape)
        if self.config.encoding == "heaviside":
            return binarize(table, self.config).expand(shape)
        spikes: torch.Tensor = self.encoder(table.expand(shape))
        return spikes


def _over_steps(x: torch.Tensor, layout: Layout, shape: torch.Size) -> torch.Tensor:
    """Return the mean over steps, (samples, tokens, D); 0 at padding."""
    flat = x.new_zeros((shape.numel(), x.shape[-1]))
    return flat.index_copy(0, layout.columns, x.mean(dim=0)).view(*shape, -1)


class SpikeBertForSequenceClassification(_SpikeBertBase):
    """A SpikeBERT that tells texts apart."""

    def __init__(self, config: SpikeBertConfig) -> None:
        super().__init__(config)
        self.spikebert = SpikeBertModel(config)
        self.norm = make_norm(config.hidden_size, config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or {}))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool = False,
        **ignored: Any,
    ) -> ClassifierOutput:
        """Classify padded token ids (samples, tokens); 1 in the mask marks a token.

        Raises:
            InputError: a sentence has no token, or more than there are places.
        """
        del ignored
        layout = self.spikebert.lay_out(input_ids, attention_mask)
        stream = self.spikebert.run(input_ids, layout)
        logits = self._read(self.norm(stream[-1]), layout)
        states = None
        if output_hidden_states:
            shape = input_ids.shape
            states = tuple(_over_steps(each, layout, shape) for each in stream)
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return ClassifierOutput(loss=loss, logits=logits, hidden_states=states)

    def _read(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return logits (samples, classes) of (steps, tokens, D)."""
        places = layout.in_places(x)
        if self.config.readout == "first":
            pooled = places[:, :, 0]
        else:
            pooled = places.sum(dim=2) / layout.lengths[:, None]
        # Affine in the steps, so their mean may be taken first.
        logits: torch.Tensor = self.classifier(self.dropout(pooled.mean(dim=0)))
        return logits.float() if logits.dtype in _HALF else logits


_HALF = (torch.float16, torch.bfloat16)
