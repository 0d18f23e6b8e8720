"""The pictures of docs/concepts.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from number_pictures import counting_and_pricing, integers
from svg import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PURPLE,
    TINTS,
    arrow,
    bars,
    box,
    dot,
    line,
    picture,
    text,
    words,
)


def concept_pictures() -> Iterator[tuple[str, str]]:
    """Yield name and SVG of each."""
    yield "spike-and-reset", _spike_and_reset()
    yield "four-stages", _four_stages()
    yield "time-and-delay", _time_and_delay()
    yield "bias-line", _bias_line()
    yield "integers", integers()
    yield "counting-and-pricing", counting_and_pricing()


# --- spike and reset -----------------------------------------------------------------

INPUTS = (0.5, 0.5, 0.75, 0, 1.0, 1.0, 0.75, 0, 0, 0.5, 0.75, 0.5, 0, 0, 0)
DECAY, THRESHOLD = 0.75, 1.0


def _neuron(drop: float | None) -> tuple[list[float], list[int]]:
    """Return v before its reset, and spikes; hard reset without a `drop`."""
    v, spike, reached, spikes = 0.0, 0, [], []
    for a in INPUTS:
        v = DECAY * v + a - (drop or 0.0) * spike
        spike = int(v > THRESHOLD)
        reached.append(v)
        spikes.append(spike)
        if drop is None and spike:
            v = 0.0
    return reached, spikes


def _trace(top: float, name: str, drop: float | None, color: str) -> str:
    """Draw v as a line, spikes below it; 1.0 of v is 50 high."""
    reached, spikes = _neuron(drop)
    left, step, base = 170, 34, top + 95
    parts = [
        words(20, top + 40, name.split("\n"), anchor="start"),
        line((left, base), (left + 500, base), color="#bbbbbb", width=1),
        line(
            (left, base - 50),
            (left + 500, base - 50),
            color=FAINT,
            width=1,
            dashed=True,
        ),
        text(left + 506, base - 46, "threshold", color=FAINT, size=11, anchor="start"),
    ]
    points: list[tuple[float, float]] = [(left, base)]
    for i, (v, spike) in enumerate(zip(reached, spikes, strict=True)):
        x = left + step * i + step / 2
        points.append((x, base - 50 * v))
        if drop is None and spike:
            points.append((x, base))
    parts.append(line(*points, color=color))
    parts += [
        dot(left + step * i + step / 2, base - 50 * reached[i], 4, color=color)
        for i in range(len(spikes))
        if spikes[i]
    ]
    parts.append(bars(left + step / 2, base + 26, step, spikes, color))
    return "\n".join(parts)


def _spike_and_reset() -> str:
    left, step = 170, 34
    inputs = [
        line(
            (left + step * i + step / 2, 60),
            (left + step * i + step / 2, 58 - 40 * a),
            width=6,
            color=FAINT,
        )
        for i, a in enumerate(INPUTS)
    ]
    hard, soft = (sum(_neuron(drop)[1]) for drop in (None, THRESHOLD))
    return picture(
        f"The same input into two neurons. With a hard reset the potential falls to 0 "
        f"after each of {hard} spikes; with a soft reset the threshold is taken off one "
        f"step later, what is above stays, and there are {soft} spikes.",
        760,
        350,
        words(20, 44, ("weighted input a",), anchor="start"),
        *inputs,
        _trace(80, f"hard reset:\nv = 0 after a spike\n{hard} spikes", None, BLUE),
        _trace(
            210, f"soft reset:\nv - θ, a step later\n{soft} spikes", THRESHOLD, ORANGE
        ),
    )


# --- stages --------------------------------------------------------------------------


def _four_stages() -> str:
    stages = (
        ("CONTINUOUS\nseconds, reals\nτ v' = -v + R I", ORANGE),
        ("DISCRETE\na time step\nv = decay v + a", PURPLE),
        ("TIMED\na step a synapse\ndelays balance", BLUE),
        ("QUANTIZED\nLoihi's integers\n8, 12, 24 bits", GREEN),
    )
    passes = (
        ("discretize",),
        ("balance_delays",),
        ("relay_long_delays,", "quantize"),
    )
    parts = []
    for i, (label, color) in enumerate(stages):
        parts.append(box(15 + 200 * i, 40, 140, 76, label, color))
    for i, names in enumerate(passes):
        parts.append(arrow((155 + 200 * i, 78), (215 + 200 * i, 78)))
        parts.append(words(185 + 200 * i, 136, names, mono=True, size=11))
    parts += [
        text(85, 26, "read_nir", mono=True, size=11, color=FAINT),
        words(
            285,
            170,
            ("merge_soft_resets, fold_connections, align_weights",),
            mono=True,
            size=11,
        ),
        line((285, 116), (285, 156), color=FAINT, width=1, dashed=True),
        text(285, 187, "stay within DISCRETE", color=FAINT, size=12),
    ]
    return picture(
        "Four stages in a row: CONTINUOUS in seconds, DISCRETE in steps, TIMED with a "
        "step for each synapse, QUANTIZED in integers; passes lead from one to the next.",
        770,
        205,
        *parts,
    )


# --- time ----------------------------------------------------------------------------

SHADES = (BLUE, ORANGE, GREEN, PURPLE)


def _cells(
    x: float, y: float, name: str, data: Sequence[int | None], mark: bool = False
) -> str:
    """Draw a row of cells: which step of the data is there at each step of the chip."""
    parts = [text(x - 8, y + 17, name, anchor="end", size=12, bold=mark)]
    for i, step in enumerate(data):
        color = FAINT if step is None else SHADES[step % 4]
        fill = "#ffffff" if step is None else TINTS[color]
        edge = "#cccccc" if step is None else color
        parts.append(
            f'<rect x="{x + 32 * i:g}" y="{y:g}" width="28" height="24" rx="3" '
            f'fill="{fill}" stroke="{edge}"/>'
        )
        if step is not None:
            parts.append(text(x + 32 * i + 14, y + 17, str(step), color=color))
    return "\n".join(parts)


def _shifted(by: int, steps: int = 6, last: int | None = None) -> list[int | None]:
    """Return which step of the data arrives at each step, `by` steps late."""
    late = [i - by for i in range(steps)]
    end = steps if last is None else last
    return [i if 0 <= i < end else None for i in late]


def _time_and_delay() -> str:
    def panel(left: float, title: str, skip: int, verdict: str, color: str) -> str:
        rows = (
            ("input", 0),
            ("a", 1),
            ("b", 2),
            ("c hears b", 3),
            ("c hears a", skip),
        )
        parts = [text(left + 88, 26, title, bold=True)]
        parts += [
            _cells(left, 40 + 30 * i + 10 * (i > 2), name, _shifted(by), i > 2)
            for i, (name, by) in enumerate(rows)
        ]
        parts.append(text(left + 88, 222, verdict, color=color))
        return "\n".join(parts)

    return picture(
        "Input, a, b and c in a row, and a way from a to c that skips b; a step for each "
        "synapse. Unbalanced, c gets step 0 of a together with nothing of b, then step 1 "
        "with step 0. With a delay of one step on the skip, equal steps meet.",
        760,
        265,
        panel(
            130, "a skip, as it is", 2, "1 of a meets 0 of b: garbage, silently", ORANGE
        ),
        panel(500, "delay 1 on the skip", 3, "equal steps meet: exact", GREEN),
        text(
            380,
            250,
            "numbers: step of the sample; columns: steps of the chip; way: "
            "input → a → b → c, and a → c",
            color=FAINT,
            size=12,
        ),
    )


def _bias_line() -> str:
    rows = (
        ("data of the sample", 0),
        ("a hears data", 1),
        ("a hears its bias", 1),
        ("b hears data", 2),
        ("b hears its bias", 2),
    )
    parts = [
        _cells(190, 20 + 30 * i, name, _shifted(by, 8, 4), "bias" in name)
        for i, (name, by) in enumerate(rows)
    ]
    return picture(
        "A sample of 4 steps. Population a, one synapse away, gets data and bias at steps "
        "1 to 4; b, two away, at steps 2 to 5; before and after there is neither.",
        760,
        215,
        *parts,
        words(
            470,
            46,
            (
                "one neuron, the bias line, fires at",
                "exactly the T steps of the sample;",
                "its synapses are the biases, and wait",
                "like any other: T times each, never",
                "before the data, never after them",
            ),
            anchor="start",
            size=12,
            color=FAINT,
        ),
        text(318, 198, "steps of the chip, T = 4", color=FAINT, size=12),
    )
