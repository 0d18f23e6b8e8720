"""What is drawn is what was measured: numbers by hand, read back from the artists."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.plots.attention import attention
from spikewright.plots.attention_scores import attention_scores
from spikewright.plots.break_even import BreakEvenCurve, Line
from spikewright.plots.convergence import convergence_picture
from spikewright.plots.curve import training_curve
from spikewright.plots.energy import LayerEnergy, TermEnergy
from spikewright.plots.picture import document, draw
from spikewright.plots.placement import CorePlacement, CoreUse
from spikewright.plots.prices import Price, ProfilePrices
from spikewright.plots.quantization import QuantizationLoss, Room, Rounded
from spikewright.plots.raster import MOST_NEURONS, raster
from spikewright.plots.rates import firing, rates
from spikewright.plots.sweep import sweep, wilson
from spikewright.plots.variants import variants
from spikewright.trace import SpikeTrace


def trace_of(**spikes: list) -> SpikeTrace:
    """A trace of populations: (samples, steps, *shape)."""
    arrays = {name: np.array(each, dtype=np.uint8) for name, each in spikes.items()}
    runs = next(iter(arrays.values())).shape[:2]
    return SpikeTrace(arrays, {"output": np.zeros((*runs, 2))})


@pytest.fixture
def trace() -> SpikeTrace:
    """Two samples of 3 steps; a has 2 neurons, b has one."""
    return trace_of(
        a=[[[1, 0], [1, 0], [1, 1]], [[0, 0], [0, 0], [0, 1]]],
        b=[[[0], [1], [0]], [[0], [0], [0]]],
    )


def texts(axes) -> list[str]:
    return [each.get_text() for each in axes.texts]


def widths(axes) -> list[float]:
    return [each.get_width() for each in axes.patches]


# --- spikes --------------------------------------------------------------------------


def test_a_raster_has_a_mark_for_each_spike(trace: SpikeTrace) -> None:
    picture = raster(trace)
    upper, lower = draw(picture).axes
    # a: neuron 0 fires at steps 1, 2, 3 and neuron 1 at step 3; b: at step 2
    assert upper.lines[0].get_xydata().tolist() == [[1, 0], [2, 0], [3, 0], [3, 1]]
    assert lower.lines[0].get_xydata().tolist() == [[2, 0]]
    # a: 4 spikes of 2 neurons in 3 steps = 66.7 %; b: 1 of 3
    assert upper.get_ylabel() == "a\n2 neurons, 66.7 %"
    assert lower.get_ylabel() == "b\n1 neuron, 33.3 %"
    assert lower.get_xlabel() == "time step"
    events = picture.data()["populations"][0]["events"]
    assert events == [[1, 0], [2, 0], [3, 0], [3, 1]]
    assert picture.alt.startswith("5 spikes of 2 populations in 3 steps. a fires most")


def test_a_raster_of_another_sample_or_population(trace: SpikeTrace) -> None:
    picture = raster(trace, sample=1, populations=["a"])
    assert [each.name for each in picture.strips] == ["a"]
    assert picture.strips[0].fired == 1


def test_many_neurons_are_an_image_of_every_nth() -> None:
    # 1000 neurons: every 11th would do (91 of them); 11 and 1000 have no divisor in
    # common, so all columns of a (…, 10) population are met
    spikes = np.zeros((1, 2, 100, 10), dtype=np.uint8)
    spikes[0, 1] = 1
    picture = raster(SpikeTrace({"a": spikes}, {"output": np.zeros((1, 2, 2))}))
    assert picture.strips[0].every == 11
    assert picture.strips[0].spikes.shape == (2, 91)
    assert picture.strips[0].fired == 1000
    (image,) = draw(picture).axes[0].images
    alpha = image.get_array()[..., 3]
    assert alpha.shape == (91, 2)
    assert alpha.max(axis=0).tolist() == [0, 255]
    assert MOST_NEURONS >= 91


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sample": 2}, "samples 0 to 1"),
        ({"populations": ["c"]}, "the trace has a, b"),
    ],
)
def test_a_raster_of_what_is_not_there(
    trace: SpikeTrace, options: dict, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        raster(trace, **options)


def test_a_trace_without_spikes_is_told() -> None:
    with pytest.raises(InputError, match="--trace full"):
        raster(SpikeTrace({}, {"output": np.zeros((1, 2, 2))}))
    with pytest.raises(InputError, match="--trace full"):
        rates([SpikeTrace({}, {"output": np.zeros((1, 2, 2))})])


def test_a_population_without_neurons_has_no_rate(trace: SpikeTrace) -> None:
    nobody = np.zeros((*trace.output.shape[:2], 0), np.uint8)
    joined = SpikeTrace({"nobody": nobody, **trace.spikes}, trace.outputs)
    assert rates([joined]) == rates([trace])


def test_rates_saturation_and_silence(trace: SpikeTrace) -> None:
    # a: 5 spikes in 2 neurons x 2 samples x 3 steps = 5/12; of 4 cells one fires at
    # each step, one never; b: 1 spike in 6; of 2 cells none always, one never
    picture = rates([trace])
    left, right = draw(picture).axes
    assert widths(left) == [5 / 12, 1 / 6]
    assert widths(right) == [25, 0, 25, 50]
    assert picture.table()[1:] == [
        ("a", "0.4167", "25.0 %", "25.0 %"),
        ("b", "0.1667", "0 %", "50.0 %"),
    ]


def test_rates_of_parts_are_those_of_the_whole(trace: SpikeTrace) -> None:
    halves = [
        SpikeTrace(
            {name: each[i : i + 1] for name, each in trace.spikes.items()},
            {"output": trace.output[i : i + 1]},
        )
        for i in (0, 1)
    ]
    assert rates(halves) == rates([trace])
    assert firing(trace)["a"].saturated == 1


# --- attention -----------------------------------------------------------------------


@pytest.fixture
def student() -> SpikeTrace:
    """One sentence, 2 steps, 2 channels, 3 slots of which the last has no token."""
    return trace_of(
        block0_kv=[[[[1, 0, 0], [1, 0, 0]], [[1, 1, 0], [0, 0, 0]]]],
        block0_gate=[[[[1], [0]], [[1], [1]]]],
        block0_passed=[[[[0, 1, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0]]]],
    )


def test_attention_counts_spikes_of_each_token(student: SpikeTrace) -> None:
    # kv: token 0 has 3 spikes of 2 channels x 2 steps, token 1 has one
    picture = attention(student, ["good", "film"])
    assert picture.rates.tolist() == [[0.75, 0.25], [0, 1]]
    assert picture.gates == {"block0_gate": 0.75}
    (axes,) = draw(picture).axes
    assert texts(axes) == ["75", "25", "0", "100"]
    # colors: each row over its own largest
    assert axes.collections[0].get_array().tolist() == [[1, 1 / 3], [0, 1]]
    assert [each.get_text() for each in axes.get_xticklabels()] == ["good", "film"]
    assert "most at good (75.0 %), film (25.0 %)" in picture.alt
    assert "block0_gate is open 75.0 %" in picture.alt


def test_attention_of_a_named_population(student: SpikeTrace) -> None:
    picture = attention(student, ["good"], populations=["block0_passed"])
    assert picture.rates.tolist() == [[0]]
    with pytest.raises(InputError, match="no spikes of population 'x'"):
        attention(student, ["good"], populations=["x"])
    with pytest.raises(InputError, match=r"\(2, 1\) neurons.* each of 2 tokens"):
        attention(student, ["a", "b"], populations=["block0_gate"])


def test_other_networks_have_to_name_their_populations(trace: SpikeTrace) -> None:
    with pytest.raises(InputError, match="--population: a, b"):
        attention(trace, ["good"])


# --- convergence ---------------------------------------------------------------------


def test_a_panel_for_each_block_and_a_mark_where_a_population_stays_within() -> None:
    distance = {
        "encoder": (0.3, 0.1, 0.0),
        "block0.key": (0.4, 0.02, 0.01),
        "block0.mix": (0.5, 0.4, 0.3),
    }
    picture = convergence_picture(
        distance,
        {name: (0.9, 0.9, 0.7) for name in distance},
        {"encoder": 2, "block0.key": 3, "block0.mix": None},
        tolerance=0.1,
        samples=2,
    )
    assert "encoder: within 0.1 from step 2" in picture.alt
    assert "block0: beyond 0.1: mix, at last 0.3 (mix)" in picture.alt
    assert picture.table()[1:] == [
        ("encoder", "0.0000", "0.7000", "2"),
        ("block0.key", "0.0100", "0.7000", "3"),
        ("block0.mix", "0.3000", "0.7000", "over 3"),
    ]
    figure = draw(picture)
    one, other = figure.axes
    assert one.get_title("left") == "encoder: settled at step 2"
    assert other.get_title("left") == "block0: 1 of 2 not settled"
    (encoder, line), (key, mix, _) = one.lines, other.lines
    assert line.get_ydata() == [0.1, 0.1]  # the tolerance
    # A logarithm has no 0: it is drawn at a hundredth of the tolerance.
    assert encoder.get_ydata().tolist() == [0.3, 0.1, 0.001]
    assert [each.get_markevery() for each in (encoder, key, mix)] == [[1], [2], []]
    assert [each.get_text() for each in figure.legends[0].texts] == [
        *("encoder", "key", "mix")
    ]


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tolerance_is_a_positive_number(tolerance: float) -> None:
    with pytest.raises(InputError, match="must be a number above 0"):
        convergence_picture(
            {"a": (1.0,)}, {"a": (1.0,)}, {"a": None}, tolerance=tolerance, samples=1
        )


# --- sweep ---------------------------------------------------------------------------


def test_a_sweep_sums_the_readout_up_to_each_step() -> None:
    # sample 0 (class 0): sums (1, 0), (1, 3), (6, 3): right, wrong, right
    # sample 1 (class 1): sums (0, 1), (0, 1), (2, 1): right, right, wrong
    output = np.array([[[1, 0], [0, 3], [5, 0]], [[0, 1], [0, 0], [2, 0]]], float)
    until_j = {"chip": [1e-6, 3e-6, 6e-6]}
    picture = sweep(output, [0, 1], energy_until_j=until_j)
    assert picture.correct == (2, 1, 1)
    assert picture.accuracy == (1.0, 0.5, 0.5)
    assert picture.energy_j["chip"] == (1e-6, 3e-6, 6e-6)
    upper, lower = draw(picture).axes
    assert upper.lines[0].get_xydata().tolist() == [[1, 100], [2, 50], [3, 50]]
    assert lower.lines[0].get_ydata() == pytest.approx([1, 3, 6])
    assert lower.get_ylabel() == "energy, µJ a sample"
    assert picture.title == "Accuracy and energy against time steps"
    assert sweep(output, [0, 1]).title == "Accuracy against time steps"


def test_without_labels_the_last_answer_is_the_right_one() -> None:
    # sums of sample 0: (1, 0), (1, 3), (6, 3): class 0, 1, 0; of sample 1: 1, 1, 0
    output = np.array([[[1, 0], [0, 3], [5, 0]], [[0, 1], [0, 0], [2, 0]]], float)
    picture = sweep(output, None)
    assert picture.correct == (1, 0, 2)
    assert picture.title == "Agreement with the last step against time steps"
    assert picture.data()["against"] == "last step"
    assert draw(picture).axes[0].get_ylabel() == "agreement, % of 2"


def test_a_share_has_the_range_of_wilson() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20, score method
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.parametrize(
    ("labels", "says"),
    [([0], "1 labels for 2 samples"), ([0, 2], "label 2: .* classes 0 to 1")],
)
def test_a_sweep_refuses_labels_that_do_not_fit(labels: list[int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sweep(np.zeros((2, 3, 2)), labels)


def test_a_sweep_needs_classes() -> None:
    with pytest.raises(InputError, match=r"shape \(1,\)"):
        sweep(np.zeros((2, 3, 1)), [0, 0])


# --- energy --------------------------------------------------------------------------


def test_layers_are_bars_in_one_unit() -> None:
    picture = LayerEnergy("chip", "layer", {"a": 1.5e-6, "b": 5e-7, "c": 0.0})
    (axes,) = draw(picture).axes
    assert widths(axes) == pytest.approx([1.5, 0.5, 0])
    assert texts(axes) == ["1.5", "0.5", "0"]
    assert axes.get_xlabel() == "energy of a sample, µJ"
    assert "2 µJ by layer" in picture.alt
    assert "a takes most, 1.5 µJ or 75.0 %" in picture.alt


def test_parts_that_are_too_many_to_be_named_are_an_outline() -> None:
    parts = {str(i): 1e-6 * i for i in range(500)}
    picture = LayerEnergy("chip", "sample", parts)
    figure = draw(picture)
    (outline,) = figure.axes[0].patches
    assert outline.get_data().values == pytest.approx(np.arange(500))
    assert figure.axes[0].get_xlabel() == "sample, in the order of the run"
    assert figure.get_size_inches()[1] < 4
    assert picture.table() == []


def test_components_of_both_and_what_has_no_price() -> None:
    student = {"arithmetic": 1e-6, "static": None}
    picture = TermEnergy("chip", student, {"arithmetic": 4e-6}, "teacher, int8")
    (axes,) = draw(picture).axes
    # the student's two, its key in the legend, the teacher's one, its key
    assert widths(axes) == pytest.approx([1, 0, 0, 4, 0])
    assert texts(axes) == ["1", "unpriced", "4"]
    assert "without a price for static" in picture.alt
    assert picture.table()[2] == ("static", "unpriced", "-")


def test_profiles_on_a_logarithmic_axis_with_ranges() -> None:
    picture = ProfilePrices(
        (
            Price("a", 2e-5, 1e-5, 4e-5, 8e-5, "int8", is_bound=True),
            Price("b", None, None, None, 8e-5, "int8 on a"),
        )
    )
    (axes,) = draw(picture).axes
    assert axes.get_xscale() == "log"
    # the range, then student and teacher of a, then the teacher of b
    points = [list(map(float, each.get_xdata())) for each in axes.lines]
    assert points == [[1e-5, 4e-5], [2e-5], [8e-5], [8e-5]]
    assert [each.xy[0] for each in axes.texts[:2]] == [4e-5, 8e-5]
    assert texts(axes) == ["≥ 20 µJ", "80 µJ", "80 µJ", "student unpriced"]
    low, high = axes.get_xlim()
    assert low <= 1e-5
    assert high >= 1e-4
    assert picture.table()[1] == ("a", "20 µJ", "10 µJ to 40 µJ", "80 µJ", "int8")


# --- break-even ----------------------------------------------------------------------


def test_the_curve_goes_through_break_even_and_the_measured_rate() -> None:
    # E(r) = 1 uJ + r 10 uJ; against 2 uJ: 1 at r = 0.1; measured 0.3: 4 / 2 = 2
    line = Line(fixed_j=1e-6, slope_j=1e-5, shared_j=0.0, measured=0.3, steps=4)
    picture = BreakEvenCurve("chip", line, {"int8": 2e-6}, {"int8": 0.1})
    (axes,) = draw(picture).axes
    curve = axes.lines[0]
    assert np.interp(0.1, *curve.get_data()) == pytest.approx(1)
    (marked,) = curve.get_markevery()
    assert curve.get_xydata()[marked] == pytest.approx([0.3, 2])
    # the other lines: break-even at 1, and the measured rate
    assert axes.lines[1].get_ydata() == [1.0, 1.0]
    assert axes.lines[2].get_xdata() == [0.3, 0.3]
    assert picture.alt.endswith(
        "int8: 2 times the teacher, break-even at a rate of 0.1."
    )


def test_weight_reads_that_the_steps_share_bend_the_curve() -> None:
    # E(r) = shared (1 - (1 - r)^2) / (1 - 0.5^2); at 0.5: 3 uJ, at 1: 3 / 0.75 = 4
    line = Line(fixed_j=0.0, slope_j=0.0, shared_j=3e-6, measured=0.5, steps=2)
    assert line.energy_j(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 3e-6, 4e-6])


def test_where_no_rate_or_every_rate_wins_it_is_said() -> None:
    line = Line(fixed_j=3e-6, slope_j=1e-6, shared_j=0.0, measured=0.3, steps=4)
    totals = {"small": 2e-6, "large": 9e-6}
    picture = BreakEvenCurve("chip", line, totals, {"small": None, "large": 6.0})
    assert picture.even("small") == "no rate wins"
    assert picture.even("large") == "every rate wins"
    assert draw(picture).axes[0].get_xlim() == (0, 1)


# --- placement, integers, training ---------------------------------------------------


def test_a_square_for_each_core_and_shares_of_populations() -> None:
    cores = (
        CoreUse((("a", 4),), 1.0, "neurons"),
        CoreUse((("a", 1), ("b", 3)), 1.5, "synapse_bits"),
        CoreUse((("b", 4),), 0.25, "neurons"),
    )
    picture = CorePlacement("chip", False, "does not fit", cores, 2)
    # a: 1 + 1/4, b: 3/4 + 1
    assert picture.by_population == {"b": 1.75, "a": 1.25}
    upper, lower, _ = draw(picture).axes
    shown = upper.collections[0].get_array()
    # what is beyond its limit is as full as can be, and crossed out
    assert shown.compressed().tolist() == [100, 100, 25]
    assert len(texts(upper)) == 1
    assert upper.texts[0].get_position() == (1.5, 0.5)
    assert widths(lower) == [1.75, 1.25]
    # one chip ends behind the second core
    assert upper.lines[0].get_xdata().tolist()[1] == 2
    assert "does not fit, 3 cores" in draw(picture)._suptitle.get_text()


def test_thousands_of_cores_fit_one_page() -> None:
    cores = (CoreUse((("a", 1),), 0.5, "neurons"),) * 10_000
    figure = draw(CorePlacement("chip", True, "fits", cores, 128))
    shown = figure.axes[0].collections[0].get_array()
    assert shown.shape == (100, 100)
    assert figure.get_size_inches()[1] < 8


def test_errors_of_weights_and_room_in_registers() -> None:
    picture = QuantizationLoss(
        (Rounded("w", 0.02, 0.01), Rounded("exact", 0.0, 0.0)),
        (Room("a", 3.5, 4.0), Room("b", -1.0)),
    )
    upper, lower = draw(picture).axes
    assert widths(upper) == [2.0]
    assert upper.get_title(loc="left").endswith("(1 more are exact)")
    assert lower.lines[0].get_xdata().tolist() == [3.5, -1.0]
    assert lower.lines[1].get_xdata().tolist() == [4.0]
    assert "b has the least room in its registers, -1.0 bits" in picture.alt


def test_a_training_has_losses_and_scores_apart() -> None:
    card = {
        "config": {"seed": 0},
        "teacher": {
            "curve": [
                {"step": 10, "loss": 0.7, "learning_rate": 1e-5, "epoch": 0.5},
                {"step": 20, "loss": 0.5, "epoch": 1.0},
                {"step": 20, "eval_accuracy": 0.8, "eval_runtime": 3.0},
            ]
        },
        "student": {"validation_accuracy": 0.8},
    }
    picture = training_curve(card)
    losses, scores = draw(picture).axes
    assert losses.lines[0].get_xydata().tolist() == [[10, 0.7], [20, 0.5]]
    assert scores.lines[0].get_xydata().tolist() == [[20, 0.8]]
    assert len(losses.lines) == len(scores.lines) == 1
    assert picture.data() == {
        "teacher": {"loss": [[10, 0.7], [20, 0.5]], "eval_accuracy": [[20, 0.8]]}
    }


@pytest.mark.parametrize("strange", [10**400, float("nan"), float("inf"), True, "1"])
def test_what_is_no_number_is_left_out_of_a_curve(strange: object) -> None:
    entries = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": strange}]
    entries.append({"step": strange, "loss": 0.1})
    assert training_curve({"a": {"curve": entries}}).data() == {
        "a": {"loss": [[1, 0.5]]}
    }


def test_a_card_without_a_curve_is_told() -> None:
    with pytest.raises(InputError, match="holds no curve; its parts are teacher"):
        training_curve({"teacher": {"validation_accuracy": 0.9}})


def test_a_picture_as_json(trace: SpikeTrace) -> None:
    found = document(rates([trace]))
    assert found["schema"] == "spikewright.plot/1"
    assert found["kind"] == "rates"
    assert found["data"]["samples"] == 2


# --- variants ------------------------------------------------------------------------


def test_variants_are_in_the_order_of_their_numbers_with_their_spread() -> None:
    series = {
        "student": [(0.9, 0.8, 0.7), (0.6, 0.6, 0.6)],
        "teacher": [(1.0,), (0.5,)],
    }
    picture = variants("time steps T", [4.0, 2.0], series)
    assert picture.numbers == (2.0, 4.0)
    # Mean 0.8, deviations 0.1, 0, -0.1: sqrt(0.02 / 2) = 0.1.
    assert picture.table() == [
        ("time steps T", "student", "teacher"),
        ("2", "60.0 ± 0.0 %", "50.0 %"),
        ("4", "80.0 ± 10.0 %", "100.0 %"),
    ]
    assert "student, by time steps T, 2: 60.0 ± 0.0 %, 4: 80.0 ± 10.0 %." in picture.alt
    (axes,) = draw(picture).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4"]


def test_variants_need_a_number_each_and_a_seed() -> None:
    with pytest.raises(InputError, match="different numbers"):
        variants("T", [2.0, 2.0], {"student": [(0.5,), (0.5,)]})
    with pytest.raises(InputError, match="student: needs a seed or more of each of 2"):
        variants("T", [1.0, 2.0], {"student": [(0.5,), ()]})


# --- scores --------------------------------------------------------------------------


def test_scores_are_the_mean_over_steps_and_heads() -> None:
    scores = np.zeros((2, 2, 2, 2), dtype=np.float32)
    scores[0, 0, 0, 1] = 6  # one of 4 steps and heads: 1.5
    picture = attention_scores(["good", "film"], [scores, 0 * scores])
    assert picture.scores[0].tolist() == [[0, 1.5], [0, 0]]
    assert "Block 0: good reads film most (1.50)" in picture.alt
    # Read on average by both: film 0.75.
    assert picture.table()[2] == ("film", "0.750", "0.000")
    assert len(draw(picture).axes) == 3  # two blocks and the scale of colors
    with pytest.raises(InputError, match=r"need \(steps, heads, 1, 1\)"):
        attention_scores(["good"], [scores])
