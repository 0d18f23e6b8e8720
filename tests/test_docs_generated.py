"""Pages and pictures that are made by scripts are what the scripts make today."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np

import spikewright as sw
from spikewright.graph import Edge, Graph, Stage
from spikewright.nodes import Input, Output, SpikingNeurons
from spikewright.simulate.reference import run_reference

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LOWERING = (DOCS / "lowering.md").read_text(encoding="utf-8")


def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PASSES = _load(DOCS / "make_passes.py")


def test_the_page_of_passes_is_current() -> None:
    page = (DOCS / "passes.md").read_text(encoding="utf-8")
    assert page == PASSES.passes_page(), "run: python docs/make_passes.py"


def test_the_passes_are_those_that_run_in_their_order() -> None:
    graph = sw.read_nir(PASSES.SAMPLE)
    log = sw.lower(graph, dt_s=PASSES.SAMPLE_DT_S).log
    assert [record.name for record in log] == PASSES.pass_names()


def test_each_pass_has_a_picture_and_its_reasons() -> None:
    for name in PASSES.pass_names():
        section = LOWERING.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert f"](pictures/pass-{name.replace('_', '-')}.svg)" in section
        assert f"[`{name}`](#{name})" in LOWERING


def test_a_pass_shows_its_docstring() -> None:
    page = PASSES.passes_page()
    section = page.partition("## relay_long_delays\n")[2].partition("\n## ")[0]
    assert "Leave no axonal delay above `MAX_DELAY`" in section
    assert "- `GraphError`: a population that sends numbers" in section
    assert "TIMED | TIMED" in page


def test_powers_stay_powers() -> None:
    # ** of Python would be bold in Markdown, except within backquotes
    assert PASSES._escaped("2**n and `2**n`") == r"2\*\*n and `2**n`"
    assert PASSES._escaped("    2**n") == "    2**n"


# --- pictures ------------------------------------------------------------------------


def test_pictures_are_current(tmp_path: Path) -> None:
    script = DOCS / "pictures" / "make_pictures.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in script.parent.glob("*.svg")}
    assert sorted(made) == sorted(kept)
    changed = [name for name, drawn in made.items() if drawn != kept[name]]
    assert changed == [], "run: python docs/pictures/make_pictures.py"


def test_every_picture_is_shown_with_words_for_those_who_cannot_see_it() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    for picture in (DOCS / "pictures").glob("*.svg"):
        shown = re.search(rf"!\[(.+?)\]\(pictures/{picture.name}\)", pages)
        assert shown is not None, picture.name
        assert len(shown[1]) > 20
        assert "<title>" in picture.read_text(encoding="utf-8")


def test_pictures_fetch_nothing() -> None:
    for picture in (DOCS / "pictures").glob("*.svg"):
        links = re.findall(r"https?://[^\s\"]+", picture.read_text(encoding="utf-8"))
        assert links == ["http://www.w3.org/2000/svg"]


NEURON = """
import json, sys
sys.path.insert(0, sys.argv[1])
from concept_pictures import DECAY, INPUTS, THRESHOLD, _neuron
print(json.dumps([DECAY, THRESHOLD, INPUTS, _neuron(None), _neuron(THRESHOLD)]))
"""


def test_the_neurons_of_the_first_picture_are_those_of_the_reference() -> None:
    command = [sys.executable, "-c", NEURON, str(DOCS / "pictures")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    decay, threshold, inputs, hard, soft = json.loads(done.stdout)
    given = np.array(inputs).reshape(1, -1, 1)  # one sample, one neuron
    for drop, (potentials, spikes) in ((None, hard), (np.full(1, threshold), soft)):
        reached = []
        trace = run_reference(
            _one_neuron(decay, threshold, drop),
            given,
            probe=lambda name, t, a, state: reached.append(float(state.reached[0])),  # noqa: B023
        )
        assert trace.spikes["neuron"].ravel().tolist() == spikes
        assert reached == potentials


def _one_neuron(decay: float, threshold: float, drop: np.ndarray | None) -> Graph:
    neuron = SpikingNeurons(
        decay=np.full(1, decay),
        threshold=np.full(1, threshold),
        bias=np.zeros(1),
        drop=drop,
    )
    nodes = {"input": Input((1,)), "neuron": neuron, "output": Output((1,))}
    edges = (Edge("input", "neuron"), Edge("neuron", "output"))
    return Graph(nodes, edges, Stage.DISCRETE, dt_s=1e-3)
