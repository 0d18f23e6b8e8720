"""Install and test on several Pythons: `python benchmarks/pythons.py python3.12 …`.

For each: a new virtual environment, `make setup` into it as a user would, the versions
compared with constraints.txt, a tiny network on each of Lava's runtimes, and the tests:
those that need Lava and the others. Prints a row of a table each; the status is 1 where
anything failed, and what was said lies beside the environment.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLUMNS = ("Python", "constraints", "Lava runtimes", "Lava tests", "other tests")
HELD = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)


@dataclass(frozen=True)
class Place:
    """A new environment of one Python, and what its commands said."""

    folder: Path

    @property
    def python(self) -> str:
        """The interpreter of the environment."""
        return str(self.folder / "venv" / "bin" / "python")

    def say(self, name: str, command: Sequence[str]) -> tuple[int, str]:
        """Return status and output of a command; both are kept in a file."""
        done = subprocess.run(  # noqa: S603 - ours and pytest
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        (self.folder / f"{name}.txt").write_text(done.stdout, encoding="utf-8")
        return done.returncode, done.stdout


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="+", help="interpreters, such as python3.12")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "pythons")
    parser.add_argument("--testers", type=int, default=0, help="0: one, in process")
    parser.add_argument("--tests", default="not long", help="markers of pytest")
    args = parser.parse_args()
    print("|", " | ".join(COLUMNS), "|\n" + "|---" * len(COLUMNS) + "|", flush=True)
    failed = [each for each in args.pythons if not _row(each, args)]
    return 1 if failed else 0


def _row(python: str, args: argparse.Namespace) -> bool:
    """Print the row of a Python; tell whether all of it went well."""
    place = Place((args.folder / re.sub(r"\W+", "-", python).strip("-")).absolute())
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(parents=True)
    venv = place.folder / "venv"
    status, _ = place.say(
        "setup", ["make", "setup", f"PYTHON={python}", f"VENV={venv}"]
    )
    if status:
        print(f"| {python} | not installed: {place.folder / 'setup.txt'} |", flush=True)
        return False
    cells = [
        _trial(place),
        *(_tests(place, each, args) for each in ("lava", "not lava")),
    ]
    print("|", " | ".join(text for text, _ in cells), "|", flush=True)
    return all(well for _, well in cells)


def _trial(place: Place) -> tuple[str, bool]:
    """Return the first three cells: versions and runtimes."""
    _, packages = place.say("packages", [place.python, "-c", HELD])
    doctor = str(Path(place.python).with_name("spikewright"))
    status, said = place.say("doctor", [doctor, "doctor", "--json"])
    if not said.startswith("{"):
        return f"{place.folder.name} | no doctor: {place.folder} | ", False
    found = json.loads(said)["found"]
    wrong = _differing(json.loads(packages))
    told = "; ".join(f"{k} {v}" for k, v in found.items() if k.endswith(" runtime"))
    installed = f"not as pinned: {', '.join(wrong)}" if wrong else "all as pinned"
    return f"{found['python']} | {installed} | {told}", not wrong and not status


def _differing(held: dict[str, str]) -> list[str]:
    """Return which pins of constraints.txt are installed at another version."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.MULTILINE)
    found = {name: held[name].partition("+")[0] for name, _ in pins if name in held}
    return [name for name, pin in pins if found.get(name, pin) != pin]


def _tests(place: Place, marker: str, args: argparse.Namespace) -> tuple[str, bool]:
    """Return what pytest says last, such as "12 passed, 1 skipped"."""
    command = [place.python, "-m", "pytest", "-q", "-m", f"{marker} and ({args.tests})"]
    if args.testers:
        command += ["-n", str(args.testers)]
    status, said = place.say(f"tests-{marker.replace(' ', '-')}", command)
    counts = re.findall(
        r"\d+ (?:passed|skipped|failed|errors?)\b", said.splitlines()[-1]
    )
    return ", ".join(counts) or f"no result, status {status}", status == 0


if __name__ == "__main__":
    sys.exit(main())
