"""The training forward in integers is the integer simulator's, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikewright.errors import GraphError
from spikewright.export.deployment.texts import logits_of
from spikewright.export.lower import lower
from spikewright.export.passes.rounding import Quantization
from spikewright.graph import Graph, Stage
from spikewright.nodes import SYNAPSES
from spikewright.simulate.integer import run_integer
from spikewright.train.graphs.chip import student_graph
from spikewright.train.neurons.norm import FoldableNorm
from spikewright.train.quantize.student import QuantizedStudent
from spikewright.train.student import ChipStudent, load_student, shipped_student

DT_S = 1e-4
BLOCK = ("q", "k", "v", "kv", "gate", "passed", "mixed", "expand", "out")
MakeStudent = Callable[..., ChipStudent]
Logits = npt.NDArray[np.float64]
Spikes = dict[str, npt.NDArray[np.uint8]]


def _lower(student: ChipStudent) -> Graph:
    graph = student_graph(student, tokens=student.config.max_tokens, dt_s=DT_S)
    return lower(graph, dt_s=DT_S).graph


@dataclass(frozen=True)
class Batch:
    """Padded sentences."""

    ids: torch.Tensor
    mask: torch.Tensor

    def bits(self, student: ChipStudent) -> npt.NDArray[np.uint8]:
        """Return (samples, steps, bits, slots), silent where there is no token."""
        config = student.config
        bits = config.word_channels + config.position_channels
        slots = config.max_tokens + config.window - 1
        inputs = np.zeros((len(self.ids), config.steps, bits, slots), dtype=np.uint8)
        for i, length in enumerate(self.mask.sum(dim=1).tolist()):
            found = student.encoder(self.ids[i, :length], torch.arange(length))
            inputs[i, :, :, :length] = found.detach().numpy().T
        return inputs


def _batch(seed: int, vocabulary: int, *lengths: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    size = (len(lengths), max(lengths))
    ids = torch.randint(0, vocabulary, size, generator=generator)
    return Batch(ids, torch.arange(size[1]) < torch.tensor(lengths)[:, None])


def _simulated(student: ChipStudent, batch: Batch) -> tuple[Logits, Spikes]:
    """Return what `integer` makes of the student's own lowered graph."""
    trace = run_integer(_lower(student), batch.bits(student))
    spikes = {name: each for name, each in trace.spikes.items() if name != "input"}
    return logits_of(trace.output, batch.mask.sum(dim=1).numpy()), spikes


def _trained(student: QuantizedStudent, batch: Batch) -> tuple[Logits, Spikes]:
    """Return what the forward pass of a training makes."""
    student.train()
    logits, populations = student.run(batch.ids, batch.mask)
    blocks = range(student.config.blocks)
    names = ["stem", *(f"block{b}_{each}" for b in blocks for each in BLOCK)]
    spikes, tokens = {}, student.config.max_tokens
    for name, found in zip(names, populations, strict=True):
        array = found.detach().numpy().astype(np.uint8)
        if name.endswith("gate"):  # (steps, samples, channels): one for the sentence
            spikes[name] = array.transpose(1, 0, 2)[..., None]
            continue
        placed = np.zeros((len(batch.ids), *array.shape[::2], tokens), np.uint8)
        for i in range(len(batch.ids)):
            own = array[:, (batch.mask.nonzero()[:, 0] == i).numpy()]
            placed[i, :, :, : own.shape[1]] = own.transpose(0, 2, 1)
        spikes[name] = placed
    return logits.detach().numpy(), spikes


def _check_equal(student: QuantizedStudent, batch: Batch) -> None:
    logits, spikes = _trained(student, batch)
    expected_logits, expected = _simulated(student, batch)
    assert set(spikes) == set(expected)
    for name, each in expected.items():
        assert 0 < each.sum() < each.size, f"{name}: this compares nothing"
        np.testing.assert_array_equal(spikes[name], each, err_msg=name)
    np.testing.assert_array_equal(logits, expected_logits)


STUDENTS = [
    {},
    {"beta": 0.9, "steps": 6},
    {"beta": 0.0, "window": 1, "block_window": 3},
    {"beta": 0.3, "blocks": 1, "hidden": 9, "window": 4, "block_window": 2},
    {"beta": 0.95, "blocks": 3, "channels": 8, "steps": 4},
    {"window": 2, "id2label": dict(enumerate("abc")), "max_tokens": 15},
]


@pytest.mark.parametrize("seed", range(len(STUDENTS)))
def test_random_students_train_in_the_integers_of_the_simulator(
    make_student: MakeStudent, seed: int
) -> None:
    student = QuantizedStudent.of(make_student(seed, **STUDENTS[seed]), _lower)
    _check_equal(student, _batch(seed, 50, 9, 1, 4, 7))


def test_the_shipped_student_trains_in_the_integers_of_the_simulator() -> None:
    student = QuantizedStudent.of(load_student(shipped_student()), _lower)
    _check_equal(student, _batch(0, 30522, 14, 3, 22))


def _exponents(graph: Graph) -> dict[str, int]:
    nodes = graph.nodes.items()
    return {name: each.exponent for name, each in nodes if isinstance(each, SYNAPSES)}


def _step(
    student: QuantizedStudent, batch: Batch, optimizer: torch.optim.Optimizer
) -> None:
    student.train()
    output = student(batch.ids, batch.mask.long())
    labels = torch.arange(len(batch.ids)) % 2
    loss = torch.nn.functional.cross_entropy(output.logits, labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def test_each_step_trains_in_the_integers_of_its_own_weights(
    make_student: MakeStudent,
) -> None:
    student = QuantizedStudent.of(make_student(1, steps=4), _lower)
    batch, before = _batch(1, 50, 9, 2, 5, 12), _exponents(_lower(student))
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.02)
    for _ in range(6):
        _step(student, batch, optimizer)
        _check_equal(student, batch)
    # The scales moved as well, so integers on the first steps' grid would be wrong.
    assert _exponents(_lower(student)) != before


def test_weights_that_change_behind_autograds_back_are_lowered_anew(
    make_student: MakeStudent,
) -> None:
    student, batch = QuantizedStudent.of(make_student(2), _lower), _batch(2, 50, 6, 9)
    _check_equal(student, batch)
    student.blocks[0].get_parameter("q.linear.weight").data.mul_(-1)
    _check_equal(student, batch)


def test_every_parameter_learns(make_student: MakeStudent) -> None:
    student = QuantizedStudent.of(make_student(3), _lower)
    logits, _ = student.train().run(*vars(_batch(3, 50, 9, 5, 12, 3)).values())
    logits.square().sum().backward()
    for name, parameter in student.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def _exact(student: ChipStudent) -> ChipStudent:
    """Round parameters to eighths, and gains to two: eight bits hold them."""
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if not name.startswith("encoder"):
                parameter.copy_((parameter * 8).round() / 8)
        for module in student.modules():
            if isinstance(module, FoldableNorm):
                module.weight.fill_(4.0)
                module.variance.fill_(4 - 1e-5)
                module.bias.clamp_(max=0.25)
                module.mean.copy_((module.mean * 2).round() / 8)
    return student


def test_gradients_are_the_float_students_where_integers_hold_its_weights(
    make_student: MakeStudent,
) -> None:
    plain, batch = _exact(make_student(7)), _batch(4, 50, *[12] * 12, 5, 7)
    student = QuantizedStudent.of(plain, _lower)
    for each in (plain, student.train()):
        logits, _ = each.run(batch.ids, batch.mask)
        logits.square().sum().backward()
    pairs = zip(plain.named_parameters(), student.parameters(), strict=True)
    for (name, left), right in pairs:
        assert left.grad is not None, name
        assert right.grad is not None, name
        # Each product in bfloat16 may be off by 0.4 % (seen: 6.5 % of the smallest).
        assert (left.grad - right.grad).norm() < 0.1 * left.grad.norm(), name


def test_norms_keep_their_statistics_and_their_silence(
    make_student: MakeStudent,
) -> None:
    student, batch = QuantizedStudent.of(make_student(5), _lower), _batch(5, 50, 9, 5)
    kept = {k: v.clone() for k, v in student.state_dict().items() if "norm.mean" in k}
    for module in student.modules():
        if isinstance(module, FoldableNorm):
            module.bias.data.add_(1.0)  # nearly all shifts are at their limit now
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2)
    for _ in range(2):
        _step(student, batch, optimizer)
    state = student.state_dict()
    assert all(torch.equal(state[name], each) for name, each in kept.items())
    _, spikes = _simulated(student, batch)
    for name, each in spikes.items():
        assert name.endswith("gate") or not each[1, :, :, 5:].any(), name


def test_what_is_packed_lowers_to_the_integers_that_were_trained(
    make_student: MakeStudent,
) -> None:
    student, batch = QuantizedStudent.of(make_student(6), _lower), _batch(6, 50, 9, 5)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2)
    for _ in range(2):
        _step(student, batch, optimizer)
    packed = student.pack_encoder()
    assert type(packed) is ChipStudent
    assert _lower(packed).fingerprint() == _lower(student).fingerprint()
    logits, spikes = _trained(student, batch)
    expected_logits, expected = _simulated(packed, batch)
    np.testing.assert_array_equal(logits, expected_logits)
    assert all(np.array_equal(spikes[name], each) for name, each in expected.items())


# --- refusals ------------------------------------------------------------------------


def test_refuses_a_bias_that_rounds_to_more_than_is_silent(
    make_student: MakeStudent,
) -> None:
    plain = make_student(7, steps=40, beta=0.9)
    norm = plain.blocks[0].get_submodule("q").norm
    with torch.no_grad():
        # -15 needs a unit of 1 / 8, in which the limit of 0.09 becomes 0.125; a bias
        # is silent up to (1 - beta) threshold = 0.1.
        norm.bias.fill_(1.0)
        norm.bias[0] = -15.0
        norm.mean.zero_()
    student = QuantizedStudent.of(plain, _lower)
    with pytest.raises(
        GraphError, match=r"'block0_q': a bias of 0.125 .* silent tokens"
    ):
        student.integers()


def test_refuses_a_student_that_runs_longer_than_its_registers(
    make_student: MakeStudent,
) -> None:
    # With beta = 1 - 1 / 4096 a potential grows for many more than 64 steps.
    plain = make_student(8, steps=400, beta=1 - 2**-12, blocks=1)
    with pytest.raises(GraphError, match=r"overflows a register within 400 steps"):
        QuantizedStudent.of(plain, _lower).integers()


def test_refuses_integers_that_differ_from_token_to_token(
    make_student: MakeStudent,
) -> None:
    def draw(student: ChipStudent) -> Graph:
        graph = student_graph(student, tokens=12, dt_s=DT_S)
        choices = Quantization(rounding="stochastic")
        return lower(graph, dt_s=DT_S, quantization=choices).graph

    with pytest.raises(GraphError, match=r"differ from token to token; round to"):
        QuantizedStudent.of(make_student(9), draw).integers()


def test_refuses_a_graph_that_has_no_integers(make_student: MakeStudent) -> None:
    def halfway(student: ChipStudent) -> Graph:
        graph = student_graph(student, tokens=12, dt_s=DT_S)
        return lower(graph, dt_s=DT_S, to=Stage.TIMED).graph

    with pytest.raises(GraphError, match="needs a QUANTIZED graph, got TIMED"):
        QuantizedStudent.of(make_student(10), halfway).integers()


def test_the_copy_is_another_student(make_student: MakeStudent) -> None:
    plain = make_student(11)
    before = copy.deepcopy(plain.state_dict())
    student = QuantizedStudent.of(plain, _lower)
    _step(student, _batch(11, 50, 4), torch.optim.AdamW(student.parameters(), lr=0.1))
    assert all(torch.equal(before[k], v) for k, v in plain.state_dict().items())
