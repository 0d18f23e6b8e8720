"""The command line: parse, call, print. No logic lives here."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spikewright.cli.parser import build_parser
from spikewright.errors import SpikewrightError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the user can fix it, 2 bad usage (argparse exits)."""
    args = build_parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except SpikewrightError as error:
        if args.traceback:
            raise
        print(f"spikewright {args.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"spikewright {args.verb}: interrupted", file=sys.stderr)
        return 1
    return status
