"""SpikingBERT (Bal and Sengupta, arXiv 2308.10873): rates that settle, as a BERT.

x = LN(words[ids] + places[place] + segments[type]), the same at every step
populations of integrate-and-fire neurons, see `network`
logits = (rate of the last, of the first token or the mean of all) W_c + b_c
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from spikewright.errors import InputError
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.layout import Layout, lay_out
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.equilibrium import equilibrium
from spikewright.train.spikingbert.maps import NORM_EPS, Encode, Gate, SoftmaxAttention
from spikewright.train.spikingbert.network import SpikingNetwork
from spikewright.train.spikingbert.outputs import SettledClassification, SettledOutput
from spikewright.train.spikingbert.settle import measuring, settle, settled_rates

LINEAR_STD = 0.55
"""times sqrt(sources), of a map's weights at the start: 0.02 for the published 768"""
FEEDBACK_SHARE = 0.3
"""of its limit that the length of the feedback has at the start"""
RATES = ("equilibrium", "spikes")
"""how the rates of a forward pass may be found"""


class _SpikingBertBase(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialization and registration, as transformers wants them."""

    config_class = SpikingBertConfig
    config: SpikingBertConfig
    base_model_prefix = "spikingbert"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            std = LINEAR_STD / module.in_features**0.5
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.LayerNorm | FoldableNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, Encode) and module.feedback is not None:
            std = FEEDBACK_SHARE * module.limit / self.config.hidden_size
            nn.init.normal_(module.feedback.weight, std=std)
        elif isinstance(module, Gate):
            nn.init.constant_(module.gain, self.config.attention_scale)
        if isinstance(module, FoldableNorm):
            nn.init.zeros_(module.mean)
            nn.init.ones_(module.variance)


class SpikingBertModel(_SpikingBertBase):
    """The encoder: token ids in, spike rates out."""

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.words = nn.Embedding(config.vocab_size, width)
        self.places = nn.Embedding(config.max_position_embeddings, width)
        self.segments = nn.Embedding(config.type_vocab_size, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.dropout = nn.Dropout(config.dropout)
        self.network = SpikingNetwork(config)
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
        token_type_ids: torch.Tensor | None = None,
        output_hidden_states: bool = False,
        output_scores: bool = False,
        rates: str | None = None,
        **ignored: Any,
    ) -> SettledOutput:
        """Encode padded token ids (samples, tokens); 1 in the mask marks a token.

        Args:
            input_ids: padded token ids, (samples, tokens).
            attention_mask: 1 where there is a token; all by default.
            token_type_ids: segment of each token; 0 by default.
            output_hidden_states: whether to return the rates of each block.
            output_scores: whether to return the attention's scores.
            rates: "equilibrium", or of `config.steps` steps of "spikes"; by default the
                spikes', but in training `config.training_rates`.
            ignored: what other models take.

        Raises:
            InputError: a sentence has no token, or more than there are places.
            NoEquilibriumError: there is none that the solver finds.
        """
        del ignored
        layout = self.lay_out(input_ids, attention_mask)
        x = self.current(input_ids, layout, token_type_ids)
        found = self.find_rates(layout, x, rates)
        names, shape = self.network.streams, input_ids.shape
        kept = names if output_hidden_states else names[-1:]
        states = tuple(_spread(found[name], layout, shape) for name in kept)
        return SettledOutput(
            last_hidden_state=states[-1],
            hidden_states=states if output_hidden_states else None,
            scores=self.scores(layout, found) if output_scores else None,
        )

    def lay_out(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> Layout:
        """Return where the tokens lie.

        Raises:
            InputError: a sentence has no token, or more than there are places.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        layout = lay_out(attention_mask.bool())
        allowed = self.config.max_position_embeddings
        if layout.longest > allowed:
            raise InputError(
                f"a sentence of {layout.longest} tokens; this SpikingBERT has places "
                f"for 1 to {allowed}; cut it"
            )
        return layout

    def current(
        self,
        input_ids: torch.Tensor,
        layout: Layout,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return x of the real tokens, (tokens, D)."""
        ids = input_ids.flatten()[layout.columns]
        kinds = torch.zeros_like(ids)
        if token_type_ids is not None:
            kinds = token_type_ids.flatten()[layout.columns]
        table = self.words(ids) + self.places(layout.place) + self.segments(kinds)
        x: torch.Tensor = self.dropout(self.norm(table))
        return x

    def find_rates(
        self, layout: Layout, x: torch.Tensor, rates: str | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the rate of each population, see `forward`.

        Raises:
            InputError: rates are found by neither.
            NoEquilibriumError: there is none that the solver finds.
        """
        way = rates or (self.config.training_rates if self.training else "spikes")
        if way not in RATES:
            raise InputError(f"rates: must be one of {', '.join(RATES)}; got {way!r}")
        if way == "equilibrium":
            return equilibrium(self.network, layout, x)
        spiking = settled_rates(self.network, layout, x, steps=self.config.steps)
        if not torch.is_grad_enabled():
            return spiking
        return equilibrium(self.network, layout, x, instead=spiking)

    def scores(
        self, layout: Layout, rates: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """Return the scores of each block's softmax attention.

        Raises:
            InputError: the attention has none.
        """
        return tuple(
            _attention(each.map).scores(layout, *(rates[n] for n in each.sources[:2]))
            for each in self.network.layers
            if each.name.endswith(".mix")
        )


def _attention(each: nn.Module) -> SoftmaxAttention:
    if not isinstance(each, SoftmaxAttention):
        raise InputError("attention: sdsa has no scores; ask none of it")
    return each


def _spread(row: torch.Tensor, layout: Layout, shape: torch.Size) -> torch.Tensor:
    """Return rows (tokens, D) at their places, (samples, tokens, D); 0 at padding."""
    flat = row.new_zeros((shape.numel(), row.shape[-1]))
    return flat.index_copy(0, layout.columns, row).view(*shape, -1)


class SpikingBertForSequenceClassification(_SpikingBertBase):
    """A SpikingBERT that tells texts apart, or with one class grades them."""

    def __init__(self, config: SpikingBertConfig) -> None:
        super().__init__(config)
        self.spikingbert = SpikingBertModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or {}))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        output_hidden_states: bool = False,
        output_scores: bool = False,
        rates: str | None = None,
        **ignored: Any,
    ) -> SettledClassification:
        """Classify padded token ids (samples, tokens); see `SpikingBertModel.forward`.

        Raises:
            InputError: a sentence has no token, or more than there are places.
            NoEquilibriumError: there is none that the solver finds.
        """
        del ignored
        encoder = self.spikingbert
        layout = encoder.lay_out(input_ids, attention_mask)
        x = encoder.current(input_ids, layout, token_type_ids)
        found = encoder.find_rates(layout, x, rates)
        logits = self.read(found, layout)
        states = None
        if output_hidden_states:
            names, shape = encoder.network.streams, input_ids.shape
            states = tuple(_spread(found[name], layout, shape) for name in names)
        return SettledClassification(
            loss=None if labels is None else _loss(logits, labels),
            logits=logits,
            hidden_states=states,
            scores=encoder.scores(layout, found) if output_scores else None,
        )

    def read(self, rates: Mapping[str, torch.Tensor], layout: Layout) -> torch.Tensor:
        """Return logits (samples, classes) of the rates of all populations."""
        last = rates[self.spikingbert.network.streams[-1]]
        places = layout.in_places(last[None])[0]
        if self.config.readout == "first":
            pooled = places[:, 0]
        else:
            pooled = places.sum(dim=1) / layout.lengths[:, None]
        logits: torch.Tensor = self.classifier(self.dropout(pooled))
        is_half = logits.dtype in (torch.float16, torch.bfloat16)
        return logits.float() if is_half else logits

    @torch.no_grad()
    def logits_by_step(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        *,
        steps: int | None = None,
    ) -> Iterator[torch.Tensor]:
        """Yield the logits (samples, classes) after each step of one run of spikes.

        The model is in evaluation mode meanwhile; `steps` is `config.steps` by default.
        """
        encoder = self.spikingbert
        layout = encoder.lay_out(input_ids, attention_mask)
        with measuring(self):
            x = encoder.current(input_ids, layout, token_type_ids)
            count = self.config.steps if steps is None else steps
            for moment in settle(encoder.network, layout, x, steps=count):
                yield self.read(moment.rates, layout)


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    if logits.shape[1] == 1:
        return functional.mse_loss(logits[:, 0], labels.to(logits.dtype))
    return functional.cross_entropy(logits, labels)
