"""The command line in this process; what it leaves is held to its contract."""

from __future__ import annotations

import io
import sys

from engine import ContractError

from spikewright.cli import main
from spikewright.errors import SpikewrightError
from spikewright.printable import printable

STATUSES = (0, 1, 2)


def command(*argv: object) -> None:
    """Run a verb.

    Raises:
        SpikewrightError: it refused, in one line.
        ContractError: it ended in another way.
    """
    words = [str(each) for each in argv]
    before = sys.stdout, sys.stderr, sys.stdin
    # As a terminal or a pipe has them: what cannot be encoded is an error on stdout.
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    err = io.TextIOWrapper(
        io.BytesIO(), "utf-8", "backslashreplace", write_through=True
    )
    sys.stdout, sys.stderr, sys.stdin = out, err, io.StringIO()
    try:
        status = main(words)
    except SystemExit as error:  # of --help
        status = error.code
    finally:
        sys.stdout, sys.stderr, sys.stdin = before
    told = out.buffer.getvalue().decode(), err.buffer.getvalue().decode()
    _judge(status, *told)


def _judge(status: object, out: str, err: str) -> None:
    if status not in STATUSES:
        raise ContractError(f"exits with {status!r}")
    if "Traceback" in err:
        raise ContractError("shows a traceback")
    if "not enough memory" in err:
        raise ContractError("asks for more memory than there is")
    if strange := [c for c in out + err if c not in "\n\r\t" and printable(c) != c]:
        raise ContractError(f"writes the control character {strange[0]!r}")
    if status == 0 or (status == 1 and out):
        return
    lines = [line for line in err.split("\n") if line.startswith("spikewright")]
    if len(lines) != 1 or not err.endswith(f"{lines[0]}\n"):
        raise ContractError(f"refuses in {len(err.splitlines())} lines")
    raise SpikewrightError(err)
