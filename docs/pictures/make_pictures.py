"""Draw the pictures of the site: `python docs/pictures/make_pictures.py [FOLDER]`.

They are plain SVG without dates or random numbers, so the same code gives the same
bytes; a test draws them again and compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from concept_pictures import concept_pictures
from house_picture import house_pictures
from pass_pictures import pass_pictures

FOLDER = Path(__file__).parent


def make_pictures(folder: Path) -> None:
    """Write every picture into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in (*concept_pictures(), *pass_pictures(), *house_pictures()):
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    make_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
