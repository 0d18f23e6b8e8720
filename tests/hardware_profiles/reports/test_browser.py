"""A report's page in a real browser: no console error, controls, both themes, a phone.

Talks to Chromium over its pipe (`--remote-debugging-pipe`), so nothing else is needed.
Set SPIKEWRIGHT_SCREENSHOTS to a folder to keep what it looks like.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikewright as sw
from spikewright.graph import Edge, Graph, Stage
from spikewright.hardware_profiles.reports.report import Report
from spikewright.nodes import DenseSynapses, Input, Output, QuantizedNeurons
from spikewright.plots.raster import raster
from spikewright.plots.rates import rates
from spikewright.simulate.integer import run_integer

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FOUND = next((path for name in NAMES if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(FOUND is None, reason=f"none of {', '.join(NAMES)}")
HOSTILE = "<img src=x onerror=alert(1)>"


class Browser:
    """A tab of a headless Chromium."""

    def __init__(self, folder: str) -> None:
        assert FOUND is not None
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        # Chromium reads commands from 3 and answers on 4.
        script = f'exec 3<&{to_child} 4>&{from_child}; exec "$0" "$@"'
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
        self._child = subprocess.Popen(
            [
                *("/bin/bash", "-c", script, FOUND, *options),
                *("--disable-dev-shm-usage", "--hide-scrollbars"),
                *(f"--user-data-dir={folder}", "--remote-debugging-pipe"),
            ],
            pass_fds=(to_child, from_child),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        self._rest, self._last, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 16)
            assert part, "Chromium died"
            self._rest += part
        first, self._rest = self._rest.split(b"\0", 1)
        return json.loads(first)

    def open(self, page: Path) -> None:
        """Open a page and wait until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def said(self) -> list[str]:
        """Return what the page wrote to the console, or threw."""
        kinds = (
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        )
        return [json.dumps(e["params"]) for e in self.events if e["method"] in kinds]

    def requests(self) -> list[str]:
        """Return what the page asked for."""
        sent = (e for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [e["params"]["request"]["url"][:30] for e in sent]

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": " "} if key == " " and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                **text,
            )

    def look(self, name: str) -> None:
        """Keep a picture of the page if that is wanted."""
        if folder := os.environ.get("SPIKEWRIGHT_SCREENSHOTS"):
            shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
            data = base64.b64decode(shot["data"])
            (Path(folder) / f"{name}.png").write_bytes(data)

    def screen(self, width: int, *, dark: bool = False) -> None:
        """Take a screen of a width, in a theme."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[theme])

    def close(self) -> None:
        """End the browser."""
        self._child.terminate()
        self._child.wait(timeout=20)
        os.close(self._write)
        os.close(self._read)


@pytest.fixture(scope="module")
def report() -> Report:
    """A report on two profiles; a population has a name that would be a script."""
    rng = np.random.default_rng(0)
    ones = {"shape": (6,), "dv": 2048, "vth": 64, "scale": 1.0}
    graph = Graph(
        {
            "input": Input((4,)),
            "w": DenseSynapses(rng.integers(-40, 60, (6, 4)), exponent=0),
            HOSTILE: QuantizedNeurons(**ones),
            "r": DenseSynapses(rng.integers(-40, 60, (2, 6)), exponent=0),
            "output": Output((2,), scale=1.0),
        },
        (
            *(Edge("input", "w"), Edge("w", HOSTILE)),
            *(Edge(HOSTILE, "r"), Edge("r", "output")),
        ),
        Stage.QUANTIZED,
        1e-3,
        {"input": 0, HOSTILE: 1, "output": 2},
    )
    spikes = (rng.random((3, 8, 4)) < 0.5).astype(np.uint8)
    trace = run_integer(graph, spikes)
    wanted = sw.Wanted([sw.load_profile("cmos45"), sw.load_profile("loihi1")])
    teacher = sw.teacher_baselines("minilm-l6", 16, steps=8)
    made = sw.report_traces(graph, [(trace, None)], teacher, wanted)
    drawn = (*made.pictures, rates([trace]), raster(trace))
    return Report(made.document, made.figures, made.facts, made.gaps, drawn)


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report.to_html(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # its folder is still written into while it ends
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = Browser(folder)
        yield made
        made.close()


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.screen(1100)
    browser.open(page)
    return browser


def test_it_opens_without_a_word_on_the_console(opened: Browser) -> None:
    assert opened.said() == []
    assert opened.value("document.querySelector('h1').textContent").startswith(
        "Student"
    )
    opened.look("light")


def test_it_asks_for_nothing_but_itself(opened: Browser) -> None:
    assert {url.split(":")[0] for url in opened.requests()} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in opened.requests()) == 1


def test_a_name_that_would_be_a_script_is_text(opened: Browser) -> None:
    assert opened.value("document.querySelectorAll('img').length") == 0
    assert HOSTILE in opened.value("document.body.textContent")


def test_no_network_is_allowed(opened: Browser) -> None:
    opened.value("fetch('https://example.org/').catch(() => 0); 0")
    opened.value("new Image().src = 'https://example.org/x.png'; 0")
    said = " ".join(opened.said())
    assert "Connecting to 'https://example.org/' violates" in said
    assert "Loading the image 'https://example.org/x.png' violates" in said


SHOWN = (
    "[...document.querySelectorAll('[data-profile]')]"
    ".filter((each) => each.checkVisibility()).map((each) => each.dataset.profile)"
)


def test_the_picker_shows_one_profile(opened: Browser) -> None:
    assert set(opened.value(SHOWN)) == {"cmos45", "loihi1"}
    opened.value("document.querySelector('input[value=loihi1]').click(); 0")
    assert set(opened.value(SHOWN)) == {"loihi1"}
    opened.value("document.querySelector('#profiles input').click(); 0")
    assert set(opened.value(SHOWN)) == {"cmos45", "loihi1"}


def test_the_picker_obeys_the_keyboard(opened: Browser) -> None:
    opened.value("document.querySelector('#profiles input').focus(); 0")
    opened.press("ArrowRight", 39)
    assert set(opened.value(SHOWN)) == {"cmos45"}
    opened.press("ArrowRight", 39)
    assert set(opened.value(SHOWN)) == {"loihi1"}


ROWS = (
    "[...document.querySelectorAll('#table-1 tbody tr')]"
    ".filter((each) => !each.hidden).map((each) => each.dataset.row)"
)


def test_rows_of_layers_can_be_hidden(opened: Browser) -> None:
    control = "document.querySelector('[data-rows-of=table-1]')"
    before = opened.value(ROWS)
    assert {"input", HOSTILE, "output", "total"} <= set(before)
    opened.value(
        f"{control}.open = true; {control}.querySelectorAll('input')[1].focus()"
    )
    opened.press(" ", 32)
    assert opened.value(ROWS) == before[1:]
    opened.value(f"{control}.querySelector('input').click(); 0")
    assert opened.value(ROWS) == []
    opened.value(f"{control}.querySelector('input').click(); 0")
    assert opened.value(ROWS) == before


def test_dark_is_dark_and_pictures_follow(opened: Browser) -> None:
    opened.screen(1100, dark=True)
    paper = opened.value("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(22, 24, 28)"
    text = "getComputedStyle(document.querySelector('figure svg text')).fill"
    assert opened.value(text) == "rgb(236, 236, 236)"
    opened.look("dark")


def test_a_phone_scrolls_down_only(opened: Browser) -> None:
    opened.screen(390)
    assert opened.value("document.documentElement.scrollWidth") <= 390
    assert opened.value("getComputedStyle(document.body).fontSize") == "16px"
    opened.look("phone")


def test_print_is_light_and_without_controls(opened: Browser) -> None:
    opened.screen(1100, dark=True)
    opened.ask("Emulation.setEmulatedMedia", media="print")
    paper = opened.value("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    assert not opened.value("document.getElementById('profiles').checkVisibility()")
    opened.ask("Emulation.setEmulatedMedia", media="")


def test_without_scripts_everything_is_there(browser: Browser, page: Path) -> None:
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert set(browser.value(SHOWN)) == {"cmos45", "loihi1"}
        assert not browser.value(
            "document.getElementById('profiles').checkVisibility()"
        )
        assert browser.said() == []
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_pictures_are_named_for_who_cannot_see_them(opened: Browser) -> None:
    tree = opened.ask("Accessibility.getFullAXTree")["nodes"]
    images = [e for e in tree if e.get("role", {}).get("value") in ("img", "image")]
    assert len(images) == opened.value("document.querySelectorAll('figure').length") > 5
    for image in images:
        assert image["name"]["value"]
        assert image["description"]["value"]
