"""What `lower` does about integers: choices, calibration, and the report as a table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from spikewright.cli.networks.lowering import Network
from spikewright.cli.output.screen import Table
from spikewright.errors import InputError
from spikewright.export.lower import Lowering, lower
from spikewright.export.passes.quantize_report import (
    QuantizationReport,
    quantization_report,
)
from spikewright.export.passes.rounding import Quantization
from spikewright.graph import Graph, Stage
from spikewright.simulate.compare import SpikeAgreement, spike_agreement
from spikewright.simulate.inputs import Inputs
from spikewright.simulate.ranges import Observation, observe

_CHOICES = ("rounding", "scale", "percentile", "weight_bits", "seed")
ONLY_QUANTIZED = (*_CHOICES, "calibrate", "report")
"""options that no other stage heeds"""


@dataclass(frozen=True, eq=False)
class Quantized:
    """A network in integers, and what that did to it."""

    lowering: Lowering
    choices: Quantization
    report: QuantizationReport
    agreement: Mapping[str, SpikeAgreement]
    """of TIMED and QUANTIZED spikes on the calibration inputs, if there are any"""


def choices_of(args: Namespace) -> Quantization:
    """Return what the options choose.

    Raises:
        InputError: an option would be without effect, or has no such value.
    """
    if args.to != Stage.QUANTIZED.name.lower():
        for name in ONLY_QUANTIZED:
            if getattr(args, name) is not None:
                raise InputError(
                    f"--{name.replace('_', '-')}: has no effect with --to {args.to}; "
                    "use it with --to quantized"
                )
    for name, other, value in (
        ("percentile", "scale", "percentile"),
        ("seed", "rounding", "stochastic"),
    ):
        if getattr(args, name) is not None and getattr(args, other) != value:
            raise InputError(
                f"--{name}: has no effect without --{other} {value}; add it"
            )
    named = {
        name: getattr(args, name)
        for name in _CHOICES
        if getattr(args, name) is not None
    }
    return Quantization(**named)


def quantize_network(
    network: Network,
    choices: Quantization,
    inputs: Inputs | None,
    after_pass: Callable[[str, Graph], None],
) -> Quantized:
    """Lower a network to integers, calibrated on `inputs` if there are any, and report.

    Raises:
        GraphError: a pass cannot express a node.
        InputError: the inputs do not fit.
        OverflowDetectedError: on the inputs an integer leaves its register.
    """
    chooser = _Chooser(choices, inputs)
    lowering = lower(
        network.graph, dt_s=network.dt_s, quantization=chooser, after_pass=after_pass
    )
    timed, seen = chooser.timed, chooser.seen
    assert timed is not None  # noqa: S101 - quantize asked the chooser
    if inputs is None or seen is None:
        report = quantization_report(
            timed, lowering.graph, weight_bits=choices.weight_bits
        )
        return Quantized(lowering, choices, report, {})
    found = observe(lowering.graph, inputs)
    return Quantized(
        lowering,
        chooser.choices,
        quantization_report(
            timed, lowering.graph, found.ranges, weight_bits=choices.weight_bits
        ),
        spike_agreement(seen.trace, found.trace, given=timed.inputs),
    )


@dataclass
class _Chooser:
    """Calibrates the choices once the TIMED graph is there, and keeps what it saw."""

    choices: Quantization
    inputs: Inputs | None
    timed: Graph | None = None
    seen: Observation | None = None

    def __call__(self, timed: Graph) -> Quantization:
        """Return the choices for `timed`."""
        self.timed = timed
        if self.inputs is not None:
            self.seen = observe(timed, self.inputs)
            self.choices = replace(self.choices, calibration=self.seen.ranges)
        return self.choices


# --- the report ----------------------------------------------------------------------


def as_document(done: Quantized) -> dict[str, Any]:
    """Return the report as plain values: choices, populations, projections."""
    document: dict[str, Any] = asdict(done.report)
    for name, population in document["populations"].items():
        same = done.agreement.get(name)
        population["agreement"] = None if same is None else asdict(same)
    made = done.choices
    return {
        "choices": {
            "rounding": made.rounding,
            "scale": made.scale,
            "percentile": made.percentile if made.scale == "percentile" else None,
            "weight_bits": made.weight_bits,
            "seed": made.seed if made.rounding == "stochastic" else None,
            "calibrated": made.calibration is not None,
        },
        **document,
    }


def tables_of(document: Mapping[str, Any]) -> tuple[Table, Table]:
    """Return the report as tables of populations and of projections."""
    populations: list[tuple[str, ...]] = []
    for name, each in document["populations"].items():
        threshold = each["threshold"]
        populations.append(
            (
                name,
                f"{each['scale']:g}",
                "" if threshold is None else str(threshold),
                _bits(each["worst"]),
                _bits(each["measured"]),
                _agreed(each["agreement"]),
            )
        )
    projections: list[tuple[str, ...]] = []
    for name, each in document["projections"].items():
        projections.append(
            (
                name,
                str(each["weights"]),
                str(each["bits"]),
                str(each["exponent"]),
                str(each["saturated"]),
                str(each["lost"]),
                f"{each['rms_error']:.2%}",
                f"{each['gain_bits_lost']:.1f}",
            )
        )
    return Table(POPULATION_HEAD, populations), Table(PROJECTION_HEAD, projections)


POPULATION_HEAD = (
    *("population", "scale", "threshold"),
    *("spare bits a u v", "measured", "spikes that differ"),
)
PROJECTION_HEAD = (
    *("projection", "weights", "bits", "exponent", "saturated", "lost"),
    *("rms error", "bits lost by gains"),
)


def _bits(room: Mapping[str, float | None] | None) -> str:
    if room is None:
        return ""
    return " ".join("-" if bits is None else f"{bits:.1f}" for bits in room.values())


def _agreed(same: Mapping[str, Any] | None) -> str:
    return "" if same is None else "{mismatches} of {compared}".format(**same)
