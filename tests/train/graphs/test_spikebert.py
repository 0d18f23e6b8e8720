"""A SpikeBERT that folds as a graph: the same spikes, then Loihi's integers."""

from __future__ import annotations

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
from spikewright.export.nir.io import read_nir
from spikewright.graph import Stage
from spikewright.nodes import Input
from spikewright.simulate.integer import run_integer
from spikewright.simulate.reference import run_reference
from spikewright.train.graphs.spikebert import spikebert_graph, spikebert_inputs
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.denorm import foldable_twin
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikebert.neuron import SpikingNeuron

DT_S, WIDTH, SLOTS = 1e-3, 24, 12
LENGTHS = np.array([3, 9, 6, 1])
Spikes = dict[str, npt.NDArray[np.uint8]]
PARTS = {
    **{"attention.query": "q", "attention.key": "k", "attention.value": "v"},
    **{"attention.output": "mixed", "expand": "expand", "contract": "out"},
}
"""module of a block -> end of the name of its population"""


def _model(**options: Any) -> SpikeBertForSequenceClassification:
    """Return a random student in float64 whose norms have seen something."""
    torch.manual_seed(0)
    small = {
        "vocab_size": 60,
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": 16,
        "steps": 3,
        "norm": "channel",
        "attention": "sdsa",
        "num_labels": 3,
    }
    model = SpikeBertForSequenceClassification(SpikeBertConfig(**{**small, **options}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm.weight" in name:
                parameter.uniform_(0.5, 2.0)
            if name.endswith("bias"):  # some that alone would fire a neuron
                parameter.uniform_(-0.5, 1.5)
    for norm in model.modules():
        if isinstance(norm, FoldableNorm):
            norm.momentum = 1.0
    model.train()(torch.randint(0, 60, (16, 12)))
    return model.double().eval()


def _texts() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 60, (4, 9), generator=generator)
    mask = torch.arange(9) < torch.tensor(LENGTHS)[:, None]
    return ids * mask, mask.long()


def _torch_run(
    model: SpikeBertForSequenceClassification,
) -> tuple[npt.NDArray[np.float64], Spikes]:
    """Return logits and spikes (samples, steps, channels, slots), by graph name."""
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(
            lambda m, x, y, name=name: seen.update({name.removesuffix(".neuron"): y})
        )
        for name, module in model.named_modules()
        if isinstance(module, SpikingNeuron)
    ]
    with torch.no_grad():
        logits = model(*_texts()).logits.numpy()
    for hook in hooks:
        hook.remove()
    spikes: Spikes = {}
    for index in range(model.config.num_hidden_layers):
        for part, name in PARTS.items():
            found = seen[f"spikebert.blocks.{index}.{part}"].numpy()
            spikes[f"block{index}_{name}"] = _placed(found)
        gate = seen[f"spikebert.blocks.{index}.attention"].numpy()
        spikes[f"block{index}_gate"] = gate.transpose(1, 0, 3, 2).astype(np.uint8)
    return logits, spikes


def _placed(row: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Put (steps, tokens, channels) into slots, silent where there is no token."""
    placed = np.zeros((4, len(row), row.shape[2], SLOTS), np.uint8)
    for i, part in enumerate(np.split(row, np.cumsum(LENGTHS)[:-1], axis=1)):
        placed[i, :, :, : LENGTHS[i]] = part.transpose(0, 2, 1)
    return placed


MODELS: list[dict[str, Any]] = [
    {},
    {"positions": "none", "beta": 0.0},
    {"leak": "undivided", "beta": 0.75, "steps": 5},
    {"ties": "fire", "threshold": 0.75, "attention_threshold": 1.0},
    {"num_hidden_layers": 3, "num_attention_heads": 1, "attention_scale": 2.0},
]


@pytest.mark.parametrize("options", MODELS, ids=str)
def test_every_population_fires_as_in_torch(options: dict[str, Any]) -> None:
    model = _model(**options)
    logits, wanted = _torch_run(model)
    graph = spikebert_graph(model, tokens=SLOTS, dt_s=DT_S)
    discrete = lower(graph, dt_s=DT_S, to=Stage.DISCRETE).graph
    trace = run_reference(discrete, spikebert_inputs(model, *_texts(), tokens=SLOTS))
    for name, spikes in wanted.items():
        assert int((trace.spikes[name] != spikes).sum()) == 0, name
        assert spikes.any(), name
    # Sums of float64 in another order, of numbers near 1.
    found = logits_of(trace.output, LENGTHS)
    np.testing.assert_allclose(found, logits, atol=1e-12, rtol=0)


def test_biases_that_fire_alone_are_silent_in_padding() -> None:
    model = _model()
    texts = _texts()
    outputs = []
    for slots in (9, 16):
        graph = spikebert_graph(model, tokens=slots, dt_s=DT_S)
        discrete = lower(graph, dt_s=DT_S, to=Stage.DISCRETE).graph
        trace = run_reference(discrete, spikebert_inputs(model, *texts, tokens=slots))
        outputs.append(logits_of(trace.output, LENGTHS))
        for name, spikes in trace.spikes.items():
            if not name.endswith("gate"):
                for i, length in enumerate(LENGTHS):
                    assert not spikes[i, :, :, length:].any(), name
    np.testing.assert_allclose(*outputs, atol=1e-12, rtol=0)


def test_what_denorm_makes_of_a_layer_norm_student_exports() -> None:
    old = _model(norm="layer")
    ids, mask = _texts()
    model = foldable_twin(old, [{"input_ids": ids, "attention_mask": mask}])
    logits, wanted = _torch_run(model.double())
    graph = spikebert_graph(model, tokens=SLOTS, dt_s=DT_S)
    discrete = lower(graph, dt_s=DT_S, to=Stage.DISCRETE).graph
    trace = run_reference(discrete, spikebert_inputs(model, ids, mask, tokens=SLOTS))
    for name, spikes in wanted.items():
        assert int((trace.spikes[name] != spikes).sum()) == 0, name
    found = logits_of(trace.output, LENGTHS)
    np.testing.assert_allclose(found, logits, atol=1e-12, rtol=0)


def test_it_lowers_to_integers_that_answer_alike() -> None:
    model = _model()
    logits, _ = _torch_run(model)
    graph = lower(spikebert_graph(model, tokens=SLOTS, dt_s=DT_S), dt_s=DT_S).graph
    assert graph.stage is Stage.QUANTIZED
    trace = run_integer(graph, spikebert_inputs(model, *_texts(), tokens=SLOTS))
    # Eight-bit weights: near, not equal; a logit of wrong sign or order would be far.
    found = logits_of(trace.output, LENGTHS)
    np.testing.assert_allclose(found, logits, atol=0.15, rtol=0)


def test_the_input_is_the_words_bits_and_where_there_is_a_token() -> None:
    model = _model()
    ids, mask = _texts()
    inputs = spikebert_inputs(model, ids, mask, tokens=SLOTS)
    assert inputs.shape == (4, 3, WIDTH + 1, SLOTS)
    np.testing.assert_array_equal(
        inputs[:, 0, WIDTH], (np.arange(SLOTS) < LENGTHS[:, None]).astype(np.uint8)
    )
    words = model.spikebert.words.weight
    assert model.spikebert.places is not None
    bits = words[ids[1, 4]] + model.spikebert.places.weight[4] > 0
    for step in range(3):
        np.testing.assert_array_equal(inputs[1, step, :WIDTH, 4], bits.numpy())


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "layer"}, r"norm = 'layer', .*--stage denorm.* norm = \"channel\""),
        ({"attention": "ssa"}, r"attention = 'ssa', .* attention = \"sdsa\""),
        ({"encoding": "lif"}, r"encoding = 'lif', .* encoding = \"heaviside\""),
        ({"readout": "first"}, r"readout = 'first', .* readout = \"mean\""),
        (
            {"norm": "layer", "attention": "ssa"},
            r"norm = 'layer', .*; and attention = 'ssa', ",
        ),
        ({"pad_mask": False}, r"pad_mask = False, .* pad_mask = true"),
    ],
)
def test_a_refusal_names_the_option_that_cures(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        spikebert_graph(_model(**options), tokens=SLOTS, dt_s=DT_S)


@pytest.mark.parametrize("tokens", [0, 17])
def test_refuses_more_tokens_than_places(tokens: int) -> None:
    with pytest.raises(InputError, match="places for 1 to 16"):
        spikebert_graph(_model(), tokens=tokens, dt_s=DT_S)


def test_refuses_a_sentence_longer_than_the_graph_and_no_time() -> None:
    model = _model()
    with pytest.raises(InputError, match=r"9 tokens; the graph has 8 slots"):
        spikebert_inputs(model, *_texts(), tokens=8)
    with pytest.raises(GraphError, match="longer than 0 s"):
        spikebert_graph(model, tokens=8, dt_s=0.0)


# --- the command line ----------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    _model().float().save_pretrained(tmp_path / "denorm")
    return tmp_path / "denorm"


def test_export_writes_a_nir_file(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "net.nir"
    given = ["export", str(checkpoint), "-o", str(output), "--dt", "1e-3"]
    assert main([*given, "--tokens", "8"]) == 0
    assert "up to 8 tokens" in capsys.readouterr().out
    graph = read_nir(output, dt_s=DT_S)
    node = graph.nodes[graph.input_name]
    assert isinstance(node, Input)
    assert node.shape == (WIDTH + 1, 8)


def test_export_refuses_a_folder_and_a_layer_norm_with_the_cure(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "folder")]) == 1
    said = capsys.readouterr().err
    assert "export" in said
    assert "folder.nir, and encode sentences by" in said
    _model(norm="layer").float().save_pretrained(tmp_path / "student")
    given = ["export", str(tmp_path / "student"), "-o", str(tmp_path / "x.nir")]
    assert main(given) == 1
    assert "`spikewright train … --stage denorm`" in capsys.readouterr().err
    assert not (tmp_path / "x.nir").exists()
