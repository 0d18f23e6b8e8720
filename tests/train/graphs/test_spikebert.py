"""A SpikeBERT that folds as a graph: the same spikes, then Loihi's integers."""

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
from spikewright.export.nir.io import read_nir
from spikewright.graph import Stage
from spikewright.nodes import Input
from spikewright.simulate.integer import run_integer
from spikewright.simulate.reference import run_reference
from spikewright.trace import SpikeTrace
from spikewright.train.graphs.spikebert import spikebert_graph, spikebert_inputs
from spikewright.train.spikebert.config import SpikeBertConfig
from spikewright.train.spikebert.denorm import foldable_twin
from spikewright.train.spikebert.model import SpikeBertForSequenceClassification
from spikewright.train.spikebert.neuron import SpikingNeuron

DT_S, WIDTH, SLOTS = 1e-3, 24, 12
Texts = tuple[torch.Tensor, torch.Tensor]
Lengths = npt.NDArray[np.int64]
TorchRun = tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.uint8]]]
MakeModel = Callable[..., SpikeBertForSequenceClassification]
Assert = Callable[[SpikeTrace, TorchRun], None]
PARTS = {
    **{"attention.query": "q", "attention.key": "k", "attention.value": "v"},
    **{"attention.output": "mixed", "expand": "expand", "contract": "out"},
}
"""module of a block -> end of the name of its population"""


def _model(**options: Any) -> SpikeBertForSequenceClassification:
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
    return model


@pytest.fixture
def make_model(
    seasoned: Callable[
        [SpikeBertForSequenceClassification], SpikeBertForSequenceClassification
    ],
) -> MakeModel:
    """Makes random students in float64 whose norms have seen something."""
    return lambda **options: seasoned(_model(**options))


def _torch_run(
    model: SpikeBertForSequenceClassification, texts: Texts, lengths: Lengths
) -> TorchRun:
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
        logits = model(*texts).logits.numpy()
    for hook in hooks:
        hook.remove()
    spikes: dict[str, npt.NDArray[np.uint8]] = {}
    for index in range(model.config.num_hidden_layers):
        for part, name in PARTS.items():
            found = seen[f"spikebert.blocks.{index}.{part}"].numpy()
            spikes[f"block{index}_{name}"] = _placed(found, lengths)
        gate = seen[f"spikebert.blocks.{index}.attention"].numpy()
        spikes[f"block{index}_gate"] = gate.transpose(1, 0, 3, 2).astype(np.uint8)
    return logits, spikes


def _placed(row: npt.NDArray[np.float64], lengths: Lengths) -> npt.NDArray[np.uint8]:
    """Put (steps, tokens, channels) into slots, silent where there is no token."""
    placed = np.zeros((4, len(row), row.shape[2], SLOTS), np.uint8)
    for i, part in enumerate(np.split(row, np.cumsum(lengths)[:-1], axis=1)):
        placed[i, :, :, : lengths[i]] = part.transpose(0, 2, 1)
    return placed


def _traced(
    model: SpikeBertForSequenceClassification, texts: Texts, *, slots: int = SLOTS
) -> SpikeTrace:
    graph = spikebert_graph(model, tokens=slots, dt_s=DT_S)
    discrete = lower(graph, dt_s=DT_S, to=Stage.DISCRETE).graph
    return run_reference(discrete, spikebert_inputs(model, *texts, tokens=slots))


MODELS: list[dict[str, Any]] = [
    {},
    {"positions": "none", "beta": 0.0},
    {"leak": "undivided", "beta": 0.75, "steps": 5},
    {"ties": "fire", "threshold": 0.75, "attention_threshold": 1.0},
    {"num_hidden_layers": 3, "num_attention_heads": 1, "attention_scale": 2.0},
]


@pytest.mark.parametrize("options", MODELS, ids=str)
def test_every_population_fires_as_in_torch(
    make_model: MakeModel,
    texts: Texts,
    lengths: Lengths,
    assert_as_in_torch: Assert,
    options: dict[str, Any],
) -> None:
    model = make_model(**options)
    assert_as_in_torch(_traced(model, texts), _torch_run(model, texts, lengths))


def test_biases_that_fire_alone_are_silent_in_padding(
    make_model: MakeModel, texts: Texts, lengths: Lengths
) -> None:
    model = make_model()
    outputs = []
    for slots in (9, 16):
        trace = _traced(model, texts, slots=slots)
        outputs.append(logits_of(trace.output, lengths))
        for name, spikes in trace.spikes.items():
            if not name.endswith("gate"):
                for i, length in enumerate(lengths):
                    assert not spikes[i, :, :, length:].any(), name
    np.testing.assert_allclose(*outputs, atol=1e-12, rtol=0)


def test_what_denorm_makes_of_a_layer_norm_student_exports(
    make_model: MakeModel, texts: Texts, lengths: Lengths
) -> None:
    old = make_model(norm="layer")
    ids, mask = texts
    model = foldable_twin(old, [{"input_ids": ids, "attention_mask": mask}])
    logits, wanted = _torch_run(model.double(), texts, lengths)
    trace = _traced(model, texts)
    for name, spikes in wanted.items():
        assert int((trace.spikes[name] != spikes).sum()) == 0, name
    found = logits_of(trace.output, lengths)
    np.testing.assert_allclose(found, logits, atol=1e-12, rtol=0)


def test_it_lowers_to_integers_that_answer_alike(
    make_model: MakeModel, texts: Texts, lengths: Lengths
) -> None:
    model = make_model()
    logits, _ = _torch_run(model, texts, lengths)
    graph = lower(spikebert_graph(model, tokens=SLOTS, dt_s=DT_S), dt_s=DT_S).graph
    assert graph.stage is Stage.QUANTIZED
    trace = run_integer(graph, spikebert_inputs(model, *texts, tokens=SLOTS))
    # Eight-bit weights: near, not equal; a logit of wrong sign or order would be far.
    found = logits_of(trace.output, lengths)
    np.testing.assert_allclose(found, logits, atol=0.15, rtol=0)


def test_the_input_is_the_words_bits_and_where_there_is_a_token(
    make_model: MakeModel, texts: Texts, lengths: Lengths
) -> None:
    model = make_model()
    ids, mask = texts
    inputs = spikebert_inputs(model, ids, mask, tokens=SLOTS)
    assert inputs.shape == (4, 3, WIDTH + 1, SLOTS)
    np.testing.assert_array_equal(
        inputs[:, 0, WIDTH], (np.arange(SLOTS) < lengths[:, None]).astype(np.uint8)
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
    make_model: MakeModel, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        spikebert_graph(make_model(**options), tokens=SLOTS, dt_s=DT_S)


@pytest.mark.parametrize("tokens", [0, 17])
def test_refuses_more_tokens_than_places(make_model: MakeModel, tokens: int) -> None:
    with pytest.raises(InputError, match="places for 1 to 16"):
        spikebert_graph(make_model(), tokens=tokens, dt_s=DT_S)


def test_refuses_a_sentence_longer_than_the_graph_and_no_time(
    make_model: MakeModel, texts: Texts
) -> None:
    model = make_model()
    with pytest.raises(InputError, match=r"9 tokens; the graph has 8 slots"):
        spikebert_inputs(model, *texts, tokens=8)
    with pytest.raises(GraphError, match="longer than 0 s"):
        spikebert_graph(model, tokens=8, dt_s=0.0)


# --- the command line ----------------------------------------------------------------


@pytest.fixture
def checkpoint(make_model: MakeModel, tmp_path: Path) -> Path:
    make_model().float().save_pretrained(tmp_path / "denorm")
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
    make_model: MakeModel,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "folder")]) == 1
    said = capsys.readouterr().err
    assert "export" in said
    assert "folder.nir, and encode sentences by" in said
    make_model(norm="layer").float().save_pretrained(tmp_path / "student")
    given = ["export", str(tmp_path / "student"), "-o", str(tmp_path / "x.nir")]
    assert main(given) == 1
    assert "`spikewright train … --stage denorm`" in capsys.readouterr().err
    assert not (tmp_path / "x.nir").exists()
