"""The command line: parse, call, print. No logic lives here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from spikewright.cli.argument_parser import UsageError
from spikewright.cli.parser import build_parser
from spikewright.errors import (
    ConfigError,
    GraphError,
    InputError,
    ProfileError,
    SpikewrightError,
)
from spikewright.printable import one_line, printable

__all__ = ["main"]

USAGE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells have it"""
_OF_ONE_LINE = (ConfigError, GraphError, InputError, ProfileError)
"""errors whose words are ours and what the user gave; others quote lines"""
_LESS = "give it fewer samples at once, or a machine with more"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 the user can fix it, 2 bad usage."""
    try:
        args = build_parser().parse_args(argv)
    except UsageError as error:
        print(printable(str(error)), file=sys.stderr)
        return USAGE
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except UsageError as error:  # found between options, not in one
        print(printable(str(error)), file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return _fail(args.verb, "interrupted", INTERRUPTED)
    except BrokenPipeError:  # `| head` has read enough
        _discard_stdout()
        return 1
    except (SpikewrightError, OSError, MemoryError) as error:
        # OSError: disk full, no permission
        if args.traceback:
            raise
        return _fail(args.verb, _words(error), 1)
    return status


def _words(error: Exception) -> str:
    """Return what an error says; names of what the user gave do not break its line."""
    if isinstance(error, MemoryError):
        why = str(error) or "for Python's own objects"
        return f"not enough memory: {why}; {_LESS}"
    is_one = isinstance(error, _OF_ONE_LINE)
    return one_line(str(error).rstrip()) if is_one else str(error)


def _fail(verb: str, reason: str, status: int) -> int:
    line = printable(f"spikewright {verb}: {reason.rstrip()}")
    print(line, file=sys.stderr)
    return status


def _discard_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
