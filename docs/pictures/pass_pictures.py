"""A picture of each pass, for docs/lowering.md."""

from __future__ import annotations

from collections.abc import Iterator

from svg import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    arrow,
    box,
    line,
    picture,
    text,
    words,
)


def pass_pictures() -> Iterator[tuple[str, str]]:
    """Yield name and SVG of each."""
    yield "pass-discretize", _discretize()
    yield "pass-merge-soft-resets", _merge_soft_resets()
    yield "pass-fold-connections", _fold_connections()
    yield "pass-align-weights", _align_weights()
    yield "pass-balance-delays", _balance_delays()
    yield "pass-relay-long-delays", _relay_long_delays()
    yield "pass-quantize", _quantize()


def _discretize() -> str:
    return picture(
        "An LIF with tau, r, v_leak, v_threshold and v_reset becomes, by forward Euler "
        "with the step dt, SpikingNeurons with a decay, a threshold and a bias.",
        720,
        150,
        text(130, 24, "CONTINUOUS", color=FAINT, size=12),
        box(30, 36, 200, 90, "LIF\ntau, r, v_leak,\nv_threshold, v_reset", ORANGE),
        arrow((230, 81), (440, 81), label="forward Euler, g = r dt / tau"),
        text(565, 24, "DISCRETE", color=FAINT, size=12),
        box(
            440,
            36,
            250,
            90,
            "SpikingNeurons\ndecay = 1 - dt / tau\n"
            "threshold = v_threshold / g\nbias = v_leak / r",
        ),
    )


def _merge_soft_resets() -> str:
    return picture(
        "LI into Threshold, with a way back of one step through Scale(-theta), becomes "
        "one population of SpikingNeurons with a drop.",
        760,
        170,
        text(170, 22, "before: three nodes and a loop", color=FAINT, size=12),
        arrow((10, 65), (50, 65)),
        box(50, 45, 80, 40, "LI", ORANGE),
        arrow((130, 65), (190, 65)),
        box(190, 45, 110, 40, "Threshold θ", ORANGE),
        arrow((300, 65), (345, 65)),
        arrow((245, 85), (245, 130), (160, 130)),
        box(60, 112, 100, 36, "Scale(-θ)", ORANGE),
        arrow((90, 112), (90, 85), dashed=True),
        text(245, 150, "one step late", color=FAINT, size=12),
        text(385, 72, "⟹", size=24),
        text(575, 22, "after: one population", color=FAINT, size=12),
        arrow((420, 80), (455, 80)),
        box(
            455,
            42,
            240,
            76,
            "SpikingNeurons\nv = decay v + a - drop s[t-1]\ns = v > θ",
        ),
        arrow((695, 80), (740, 80)),
    )


def _fold_connections() -> str:
    return picture(
        "Flatten, Affine and Scale between two populations become one dense weight and "
        "synapses from the bias line; AvgPool2d and Conv2d become sparse synapses.",
        800,
        290,
        text(20, 26, "before", color=FAINT, size=12, anchor="start"),
        box(20, 60, 60, 40, "LIF a", ORANGE),
        arrow((80, 72), (120, 60)),
        box(120, 40, 80, 36, "Flatten", FAINT),
        arrow((200, 58), (230, 58)),
        box(230, 40, 120, 36, "Affine W, b", FAINT),
        arrow((350, 58), (380, 58)),
        box(380, 40, 80, 36, "Scale g", FAINT),
        arrow((460, 58), (490, 58)),
        box(490, 38, 70, 40, "LIF b", ORANGE),
        arrow((80, 88), (120, 108)),
        box(120, 92, 100, 36, "AvgPool2d", FAINT),
        arrow((220, 110), (250, 110)),
        box(250, 92, 90, 36, "Conv2d", FAINT),
        arrow((340, 110), (490, 110)),
        box(490, 90, 70, 40, "LIF d", ORANGE),
        line((20, 150), (780, 150), color="#cccccc", width=1),
        text(20, 176, "after", color=FAINT, size=12, anchor="start"),
        box(20, 215, 60, 40, "a"),
        arrow((80, 227), (150, 212)),
        box(150, 192, 170, 36, "DenseSynapses g·W", GREEN),
        arrow((320, 210), (490, 210)),
        box(490, 190, 70, 40, "b"),
        arrow((80, 243), (150, 260)),
        box(150, 244, 230, 36, "SparseSynapses Conv ∘ AvgPool", GREEN),
        arrow((380, 262), (490, 262)),
        box(490, 242, 70, 40, "d"),
        box(690, 190, 90, 40, "bias line", PURPLE),
        arrow((690, 210), (670, 210)),
        box(595, 192, 75, 36, "g·b", GREEN),
        arrow((595, 210), (560, 210)),
    )


def _align_weights() -> str:
    return picture(
        "In float64 0.1 + 0.2 + 0.3 is 0.6000000000000001 and 0.3 + 0.2 + 0.1 is 0.6: "
        "with the threshold 0.6 the neuron fires in the first order only. On a grid of "
        "powers of two both sums are the same.",
        720,
        150,
        text(40, 34, "0.1 + 0.2 + 0.3", anchor="start", mono=True),
        text(220, 34, "=", mono=True),
        text(240, 34, "0.6000000000000001", anchor="start", mono=True),
        text(430, 34, "> 0.6: fires", anchor="start", color=ORANGE, bold=True),
        text(40, 62, "0.3 + 0.2 + 0.1", anchor="start", mono=True),
        text(220, 62, "=", mono=True),
        text(240, 62, "0.6", anchor="start", mono=True),
        text(430, 62, "= 0.6: silent", anchor="start", color=BLUE, bold=True),
        line((40, 80), (680, 80), color="#cccccc", width=1),
        words(
            40,
            104,
            (
                "Rounded to multiples of one power of two that leaves every sum",
                "below 2^53 of them, all orders give the same number.",
            ),
            anchor="start",
            color=GREEN,
        ),
    )


def _balance_delays() -> str:
    return picture(
        "Input at step 0, a at 1, b at 2, c at 3: the way from a to c that skips b "
        "waits one step, the way from the input to c two.",
        720,
        210,
        box(20, 60, 80, 44, "input\narrival 0", PURPLE),
        arrow((100, 82), (200, 82), label="synapses"),
        box(200, 60, 80, 44, "a\narrival 1"),
        arrow((280, 82), (400, 82), label="synapses"),
        box(400, 60, 80, 44, "b\narrival 2"),
        arrow((480, 82), (600, 82), label="synapses"),
        box(600, 60, 80, 44, "c\narrival 3"),
        arrow((240, 60), (240, 26), (640, 26), (640, 60), color=ORANGE),
        text(440, 20, "waits 1 step, then synapses", color=ORANGE, size=12),
        arrow((60, 104), (60, 150), (640, 150), (640, 104), color=ORANGE),
        text(350, 168, "waits 2 steps, then synapses", color=ORANGE, size=12),
        text(
            350,
            196,
            "each synapse takes one step; whatever meets in c left the input together",
            color=FAINT,
            size=12,
        ),
    )


def _relay_long_delays() -> str:
    return picture(
        "A delay of 100 steps becomes 62 steps, a relay that fires on every spike, and "
        "37 more steps; the relay's synapse takes the step in between.",
        760,
        170,
        text(20, 26, "before", color=FAINT, size=12, anchor="start"),
        box(20, 36, 50, 40, "a"),
        arrow((70, 56), (420, 56), label="waits 100 steps"),
        box(420, 38, 100, 36, "synapses", GREEN),
        arrow((520, 56), (560, 56)),
        text(20, 106, "after", color=FAINT, size=12, anchor="start"),
        box(20, 116, 50, 40, "a"),
        arrow((70, 136), (230, 136), label="waits 62"),
        box(230, 114, 170, 44, "relay\nfires on every spike", PURPLE),
        arrow((400, 136), (540, 136), label="waits 37"),
        box(540, 118, 100, 36, "synapses", GREEN),
        arrow((640, 136), (680, 136)),
        text(315, 108, "1 step", color=FAINT, size=12),
        text(720, 141, "62 + 1 + 37", color=INK, size=12),
    )


def _quantize() -> str:
    return picture(
        "The worst input chooses one power of two as scale for a population; each of "
        "its projections then gets the exponent that fills 8 bits, and is rounded.",
        760,
        130,
        box(15, 30, 160, 70, "one population\nall weights into it,\nits threshold"),
        arrow((175, 65), (225, 65)),
        box(
            225,
            30,
            170,
            70,
            "one scale 2^k\nlargest whose worst\ninput fits 24 bits",
            GREEN,
        ),
        arrow((395, 65), (445, 65)),
        box(
            445,
            30,
            170,
            70,
            "an exponent each\nfills the 8 bits of\na projection",
            GREEN,
        ),
        arrow((615, 65), (665, 65)),
        box(665, 30, 80, 70, "round", ORANGE),
    )
