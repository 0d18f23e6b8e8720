"""Files of pictures: well-formed, the same each time, with words for who cannot see."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from spikewright.errors import InputError
from spikewright.plots.picture import Picture
from spikewright.plots.raster import raster
from spikewright.plots.rates import Firing, Rates
from spikewright.plots.style import DARK
from spikewright.plots.write import css_colors, svg_inline, svg_text, write_picture
from spikewright.trace import SpikeTrace

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
HOSTILE = '<script>x</script>&"'


@pytest.fixture
def picture() -> Picture:
    """Rates of a population whose name would be a script."""
    return Rates((Firing(HOSTILE, 3, 2, 2, 1, 0), Firing("b", 0, 1, 2, 0, 1)), 1)


@pytest.fixture
def image() -> Picture:
    """A raster of so many neurons that it is an image."""
    spikes = np.ones((1, 3, 200), dtype=np.uint8)
    return raster(SpikeTrace({"a": spikes}, {"output": np.zeros((1, 3, 2))}))


def parse(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(svg_text(picture))  # noqa: S314 - our own


def test_an_svg_is_well_formed_and_named(picture: Picture) -> None:
    root = parse(picture)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    by_id = {each.get("id"): each.text for each in root.iter() if each.get("id")}
    named = [by_id[name] for name in root.get("aria-labelledby").split()]
    assert named == [picture.title, picture.alt]
    assert HOSTILE in picture.alt


def test_words_are_text_and_nothing_is_a_script(picture: Picture) -> None:
    root = parse(picture)
    words = ["".join(each.itertext()).strip() for each in root.iter(f"{SVG}text")]
    assert "spikes per neuron and step" in words
    assert any("<script>" in each for each in words)
    assert not list(root.iter(f"{SVG}script"))


def test_nothing_is_loaded(picture: Picture, image: Picture) -> None:
    for each in (picture, image):
        root = parse(each)
        links = [node.get(LINK) for node in root.iter() if node.get(LINK)]
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
        assert not list(root.iter(f"{SVG}metadata"))


def test_the_same_data_give_the_same_bytes(
    picture: Picture, image: Picture, tmp_path: Path
) -> None:
    for each in (picture, image):
        for suffix in ("svg", "png"):
            one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
            write_picture(each, one)
            write_picture(each, two)
            assert one.read_bytes() == two.read_bytes()
            assert not re.search(rb"20\d\d-\d\d-\d\dT", one.read_bytes())


def test_a_png_carries_its_words(picture: Picture, tmp_path: Path) -> None:
    write_picture(picture, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert picture.title.encode() in data


def test_other_formats_and_places_are_refused(picture: Picture, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pictures are \.svg or \.png"):
        write_picture(picture, tmp_path / "a.gif")
    with pytest.raises(InputError, match="there is no folder"):
        write_picture(picture, tmp_path / "nowhere" / "a.svg")
    assert list(tmp_path.iterdir()) == []


# --- in a page -----------------------------------------------------------------------


def test_two_in_a_page_share_no_name(picture: Picture, image: Picture) -> None:
    both = svg_inline(picture, "one") + svg_inline(image, "two")
    names = re.findall(r'\bid="([^"]*)"', both)
    assert len(names) == len(set(names)) > 20
    assert {each.partition("-")[0] for each in names} == {"one", "two"}
    used = re.findall(r'(?:url\(#|href="#)([^)"]*)', both)
    assert used
    assert set(used) <= set(names)


def test_an_svg_in_a_page_follows_its_colors(picture: Picture, image: Picture) -> None:
    text = svg_inline(picture, "one") + svg_inline(image, "two")
    assert not [color for color in DARK if color in text]
    used = set(re.findall(r"var\((--plot-\d)\)", text))
    assert len(used) >= 4
    for dark in (False, True):
        given = set(re.findall(r"(--plot-\d):", css_colors(dark=dark)))
        assert used <= given
    assert "#000000" not in text
    assert "xlink" not in text
    assert "http" not in text
    assert "<style" not in text


def test_an_svg_in_a_page_is_named(picture: Picture) -> None:
    text = svg_inline(picture, "one")
    assert text.startswith('<svg role="img" aria-labelledby="one-title one-desc" ')
    assert f'<title id="one-title">{picture.title}</title>' in text
    assert "<script" not in text
