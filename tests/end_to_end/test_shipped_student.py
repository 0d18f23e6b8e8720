"""The student in the package: it answers, and the same way on every road."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from spikewright.cli.student import export_student
from spikewright.export.deployment.folder import Deployment, read_deployment
from spikewright.export.deployment.texts import EncodedTexts, encode_texts, logits_of
from spikewright.export.lower import lower
from spikewright.graph import Graph, Stage
from spikewright.simulate.compare import compare_traces
from spikewright.simulate.lava_backend.job import LavaOptions
from spikewright.simulate.run import run
from spikewright.train.answers.logits import float_logits
from spikewright.train.student import load_student, shipped_student

DT_S = 1e-4
# Ours, not from any data set; at most 9 tokens each.
POSITIVE = ("the acting is superb", "a warm and funny story", "i loved every minute")
NEGATIVE = ("a tedious film", "the plot makes no sense", "i hated every minute")
TEXTS = (*POSITIVE, *NEGATIVE)


def _deploy(folder: Path, tokens: int) -> Deployment:
    checkpoint = shipped_student()
    student = load_student(checkpoint)
    export_student(student, checkpoint, folder, tokens=tokens, dt_s=DT_S)
    return read_deployment(folder)


def _lowered(deployment: Deployment, stage: Stage = Stage.QUANTIZED) -> Graph:
    return lower(deployment.graph, dt_s=DT_S, to=stage).graph


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The student for sentences of up to 9 tokens."""
    return _deploy(tmp_path_factory.mktemp("small") / "deployment", 9)


@pytest.fixture(scope="module")
def encoded(small: Deployment) -> EncodedTexts:
    return encode_texts(small, TEXTS)


def _integer_logits(deployment: Deployment) -> npt.NDArray[np.float64]:
    encoded = encode_texts(deployment, TEXTS)
    trace = run(_lowered(deployment), encoded.inputs, backend="integer")
    return logits_of(trace.output, encoded.lengths)


def test_it_tells_praise_from_blame_in_integers(small: Deployment) -> None:
    labels = [small.card["labels"][i] for i in _integer_logits(small).argmax(axis=1)]
    assert labels == ["positive"] * 3 + ["negative"] * 3


@pytest.mark.parametrize("tokens", [16, 64])
def test_padding_changes_no_bit_of_the_integer_answer(
    tmp_path: Path, small: Deployment, tokens: int
) -> None:
    padded = _deploy(tmp_path / "deployment", tokens)
    np.testing.assert_array_equal(_integer_logits(padded), _integer_logits(small))


def test_the_float_graph_answers_as_snntorch_does(
    small: Deployment, encoded: EncodedTexts
) -> None:
    trace = run(_lowered(small, Stage.DISCRETE), encoded.inputs)
    expected = float_logits(load_student(shipped_student()), encoded.token_ids)
    np.testing.assert_allclose(
        logits_of(trace.output, encoded.lengths), expected, rtol=1e-4, atol=1e-4
    )


def test_delays_change_no_spike(small: Deployment, encoded: EncodedTexts) -> None:
    inputs = encoded.inputs[:2]
    discrete = run(_lowered(small, Stage.DISCRETE), inputs)
    same = compare_traces(discrete, run(_lowered(small, Stage.TIMED), inputs))
    assert same.mismatches == 0, same
    assert same.spikes > 1000


@pytest.mark.lava
@pytest.mark.parametrize("runtime", ["local", "lava"])
def test_lava_computes_the_integers_of_the_simulator_and_of_the_judge(
    small: Deployment, encoded: EncodedTexts, runtime: str
) -> None:
    graph, inputs = _lowered(small), encoded.inputs[:1]
    judge = run(graph, inputs)
    for trace in (
        run(graph, inputs, backend="integer"),
        run(graph, inputs, backend="lava", lava=LavaOptions(runtime)),
    ):
        same = compare_traces(judge, trace)
        assert same.is_equal, same
        assert same.spikes > 1000
