"""Pictures as files and as text: the same data give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

from spikewright.errors import InputError
from spikewright.plots.picture import Picture, draw
from spikewright.plots.style import DARK, FONT, INK, styled
from spikewright.printable import as_html, printable
from spikewright.whole_files import whole_file

FORMATS = (".svg", ".png")
_OURS = "spikewright"
_HEAD = re.compile(r"^.*?<svg\b[^>]*?viewBox=\"([^\"]*)\"[^>]*>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(r"\s*<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
"""rules for all strokes, which the page has itself"""
_SMALL_REM, _LARGE_REM = 4.2, 7.5
"""how small and large a page may show an inch: smaller would be hard to read"""
_TAG = re.compile(r"<[^>]*>")
"""matplotlib writes < and > in words as entities, so no word is in a tag"""
_NAMED = re.compile(r'(\bid="|url\(#|xlink:href="#)')
_FONTS = f"'{FONT}', Verdana, sans-serif"
"""the first that a reader's machine has; Verdana is as wide"""
_FONT = re.compile(f"'{FONT}'(, sans-serif)?")
_COLOR = re.compile("|".join(DARK))


def write_picture(picture: Picture, path: str | Path) -> None:
    """Write a picture as .svg or .png, whole or not at all.

    Raises:
        InputError: another suffix, or the file cannot be written.
        BackendMissingError: matplotlib is not installed.
    """
    path = Path(path)
    check_format(path)
    content = (
        _png(picture) if path.suffix.lower() == ".png" else svg_text(picture).encode()
    )
    with whole_file(path) as place:
        place.write_bytes(content)


def check_format(path: Path) -> None:
    """Raise `InputError` unless a picture can have this name."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path}: pictures are {' or '.join(FORMATS)}; end the name in one of them"
        )


def svg_text(picture: Picture) -> str:
    """Return a standalone SVG with title and description, on white.

    Raises:
        BackendMissingError: matplotlib is not installed.
    """
    said = _said(picture, _OURS)
    start = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" aria-labelledby="{_OURS}-title {_OURS}-desc" '
    )
    text = _METADATA.sub("", _raw(picture))
    return _HEAD.sub(lambda found: f"{start}{_size(found[1])}>{said}", text, count=1)


def svg_inline(picture: Picture, name: str) -> str:
    """Return an SVG to stand in a page: names of its own, colors that follow the page.

    Each color of the style is written as the variable `--plot-…`, see `css_colors`; the
    paper is transparent.

    Args:
        picture: to draw.
        name: of the picture in the page, the beginning of every id.

    Raises:
        BackendMissingError: matplotlib is not installed.
    """
    wide = picture.size_in[0]
    start = (
        f'<svg role="img" aria-labelledby="{name}-title {name}-desc" '
        f'style="min-width: {_SMALL_REM * wide:.4g}rem; '
        f'max-width: {_LARGE_REM * wide:.4g}rem" '
    )
    text = _STYLE.sub("", _METADATA.sub("", _raw(picture)))
    text = _in_tags(text, lambda tag: _NAMED.sub(rf"\g<1>{name}-", tag))
    text = _HEAD.sub(lambda found: f'{start}viewBox="{found[1]}">', text, count=1)
    text = _in_tags(text, lambda tag: _recolored(tag.replace("xlink:href=", "href=")))
    return text.replace(">", f">{_said(picture, name)}", 1)


def _in_tags(text: str, change: Callable[[str], str]) -> str:
    """Change what is between < and >; words stay as they are."""
    return _TAG.sub(lambda found: change(found[0]), text)


def _recolored(tag: str) -> str:
    return _COLOR.sub(lambda found: f"var({_variable(found[0])})", tag)


def css_colors(*, dark: bool) -> str:
    """Return the colors of pictures as CSS variables."""
    return " ".join(
        f"{_variable(light)}: {night if dark else light};"
        for light, night in DARK.items()
    )


def _variable(color: str) -> str:
    return f"--plot-{list(DARK).index(color)}"


def _said(picture: Picture, name: str) -> str:
    return (
        f'<title id="{name}-title">{as_html(picture.title)}</title>'
        f'<desc id="{name}-desc">{as_html(picture.alt)}</desc>'
    )


def _size(view: str) -> str:
    _, _, width, height = view.split()
    return f'width="{width}pt" height="{height}pt" viewBox="{view}"'


def _raw(picture: Picture) -> str:
    figure, out = draw(picture), io.BytesIO()
    with styled():
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = printable(out.getvalue().decode())
    # What has no color of its own is black: let it follow the page as well.
    return _in_tags(text, lambda tag: _FONT.sub(_FONTS, tag).replace("#000000", INK))


def _png(picture: Picture) -> bytes:
    figure, out = draw(picture), io.BytesIO()
    title, alt = printable(picture.title), printable(picture.alt)
    said = {"Software": None, "Title": title, "Description": alt}
    with styled():
        figure.savefig(out, format="png", metadata=said)
    return out.getvalue()
