"""How numbers and tables are written."""

import pytest

from spikewright.hardware_profiles.text.layout import amount, joules, text_table


@pytest.mark.parametrize(
    ("energy_j", "text"),
    [
        (0, "0"),
        (3e-15, "0.003 pJ"),
        (23.6e-12, "23.6 pJ"),
        (1.0356e-3, "1.04 mJ"),
        (51.4e-3, "51.4 mJ"),
        (12.0, "12.0 J"),
    ],
)
def test_joules_are_written_with_a_unit_that_fits(energy_j, text):
    assert joules(energy_j) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (12.5, "12.5"),
        (999, "999"),
        (22_498_560, "22.5 M"),
        (1.2e10, "12.0 G"),
    ],
)
def test_amounts_are_written_with_a_prefix(number, text):
    assert amount(number) == text


def test_columns_beyond_the_width_go_below():
    columns = [["layer", "a"], ["one two", "1.0"], ["three", "2.0"]]
    assert (
        text_table(columns, 100) == "layer  one  three\n       two\na      1.0    2.0"
    )
    assert text_table(columns, 10) == (
        "layer  one\n       two\na      1.0\n\nlayer  three\na        2.0"
    )
