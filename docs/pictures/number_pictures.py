"""The pictures of docs/concepts.md that have to do with numbers."""

from __future__ import annotations

from svg import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    TINTS,
    arrow,
    box,
    line,
    picture,
    text,
)

# --- integers ------------------------------------------------------------------------

WEIGHTS = (0.71, -0.33, 0.052, -0.9)


def integers() -> str:
    """Draw four weights as multiples of 2/256: Loihi drops a bit if signs are mixed."""
    codes = [2 * round(w * 256 / 2) for w in WEIGHTS]
    parts = [
        text(20, 30, "real weights into one population", anchor="start", bold=True),
        text(420, 30, "8 bits, one exponent a projection", anchor="start", bold=True),
    ]
    for i, (weight, code) in enumerate(zip(WEIGHTS, codes, strict=True)):
        y = 60 + 24 * i
        parts += [
            text(100, y, f"{weight:+.3f}", mono=True, anchor="end"),
            arrow((130, y - 4), (400, y - 4), color=FAINT),
            text(
                420,
                y,
                f"{code:+4d} × 2^-8  =  {code / 256:+.5f}",
                mono=True,
                anchor="start",
            ),
        ]
    parts.append(
        text(265, 50, "round to even codes (signs are mixed)", color=FAINT, size=12)
    )
    parts.append(line((20, 150), (740, 150), color="#cccccc", width=1))
    registers = (
        ("weight", 8, BLUE, "even codes -256 … 254 if signs are mixed, else 0 … 255"),
        ("decay", 12, PURPLE, "in 1/4096"),
        ("threshold", 17, ORANGE, "shifted by 6 bits: v > θ · 64, strictly"),
        ("u and v", 24, GREEN, "inputs enter shifted by 6 bits: |a| < 2^17"),
    )
    for i, (name, bits, color, says) in enumerate(registers):
        y = 168 + 30 * i
        parts.append(text(90, y + 15, name, anchor="end"))
        parts.append(
            f'<rect x="100" y="{y}" width="{10 * bits}" height="20" rx="3" '
            f'fill="{TINTS[color]}" stroke="{color}"/>'
        )
        parts.append(text(100 + 5 * bits, y + 15, f"{bits} bits", size=11, color=color))
        parts.append(text(355, y + 15, says, anchor="start", size=12, color=FAINT))
    return picture(
        "Four weights of mixed signs become even 8-bit codes with one exponent; below, "
        "the registers: weights 8 bits, decays 12, thresholds 17, current and potential "
        "24.",
        760,
        295,
        *parts,
    )


# --- counting ------------------------------------------------------------------------


def counting_and_pricing() -> str:
    """Draw the way from a run to joules, with one product worked out."""
    spikes, fan_out, constant = 3, 4, 23.6
    return picture(
        "A graph and a trace give counts, which are integers; profiles give constants "
        "with sources. Their products are columns A and B, and with those of the teacher "
        "ratios and break-even rates.",
        760,
        270,
        box(15, 20, 130, 56, "graph\nlowered, placed", BLUE),
        box(15, 96, 130, 56, "trace\nevery spike", BLUE),
        arrow((145, 48), (215, 76)),
        arrow((145, 124), (215, 100)),
        box(215, 50, 150, 76, "counts\nexact integers;\nknow no joules", GREEN),
        arrow((365, 88), (430, 88)),
        box(430, 50, 130, 76, "× = joules\nline by line, each\nwith its source"),
        box(420, 165, 150, 56, "profile\nconstants, ranges", ORANGE),
        arrow((495, 165), (495, 126)),
        arrow((560, 74), (620, 50)),
        box(620, 20, 125, 56, "column A\ncompute only", PURPLE),
        arrow((560, 102), (620, 124)),
        box(620, 96, 125, 56, "column B\nin full, ranges", PURPLE),
        box(215, 165, 150, 56, "teacher's counts\nfrom its own graph", GREEN),
        arrow((365, 185), (445, 126)),
        text(
            380,
            250,
            f"{spikes} spikes × fan-out {fan_out} = {spikes * fan_out} synops; "
            f"× {constant} pJ (Loihi 1, Davies 2018, Table 2) = "
            f"{spikes * fan_out * constant:.1f} pJ",
            color=INK,
            size=12,
        ),
    )
