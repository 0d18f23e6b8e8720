"""The student in torch and as a graph: the same spikes in every population.

Students are compared in float64, where torch and numpy sum in different orders but the
odds of a potential within 1e-15 of its threshold are nil. In float32, the student's own
arithmetic, those odds are 1e-6 for each neuron and step; there the comparison takes
students whose every product and sum is exact, with many ties at the threshold.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikewright.errors import GraphError, InputError
from spikewright.export.deployment.texts import logits_of
from spikewright.export.lower import lower
from spikewright.graph import Stage
from spikewright.simulate.integer import run_integer
from spikewright.simulate.reference import run_reference
from spikewright.train.graphs.chip import student_graph
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.student import ChipStudent

DT_S = 1e-3
BLOCK = ("q", "k", "v", "kv", "gate", "passed", "mixed", "expand", "out")
MakeStudent = Callable[..., ChipStudent]
Spikes = dict[str, npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Sentences:
    """Token ids, what the student makes of them, and what the chip gets."""

    ids: torch.Tensor
    mask: torch.Tensor

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return self.mask.sum(dim=1).numpy()

    def inputs(self, student: ChipStudent, tokens: int) -> npt.NDArray[np.uint8]:
        """Return (samples, steps, bits, tokens + window - 1), silent where no token."""
        config = student.config
        bits = config.word_channels + config.position_channels
        slots = tokens + config.window - 1
        inputs = np.zeros((len(self.ids), config.steps, bits, slots), dtype=np.uint8)
        for i, length in enumerate(self.lengths):
            found = student.encoder(self.ids[i, :length], torch.arange(length))
            inputs[i, :, :, :length] = found.detach().numpy().T
        return inputs


def _sentences(seed: int, lengths: Sequence[int]) -> Sentences:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 50, (len(lengths), max(lengths)), generator=generator)
    return Sentences(ids, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])


def _double(student: ChipStudent) -> ChipStudent:
    """Return the student in float64; its readout, which makes no spike, in float32."""
    double = copy.deepcopy(student).double()
    double.heads.float()
    return double


def _torch_spikes(
    student: ChipStudent, sentences: Sentences, tokens: int
) -> tuple[npt.NDArray[np.float64], Spikes]:
    """Return logits and spikes (samples, steps, channels, tokens) by graph name."""
    with torch.inference_mode():
        logits, populations = student.run(sentences.ids, sentences.mask)
    blocks = range(student.config.blocks)
    names = ["stem", *(f"block{b}_{each}" for b in blocks for each in BLOCK)]
    spikes = {}
    for name, found in zip(names, populations, strict=True):
        array = found.numpy().astype(np.uint8)
        if name.endswith("gate"):  # (steps, samples, channels): one for the sentence
            spikes[name] = array.transpose(1, 0, 2)[..., None]
            continue
        placed = np.zeros((len(sentences.ids), *array.shape[::2], tokens), np.uint8)
        parts = np.split(array, np.cumsum(sentences.lengths)[:-1], axis=1)
        for i, part in enumerate(parts):
            placed[i, :, :, : part.shape[1]] = part.transpose(0, 2, 1)
        spikes[name] = placed
    return logits.double().numpy(), spikes


def _graph_spikes(
    student: ChipStudent,
    sentences: Sentences,
    tokens: int,
    stage: Stage = Stage.DISCRETE,
) -> tuple[npt.NDArray[np.float64], Spikes]:
    graph = student_graph(student, tokens=tokens, dt_s=DT_S)
    lowered = lower(graph, dt_s=DT_S, to=stage).graph
    trace = run_reference(lowered, sentences.inputs(student, tokens))
    spikes = {name: each for name, each in trace.spikes.items() if name != "input"}
    return logits_of(trace.output, sentences.lengths), spikes


def _mismatches(left: Spikes, right: Spikes) -> dict[str, int]:
    assert set(left) == set(right)
    return {name: int((left[name] != right[name]).sum()) for name in left}


STUDENTS = [
    {},
    {"beta": 0.9, "steps": 6},
    {"beta": 0.0, "window": 1},
    {"beta": 0.3, "blocks": 1, "hidden": 9, "window": 4},
    {"beta": 0.95, "blocks": 3, "channels": 8, "steps": 4},
    {"window": 2, "steps": 1, "id2label": dict(enumerate("abc"))},
    {"block_window": 3},
    {"word_channels": 40, "blocks": 1},
    {"block_window": 5, "window": 1, "blocks": 1, "hidden": 9},
]


@pytest.mark.parametrize("stage", [Stage.DISCRETE, Stage.TIMED])
@pytest.mark.parametrize("seed", range(len(STUDENTS)))
def test_every_population_sends_the_same_spikes(
    make_student: MakeStudent, seed: int, stage: Stage
) -> None:
    student = _double(make_student(seed, **STUDENTS[seed]))
    sentences = _sentences(seed, (9, 1, 4, 7))
    logits, spikes = _torch_spikes(student, sentences, tokens=11)
    graph_logits, graph_spikes = _graph_spikes(student, sentences, 11, stage)
    assert not any(_mismatches(spikes, graph_spikes).values())
    for name, each in spikes.items():
        assert each.any(), f"{name} is silent, so this compares nothing"
    np.testing.assert_allclose(graph_logits, logits, rtol=0, atol=1e-5)


def _exact(student: ChipStudent) -> ChipStudent:
    """Round all parameters so that float32 is exact: eighths, and gains of a half."""
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if not name.startswith("encoder"):
                parameter.copy_((parameter * 8).round() / 8)
        for module in student.modules():
            if isinstance(module, FoldableNorm):
                module.weight.fill_(1.0)
                module.variance.fill_(4 - 1e-5)
                module.mean.copy_((module.mean * 8).round() / 8)
                module.bias.clamp_(max=0.25)
                module.mean.clamp_(min=0)
    return student


@pytest.mark.parametrize("seed", range(3))
def test_exact_students_send_the_same_spikes_in_float32(
    make_student: MakeStudent, seed: int
) -> None:
    student = _exact(make_student(seed))
    gain, shift = student.stem.norm.folded()
    assert (gain == 0.5).all()
    assert (shift * 16 == (shift * 16).round()).all()
    sentences = _sentences(seed, (9, 1, 4, 7))
    _, spikes = _torch_spikes(student, sentences, tokens=9)
    _, graph_spikes = _graph_spikes(student, sentences, tokens=9)
    assert not any(_mismatches(spikes, graph_spikes).values())


def test_exact_students_meet_their_thresholds(make_student: MakeStudent) -> None:
    # Otherwise the test above would not tell > from >=.
    student = _exact(make_student(0))
    current = student.stem.norm(
        student.stem.linear((torch.rand(500, 72) < 0.5).float())
    )
    assert (current == 1).any()


def _integer_spikes(
    student: ChipStudent, sentences: Sentences, tokens: int
) -> tuple[npt.NDArray[np.float64], Spikes]:
    graph = lower(student_graph(student, tokens=tokens, dt_s=DT_S), dt_s=DT_S).graph
    trace = run_integer(graph, sentences.inputs(student, tokens))
    spikes = {name: each for name, each in trace.spikes.items() if name != "input"}
    return logits_of(trace.output, sentences.lengths), spikes


@pytest.mark.parametrize("seed", range(3))
def test_integers_send_the_same_spikes_where_8_bits_hold_the_weights(
    make_student: MakeStudent, seed: int
) -> None:
    student, sentences = _exact(make_student(seed)), _sentences(seed, (9, 1, 4, 7))
    logits, spikes = _torch_spikes(student, sentences, tokens=9)
    integer_logits, integer_spikes = _integer_spikes(student, sentences, tokens=9)
    assert not any(_mismatches(spikes, integer_spikes).values())
    np.testing.assert_allclose(integer_logits, logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_integers_answer_nearly_the_same_where_weights_are_rounded(
    make_student: MakeStudent, beta: float
) -> None:
    student = make_student(3, beta=beta, steps=4, blocks=1)
    sentences = _sentences(3, tuple(range(1, 11)) * 2)
    logits, spikes = _torch_spikes(student, sentences, tokens=10)
    integer_logits, integer_spikes = _integer_spikes(student, sentences, tokens=10)
    wrong = _mismatches(spikes, integer_spikes)
    # 7 bits and a sign move a weight by up to 1/254 of the largest; errors add up from
    # layer to layer (seen: 0.7 % in the stem, 2.7 % over all, 0.12 for the logits).
    assert wrong["stem"] < 0.015 * spikes["stem"].size
    assert sum(wrong.values()) < 0.05 * sum(each.size for each in spikes.values())
    assert np.abs(integer_logits - logits).mean() < 0.25 * logits.std()


CHANGED = [
    "stem.linear.weight",
    "stem.norm.bias",
    "stem.norm.mean",
    "stem.norm.weight",
    "blocks.0.gain",
    "blocks.0.q.norm.bias",
    "blocks.0.k.linear.weight",
    "blocks.0.v.norm.variance",
    "blocks.0.mixed.skip",
    "blocks.0.mixed.norm.bias",
    "blocks.1.expand.norm.bias",
    "blocks.1.out.skip",
    "blocks.1.out.linear.weight",
]


@pytest.mark.parametrize("name", CHANGED)
def test_the_comparison_sees_a_lost_parameter(
    make_student: MakeStudent, name: str
) -> None:
    student = make_student(0)
    sentences = _sentences(0, (9, 1, 4, 7))
    _, spikes = _torch_spikes(student, sentences, tokens=9)
    lossy = copy.deepcopy(student)
    lost = lossy.state_dict()[name]
    lost.fill_(1.0 if name.endswith(("variance", "norm.weight")) else 0.0)
    _, lossy_spikes = _graph_spikes(lossy, sentences, tokens=9)
    assert any(_mismatches(spikes, lossy_spikes).values())


@pytest.mark.parametrize("head", range(3))
def test_the_comparison_sees_a_lost_head(make_student: MakeStudent, head: int) -> None:
    student = make_student(0)
    sentences = _sentences(0, (9, 1, 4, 7))
    logits, _ = _torch_spikes(student, sentences, tokens=9)
    lossy = copy.deepcopy(student)
    lossy.state_dict()[f"heads.{head}.weight"].zero_()
    lossy_logits, _ = _graph_spikes(lossy, sentences, tokens=9)
    assert np.abs(logits - lossy_logits).max() > 1e-3


@pytest.mark.parametrize("ahead", [1, 3])
def test_padding_slots_are_silent_whatever_the_biases(
    make_student: MakeStudent, ahead: int
) -> None:
    student = make_student(0, steps=40, beta=0.9, block_window=ahead)
    with torch.no_grad():
        for module in student.modules():
            if isinstance(module, FoldableNorm):
                module.bias.fill_(1e4)
    sentences = _sentences(0, (3, 5))
    _, spikes = _graph_spikes(student, sentences, tokens=12)
    for name, each in spikes.items():
        if not name.endswith("gate"):
            for i, length in enumerate(sentences.lengths):
                assert not each[i, :, :, length:].any(), name


@pytest.mark.parametrize("ahead", [1, 3])
def test_logits_do_not_depend_on_the_slots(
    make_student: MakeStudent, ahead: int
) -> None:
    student = make_student(0, block_window=ahead)
    sentences = _sentences(0, (3, 5))
    short, _ = _graph_spikes(student, sentences, tokens=5)
    long, _ = _graph_spikes(student, sentences, tokens=12)
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tokens", [0, 13])
def test_refuses_more_tokens_than_positions(
    make_student: MakeStudent, tokens: int
) -> None:
    with pytest.raises(InputError, match=f"tokens: {tokens}; .* positions for 1 to 12"):
        student_graph(make_student(), tokens=tokens, dt_s=DT_S)


@pytest.mark.parametrize("dt_s", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_a_time_step_that_is_none(
    make_student: MakeStudent, dt_s: float
) -> None:
    with pytest.raises(GraphError, match="dt_s"):
        student_graph(make_student(), tokens=4, dt_s=dt_s)
