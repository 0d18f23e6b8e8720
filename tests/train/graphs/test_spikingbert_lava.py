"""A SpikingBERT for the chip, small: on Lava every spike of torch's, at ties too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spikewright.export.lower import lower
from spikewright.nodes import QuantizedNeurons
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.reference import run_reference
from spikewright.simulate.run import run
from spikewright.train.graphs.spikingbert import spikingbert_graph, spikingbert_inputs
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.spikingbert.settle import settle

pytestmark = pytest.mark.lava
DT_S, SLOTS, STEPS, WIDTH = 2.0**-10, 4, 6, 8
LENGTHS = (4, 2)


def _model(ties: str) -> SpikingBertForSequenceClassification:
    """Return a student whose weights are sixteenths, which eight bits hold."""
    torch.manual_seed(0)
    model = SpikingBertForSequenceClassification(
        SpikingBertConfig.for_chip(
            vocab_size=60,
            hidden_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=WIDTH,
            max_position_embeddings=SLOTS,
            steps=STEPS,
            num_labels=2,
            ties=ties,
        )
    )
    assert (model.config.attention, model.config.norm) == ("sdsa", "channel")
    assert model.config.activation == "clamp"
    model.double()  # in which the gain of the norms is 1
    with torch.no_grad():
        for name, each in model.named_parameters():
            if ".network." in name or "classifier" in name:
                each.normal_(std=0.5) if each.ndim == 2 else each.uniform_(0.2, 0.8)
                each.copy_((each * 16).round() / 16)
    for norm in model.modules():
        if isinstance(norm, FoldableNorm):
            torch.nn.init.ones_(norm.weight)
            norm.variance.fill_(1.0 - 1e-5)
            assert bool((norm.folded()[0] == 1.0).all())
    return model.eval()


def _spikes(
    model: SpikingBertForSequenceClassification, batch: dict[str, torch.Tensor]
) -> dict[str, np.ndarray]:
    """Return torch's spikes (samples, steps, channels, slots), by graph name."""
    encoder = model.spikingbert
    layout = encoder.lay_out(**batch)
    x = encoder.current(batch["input_ids"], layout).detach()
    found: dict[str, np.ndarray] = {}
    for moment in settle(encoder.network, layout, x, steps=STEPS):
        for name, sent in moment.spikes.items():
            is_gate = name.endswith("gate")
            shape = (len(LENGTHS), STEPS, WIDTH, 1 if is_gate else SLOTS)
            placed = found.setdefault(name.replace(".", "_"), np.zeros(shape, "u1"))
            sample = np.arange(len(LENGTHS)) if is_gate else layout.sample.numpy()
            place = 0 if is_gate else layout.place.numpy()
            placed[sample, moment.step - 1, :, place] = sent.numpy()
    del found["encoder"]  # on the host
    return found


@pytest.mark.parametrize("ties", ["silent", "fire"])
def test_lava_fires_as_torch_and_the_integers_do(ties: str) -> None:
    model = _model(ties)
    mask = (torch.arange(SLOTS) < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.randint(5, 60, mask.shape, generator=torch.Generator().manual_seed(3))
    batch = {"input_ids": ids * mask, "attention_mask": mask}
    wanted = _spikes(model, batch)
    graph = lower(spikingbert_graph(model, tokens=SLOTS, dt_s=DT_S), dt_s=DT_S).graph
    inputs = spikingbert_inputs(model, **batch, tokens=SLOTS)
    tied = dict.fromkeys(wanted, 0)

    def note(name: str, step: int, a: Any, state: Any) -> None:
        del step, a
        node = graph.nodes[name]
        if name in wanted and isinstance(node, QuantizedNeurons):
            threshold = round(node.scale * model.config.threshold) << 6
            tied[name] += int((state.reached == threshold).sum())

    run_reference(graph, inputs, probe=note)
    integer, lava = (run(graph, inputs, backend=each) for each in ("integer", "lava"))
    same = compare_traces(lava, integer)
    assert same.is_equal, same
    assert 0 < same.spikes < same.compared
    # `both` starts half a threshold up and gets whole ones: it is never at threshold.
    assert [name for name, count in tied.items() if not count] == ["block0_both"]
    for name, spikes in wanted.items():
        assert spikes.any(), name
        if ties == "silent":  # integers have no threshold just below a tie
            assert int((lava.spikes[name] != spikes).sum()) == 0, name
