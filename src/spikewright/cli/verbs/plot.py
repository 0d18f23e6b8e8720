"""`spikewright plot`: find the data of a picture, then write it or print the data."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from spikewright.cli.argument_parser import UsageError
from spikewright.cli.networks.lowering import check_outputs
from spikewright.cli.output.documents import origin
from spikewright.cli.output.screen import show
from spikewright.cli.plot.network import (
    plot_graph,
    plot_placement,
    plot_quantization,
)
from spikewright.cli.plot.report import (
    plot_break_even,
    plot_curve,
    plot_energy,
    plot_profiles,
)
from spikewright.cli.plot.run import (
    plot_attention,
    plot_convergence,
    plot_raster,
    plot_rates,
)
from spikewright.cli.plot.sweep import plot_sweep
from spikewright.plots.picture import Picture, document
from spikewright.plots.style import load_matplotlib
from spikewright.plots.write import check_format, write_picture

KINDS: Mapping[str, Callable[[Namespace], Picture]] = MappingProxyType(
    {
        "raster": plot_raster,
        "rates": plot_rates,
        "attention": plot_attention,
        "convergence": plot_convergence,
        "sweep": plot_sweep,
        "energy": plot_energy,
        "profiles": plot_profiles,
        "break-even": plot_break_even,
        "graph": plot_graph,
        "placement": plot_placement,
        "quantization": plot_quantization,
        "curve": plot_curve,
    }
)


def run_plot(args: Namespace) -> int:
    """Write the picture, or print its data, or both."""
    output: Path | None = args.output
    if output is None and not args.json:
        raise UsageError(
            f"spikewright plot {args.kind}: give -o FILE.svg or FILE.png, or --json"
        )
    if output is not None:
        check_format(output)
        check_outputs([output], [args.file])
        load_matplotlib()
    picture = KINDS[args.kind](args)
    if output is not None:
        write_picture(picture, output)
    if args.json:
        print(json.dumps({**origin(args), **document(picture)}, indent=2))
    else:
        show(f"{picture.alt}\n-> {output}")
    return 0
