"""Column A: what papers and tools print, to the printed digit."""

from fractions import Fraction

import pytest

from spikewright.counts import OperationCount
from spikewright.errors import InputError, ProfileError
from spikewright.hardware_profiles.prices.preset_files import list_presets, load_preset
from spikewright.hardware_profiles.prices.presets import (
    RatedLayer,
    price_column,
    price_preset,
    price_published,
    synops_from_rates,
)
from spikewright.hardware_profiles.teachers.flops import electra_flops
from spikewright.hardware_profiles.teachers.operations import SHAPES, count_teacher


def published(name, side, **amounts):
    preset = load_preset(name)
    return price_published(preset, getattr(preset, side), amounts)


def student(name, samples=1, **counts):
    preset = load_preset(name)
    counted = {"n": OperationCount(**counts)}
    return price_column(preset, preset.student, counted, samples=samples)


# --- as printed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flops", "printed"),
    [
        # 22.46 G x 4.6 pJ = 103.316 mJ
        (22_460_000_000, "103.32"),
        # 22.463553 G x 4.6 pJ = 103.3323 mJ
        (22_463_553_000, "103.33"),
    ],
)
def test_spikebert_charges_a_mac_for_each_flop(flops, printed):
    figure = published("spikebert-flop2", "teacher", macs=flops)
    assert f"{figure.energy_j * 1e3:.2f}" == printed
    assert figure.unit == "FLOP"
    assert figure.operations == flops


def test_the_flops_of_electras_script_give_the_printed_baseline():
    flops = electra_flops(SHAPES["bert-base-uncased"], 128)
    figure = published("spikebert-flop2", "teacher", macs=flops)
    assert f"{figure.energy_j * 1e3:.2f}" == "103.33"


def test_bert_by_its_macs():
    # 11.1742 G x 4.6 pJ = 51.40132 mJ
    figure = published("bert-mac", "teacher", macs=11_174_200_000)
    assert f"{figure.energy_j * 1e3:.2f}" == "51.40"


def test_bert_counted_from_its_config_costs_the_same_as_printed():
    preset = load_preset("bert-mac")
    counts = count_teacher(SHAPES["bert-base-uncased"], 128)
    figure = price_column(preset, preset.teacher, counts, samples=1)
    assert f"{figure.energy_j * 1e3:.2f}" == "51.40"
    flops = load_preset("spikebert-flop2")
    doubled = price_column(flops, flops.teacher, counts, samples=1)
    # 2 x 11.174217216 GMAC x 4.6 pJ = 102.8028 mJ
    assert f"{doubled.energy_j * 1e3:.1f}" == "102.8"
    assert doubled.energy_j == pytest.approx(2 * figure.energy_j)
    assert doubled.operations == 2 * 11_174_217_216


def test_spikingformer():
    # 0.520993768 x 4.6 + 12.513659577 x 0.9 = 2.396571 + 11.262294 = 13.658865 mJ
    figure = published(
        "spikingformer", "student", macs=520_993_768, synops=12_513_659_577
    )
    assert f"{figure.energy_j * 1e3:.4f}" == "13.6589"


def test_spikformer_from_average_rates():
    layers = [
        RatedLayer(1_000_000_000, Fraction(1, 10)),
        RatedLayer(500_000_000, Fraction(3, 10)),
    ]
    # 0.1 x 4 x 1 G + 0.3 x 4 x 0.5 G = 0.4 G + 0.6 G = 1 G accumulates
    synops = synops_from_rates(layers, steps=4)
    assert synops == 1_000_000_000
    # 0.9 mJ, and a first layer of 0.1 GMAC: 0.46 mJ
    figure = published("spikformer45", "student", macs=10**8, synops=synops)
    assert figure.energy_j == pytest.approx(1.36e-3)


def test_syops_charges_zero_weights_and_updates():
    figure = student("syops", synops=10, synops_zero=2, updates_active=3, macs=2)
    # (10 + 2 + 3) x 0.9 + 2 x 4.6 = 22.7 pJ
    assert figure.energy_j == pytest.approx(22.7e-12)


def test_neurobench_counts_what_has_an_effect_and_knows_no_joules():
    # Its MLP 20-30-10 over 4 samples of 5 steps: 1281 effective accumulates a sample,
    # 1290 with the five zero weights.
    figure = student(
        "neurobench-effective", samples=4, synops=4 * 1281, synops_zero=4 * 9
    )
    assert figure.operations == 1281
    assert figure.energy_j is None
    assert figure.uncharged == {"synops_zero": 9}


def test_neurobench_leaves_out_macs_of_zeros():
    assert student("neurobench-effective", macs=4500, macs_zero=3000).operations == 1500


def test_kerasspiking_on_loihi(spiking_bert):
    counts = spiking_bert(Fraction(1, 5)).counts
    preset = load_preset("kerasspiking-loihi")
    figure = price_column(preset, preset.student, counts, samples=1)
    # 8.9389 G x 27.1 pJ + 47.19 M x 81 pJ = 242.244 + 3.822 = 246.07 mJ
    assert f"{figure.energy_j * 1e3:.1f}" == "246.1"
    assert preset.teacher is None


def test_kerasspiking_charges_zero_weights():
    # 1290 x 27.1 pJ, not 1281
    figure = student("kerasspiking-loihi", synops=1281, synops_zero=9)
    assert figure.energy_j == pytest.approx(1290 * 27.1e-12)


def test_spikingjelly_reads_one_weight_a_mac():
    # 4.6 + 32 bit x 24.96 / 8 pJ = 4.6 + 99.84 = 104.44 pJ
    figure = student("sj-simple", macs=1, weight_bits_read=32)
    assert figure.energy_j == pytest.approx(104.44e-12)
    # 2 x 0.9 + (8 + 16 + 16) bit x 3.12 = 126.6 pJ
    figure = student(
        "sj-simple",
        synops=2,
        weight_bits_read=8,
        state_bits_read=16,
        state_bits_written=16,
    )
    assert figure.energy_j == pytest.approx(126.6e-12)


def test_compute_only_energy_of_a_spiking_bert(spiking_bert):
    # 0.2 x 4 x 11.1736 G = 8.939 G accumulates x 0.9 pJ = 8.045 mJ, printed as 8.05
    preset = load_preset("spikformer45")
    figure = price_column(
        preset, preset.student, spiking_bert(Fraction(1, 5)).counts, samples=1
    )
    assert f"{figure.energy_j * 1e3:.2f}" == "8.05"


# --- both columns --------------------------------------------------------------------


def test_both_columns_and_their_ratio():
    figure = price_preset(
        load_preset("bert-mac"),
        {"n": OperationCount(synops=800)},
        {"t": OperationCount(macs=1000)},
        samples=4,
        sentences=2,
    )
    # 200 x 0.9 = 180 pJ over 500 x 4.6 = 2300 pJ
    assert figure.student.energy_j == pytest.approx(180e-12)
    assert figure.teacher.energy_j == pytest.approx(2300e-12)
    assert figure.ratio == pytest.approx(180 / 2300)


def test_a_source_without_a_teacher_gives_no_ratio():
    counts = {"n": OperationCount(synops=1, macs=1)}
    figure = price_preset(load_preset("kerasspiking-loihi"), counts, counts, samples=1)
    assert figure.teacher is None
    assert figure.ratio is None
    assert "teacher not priced" in figure.factor


def test_the_factor_of_two_is_said_in_one_sentence():
    counts = {"n": OperationCount(synops=1, macs=1)}
    flops = price_preset(load_preset("spikebert-flop2"), counts, counts, samples=1)
    assert flops.factor.startswith("student per MAC, teacher per FLOP: ")
    assert "doubles the teacher" in flops.factor
    macs = price_preset(load_preset("bert-mac"), counts, counts, samples=1)
    assert macs.factor.startswith("student per MAC, teacher per MAC: ")


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_explains_its_factor_in_one_sentence(name):
    factor = load_preset(name).factor
    assert factor.endswith(".")
    assert ". " not in factor


@pytest.mark.parametrize("name", list_presets())
def test_a_preset_is_linear_in_its_counts(name):
    counts = {"synops": 7, "synops_zero": 2, "macs": 5, "updates_active": 3}
    once, thrice = (
        student(name, **{k: times * v for k, v in counts.items()}) for times in (1, 3)
    )
    assert thrice.operations == 3 * once.operations
    if once.energy_j is not None:
        assert thrice.energy_j == pytest.approx(3 * once.energy_j)


def test_lines_trace_a_figure_to_its_source():
    (line,) = student("spikformer45", synops=3).lines
    assert line.amount == 3
    assert "3 synops x 9e-13 J" in str(line)
    assert "Horowitz" in str(line)


def test_what_a_preset_leaves_out_is_named():
    figure = student("spikformer45", synops=1, updates_inactive=5, norm_elements=2)
    assert figure.uncharged == {"updates_inactive": 5, "norm_elements": 2}


# --- refusals ------------------------------------------------------------------------


def test_all_presets_ship():
    assert list_presets() == (
        "bert-mac",
        "kerasspiking-loihi",
        "neurobench-effective",
        "sj-simple",
        "spikebert-flop2",
        "spikformer45",
        "spikingformer",
        "syops",
    )


def test_refuses_no_samples_rates_below_zero_and_no_steps():
    with pytest.raises(InputError, match="0 samples"):
        student("syops", samples=0, synops=1)
    with pytest.raises(InputError, match="negative"):
        synops_from_rates([RatedLayer(1, -0.1)], steps=1)
    with pytest.raises(InputError, match="0 steps"):
        synops_from_rates([], steps=0)


def test_refuses_an_operation_that_a_column_does_not_charge():
    with pytest.raises(ProfileError, match="'synops' is unknown; allowed: macs"):
        published("bert-mac", "teacher", synops=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('unit = "joule"', "line 6: student.unit 'joule' is unknown; allowed: MAC"),
        ('unit = "MAC"\n[student.counts.synop]', "student.counts.synop: "),
        (
            'unit = "MAC"\n[student.counts.synops]\ntimes = 0\nwhy = "w"',
            "times is 0",
        ),
        (
            'unit = "MAC"\n[student.counts.synops]\ntimes = 1\nwhy = "w"\n'
            '[student.constants.macs]\nvalue = 1\nunit = "J"\nkind = "derived"\n'
            'statistic = "marginal"\nevidence = "assumed"\nsource = "s"',
            "student.constants.macs: is not counted",
        ),
    ],
)
def test_refuses_a_wrong_preset(tmp_path, text, message):
    head = 'title = "t"\nsource = "s"\nfactor = "f."\nnotes = []\n[student]\n'
    counts = "" if "counts" in text else "\n[student.counts]\n"
    path = tmp_path / "mine.toml"
    path.write_text(head + text + counts)
    if "counts.synop]" in text:
        path.write_text(head + text + '\ntimes = 1\nwhy = "w"\n')
    with pytest.raises(ProfileError) as caught:
        load_preset(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
