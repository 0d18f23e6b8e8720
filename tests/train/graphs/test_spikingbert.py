"""A SpikingBERT as a graph: snnTorch's spikes in float and in Loihi's integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikewright.cli import main
from spikewright.errors import GraphError, InputError
from spikewright.export.deployment.texts import logits_of
from spikewright.export.lower import lower
from spikewright.graph import Stage
from spikewright.nodes import QuantizedNeurons
from spikewright.simulate.integer import run_integer
from spikewright.simulate.reference import run_reference
from spikewright.trace import SpikeTrace
from spikewright.train.graphs.spikingbert import spikingbert_graph, spikingbert_inputs
from spikewright.train.spikingbert.config import SpikingBertConfig
from spikewright.train.spikingbert.model import SpikingBertForSequenceClassification
from spikewright.train.spikingbert.settle import settle

DT_S, SLOTS, STEPS = 2.0**-10, 12, 8
Texts = tuple[torch.Tensor, torch.Tensor]
Lengths = npt.NDArray[np.int64]
TorchRun = tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.uint8]]]
MakeModel = Callable[..., SpikingBertForSequenceClassification]
Assert = Callable[[SpikeTrace, TorchRun], None]


def _model(**options: Any) -> SpikingBertForSequenceClassification:
    torch.manual_seed(0)
    small = {
        "vocab_size": 60,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 16,
        "steps": STEPS,
        "num_labels": 3,
        "attention_scale": 0.5,
    }
    config = SpikingBertConfig.for_chip(**{**small, **options})
    model = SpikingBertForSequenceClassification(config)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if ".network." in name and each.ndim == 2:
                each.normal_(std=0.3)
            if name.endswith("bias"):  # some that alone would fire a neuron
                each.uniform_(-0.3, 1.2)
            if name.endswith("gain"):
                each.uniform_(0.2, 0.8)
    return model


@pytest.fixture
def make_model(
    seasoned: Callable[
        [SpikingBertForSequenceClassification], SpikingBertForSequenceClassification
    ],
) -> MakeModel:
    """Makes random students in float64 whose norms have seen something."""
    return lambda **options: seasoned(_model(**options))


def _torch_run(model: SpikingBertForSequenceClassification, texts: Texts) -> TorchRun:
    """Return logits and spikes (samples, steps, channels, slots), by graph name."""
    ids, mask = texts
    encoder = model.spikingbert
    layout = encoder.lay_out(ids, mask)
    spikes: dict[str, npt.NDArray[np.uint8]] = {}
    with torch.no_grad():
        logits = model(ids, mask).logits.numpy()
        x = encoder.current(ids, layout)
    for moment in settle(encoder.network, layout, x, steps=STEPS):
        for name, found in moment.spikes.items():
            slots = 1 if name.endswith("gate") else SLOTS
            shape = (len(ids), STEPS, found.shape[1], slots)
            placed = spikes.setdefault(name.replace(".", "_"), np.zeros(shape, "u1"))
            at = moment.step - 1
            if name.endswith("gate"):
                placed[:, at, :, 0] = found.numpy()
            else:
                placed[layout.sample, at, :, layout.place] = found.numpy()
    del spikes["encoder"]  # on the host
    return logits, spikes


MODELS: list[dict[str, Any]] = [
    {},
    {"start": 0.0, "ties": "fire"},
    {"norm": "none", "threshold": 1.5, "num_hidden_layers": 1},
]


@pytest.mark.parametrize("options", MODELS, ids=str)
def test_every_population_fires_as_in_torch(
    make_model: MakeModel,
    texts: Texts,
    assert_as_in_torch: Assert,
    options: dict[str, Any],
) -> None:
    model = make_model(**options)
    torch_run = _torch_run(model, texts)
    graph = spikingbert_graph(model, tokens=SLOTS, dt_s=DT_S)
    discrete = lower(graph, dt_s=DT_S, to=Stage.DISCRETE).graph
    trace = run_reference(discrete, spikingbert_inputs(model, *texts, tokens=SLOTS))
    assert len(torch_run[1]) == 9 * model.config.num_hidden_layers
    assert_as_in_torch(trace, torch_run)


def _in_sixteenths(model: SpikingBertForSequenceClassification) -> None:
    with torch.no_grad():
        for name, each in model.named_parameters():
            if ".network." in name or "classifier" in name:
                each.copy_((each * 16).round().clamp(-32, 31) / 16)


def test_torch_reference_and_integers_agree_on_every_spike(
    make_model: MakeModel, texts: Texts, lengths: Lengths
) -> None:
    # Weights in sixteenths fit eight bits, so that quantizing loses nothing: ties are
    # common, and all three must break them alike.
    model = make_model(norm="none")
    _in_sixteenths(model)
    logits, wanted = _torch_run(model, texts)
    graph = lower(spikingbert_graph(model, tokens=SLOTS, dt_s=DT_S), dt_s=DT_S).graph
    inputs = spikingbert_inputs(model, *texts, tokens=SLOTS)
    integer, reference = run_integer(graph, inputs), run_reference(graph, inputs)
    for name, spikes in wanted.items():
        assert isinstance(node := graph.nodes[name], QuantizedNeurons)
        assert node.drop is not None, name
        assert int((integer.spikes[name] != spikes).sum()) == 0, name
        assert int((reference.spikes[name] != spikes).sum()) == 0, name
    np.testing.assert_array_equal(integer.output, reference.output)
    found = logits_of(integer.output, lengths)
    np.testing.assert_allclose(found, logits, atol=1e-12, rtol=0)


def test_integers_of_any_weights_agree_with_the_judge(
    make_model: MakeModel, texts: Texts, lengths: Lengths
) -> None:
    model = make_model()
    logits, _ = _torch_run(model, texts)
    graph = lower(spikingbert_graph(model, tokens=SLOTS, dt_s=DT_S), dt_s=DT_S).graph
    inputs = spikingbert_inputs(model, *texts, tokens=SLOTS)
    integer, reference = run_integer(graph, inputs), run_reference(graph, inputs)
    for name, spikes in reference.spikes.items():
        assert int((integer.spikes[name] != spikes).sum()) == 0, name
    np.testing.assert_array_equal(integer.output, reference.output)
    # Eight-bit weights: near, not equal; a logit of wrong sign or order would be far.
    found = logits_of(integer.output, lengths)
    np.testing.assert_allclose(found, logits, atol=0.25, rtol=0)


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "softmax"}, r"attention = 'softmax', .* attention = \"sdsa\""),
        ({"norm": "layer"}, r"norm = 'layer', .*'channel' or 'none'.*\"channel\""),
        ({"activation": "gelu"}, r"activation = 'gelu', .* activation = \"clamp\""),
        ({"readout": "first"}, r"readout = 'first', .* readout = \"mean\""),
        ({"feedback": "learned"}, r"feedback = 'learned', .* feedback = \"none\""),
        ({"decay": 0.9}, r"decay = 0.9, .* decay = 1.0"),
        (
            {"attention": "softmax", "norm": "layer", "activation": "gelu"},
            r"attention = .*; and norm = .*; and activation = ",
        ),
    ],
)
def test_a_refusal_names_the_option_that_cures(
    make_model: MakeModel, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        spikingbert_graph(make_model(**options), tokens=SLOTS, dt_s=DT_S)


def test_refuses_more_tokens_than_places_and_than_slots(
    make_model: MakeModel, texts: Texts
) -> None:
    model = make_model()
    with pytest.raises(InputError, match="places for 1 to 16"):
        spikingbert_graph(model, tokens=17, dt_s=DT_S)
    with pytest.raises(InputError, match=r"9 tokens; the graph has 8 slots"):
        spikingbert_inputs(model, *texts, tokens=8)
    with pytest.raises(GraphError, match="longer than 0 s"):
        spikingbert_graph(model, tokens=8, dt_s=0.0)


def test_export_writes_a_nir_file_and_refuses_a_folder(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_model().float().save_pretrained(tmp_path / "student")
    given = ["export", str(tmp_path / "student"), "--dt", "1e-3", "--tokens", "8", "-o"]
    assert main([*given, str(tmp_path / "net.nir")]) == 0
    assert "up to 8 tokens" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "net.nir"), "--dt", "1e-3"]) in (0, 1)
    assert main([*given, str(tmp_path / "folder")]) == 1
    assert "spikingbert_inputs" in capsys.readouterr().err
