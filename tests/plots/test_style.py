"""Colors that everyone can tell apart and read, and a style that leaves no trace."""

from __future__ import annotations

import itertools
import sys

import matplotlib
import numpy as np
import pytest

from spikewright.errors import BackendMissingError
from spikewright.plots.attention import LIGHT
from spikewright.plots.picture import draw
from spikewright.plots.rates import Firing, Rates
from spikewright.plots.style import (
    DARK,
    FAINT,
    IMAGE,
    INK,
    MAP,
    ON_DARK,
    ON_LIGHT,
    PAPER,
    SERIES,
    styled,
)
from spikewright.plots.units import joules, share, three_digits

TEXT, GRAPHICS = 4.5, 3.0
"""WCAG 2.2: least contrast of text (1.4.3 AA) and of graphics (1.4.11)"""
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
"""Machado et al. (2009), full severity, on linear RGB"""
ONE = Rates((Firing("a", 1, 2, 2, 0, 1),), 1)


def linear(color: str) -> np.ndarray:
    """sRGB to linear light, as WCAG defines it."""
    values = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )


def contrast(one: str, other: str) -> float:
    lights = sorted(linear(each) @ [0.2126, 0.7152, 0.0722] for each in (one, other))
    return float((lights[1] + 0.05) / (lights[0] + 0.05))


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("color", [INK, FAINT, *SERIES])
def test_text_and_lines_can_be_read_on_light_and_dark(color: str) -> None:
    assert contrast(color, PAPER) >= TEXT
    assert contrast(DARK[color], DARK[PAPER]) >= TEXT


def test_images_are_seen_on_both() -> None:
    assert contrast(IMAGE, PAPER) >= GRAPHICS
    assert contrast(IMAGE, DARK[PAPER]) >= GRAPHICS


@pytest.mark.parametrize("value", np.linspace(0, 1, 21))
def test_numbers_can_be_read_on_each_cell_of_a_heat_map(value: float) -> None:
    cell = matplotlib.colors.to_hex(matplotlib.colormaps[MAP](value))
    assert contrast(ON_LIGHT if value > LIGHT else ON_DARK, cell) >= TEXT


@pytest.mark.parametrize("matrix", [DEUTERANOPIA, PROTANOPIA])
@pytest.mark.parametrize("dark", [False, True])
def test_the_first_two_colors_differ_for_the_color_blind(
    matrix: list[list[float]], dark: bool
) -> None:
    seen = [
        np.clip(np.array(matrix) @ linear(DARK[each] if dark else each), 0, 1)
        for each in SERIES[:2]
    ]
    # Blue and orange stay apart in blue, which neither kind of blindness touches.
    assert abs(seen[0][2] - seen[1][2]) > 0.25


def test_each_color_has_a_partner_of_its_own_in_the_dark() -> None:
    assert {INK, FAINT, PAPER, *SERIES} == set(DARK)
    for one, other in itertools.combinations(DARK.values(), 2):
        assert one != other


def test_the_style_stays_inside() -> None:
    with styled():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
        inside = matplotlib.rcParams["text.color"]
    assert inside == INK != matplotlib.rcParams["text.color"]


def test_names_are_no_formulas() -> None:
    figure = draw(Rates((Firing("a$b$_c", 1, 2, 2, 0, 1),), 1))
    labels = [each.get_text() for each in figure.axes[0].get_yticklabels()]
    assert labels == ["a$b$_c"]
    assert not figure.axes[0].get_yticklabels()[0].get_parse_math()


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        BackendMissingError, match=r"pip install 'spikewright\[plots\]'"
    ):
        draw(ONE)


def test_numbers_have_units_that_people_read() -> None:
    assert [joules(x) for x in (0, 1.234e-3, 4.6e-12, 2.64e-5, 20)] == [
        *("0 J", "1.23 mJ", "4.6 pJ", "26.4 µJ", "20 J"),
    ]
    assert joules(4.6e-15) == "0.0046 pJ"
    assert [share(x) for x in (0, 0.0071, 0.0421, 0.473, 1)] == [
        *("0 %", "0.71 %", "4.2 %", "47.3 %", "100 %"),
    ]
    assert [three_digits(x) for x in (1234.5, 56.64, 0.34349, 0.0012)] == [
        *("1234", "56.6", "0.343", "0.0012"),
    ]
