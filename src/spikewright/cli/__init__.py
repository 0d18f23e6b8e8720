"""The command line: parse, call, print. No logic lives here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from spikewright.cli.argument_parser import UsageError
from spikewright.cli.parser import build_parser
from spikewright.errors import SpikewrightError

__all__ = ["main"]

USAGE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells have it"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the user can fix it, 2 bad usage."""
    try:
        args = build_parser().parse_args(argv)
    except UsageError as error:
        print(error, file=sys.stderr)
        return USAGE
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except UsageError as error:  # found between options, not in one
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return _fail(args.verb, "interrupted", INTERRUPTED)
    except BrokenPipeError:  # `| head` has read enough
        _discard_stdout()
        return 1
    except (SpikewrightError, OSError) as error:  # OSError: disk full, no permission
        if args.traceback:
            raise
        return _fail(args.verb, str(error), 1)
    return status


def _fail(verb: str, reason: str, status: int) -> int:
    print(f"spikewright {verb}: {reason.rstrip()}", file=sys.stderr)
    return status


def _discard_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
