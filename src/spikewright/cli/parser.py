"""The parser of all verbs. Each verb's module is imported only when it runs."""

from __future__ import annotations

import importlib.metadata
from argparse import ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Iterator
from typing import TypeAlias

from spikewright.cli.argument_parser import Parser
from spikewright.cli.arguments.card import add_card
from spikewright.cli.arguments.check import add_check
from spikewright.cli.arguments.completion import add_completion
from spikewright.cli.arguments.convert import add_convert
from spikewright.cli.arguments.demo import add_demo, add_doctor
from spikewright.cli.arguments.export import add_export
from spikewright.cli.arguments.lower import add_lower
from spikewright.cli.arguments.plot import add_plot
from spikewright.cli.arguments.profile import add_profile
from spikewright.cli.arguments.report import add_report
from spikewright.cli.arguments.run import add_run
from spikewright.cli.arguments.simulate import add_simulate
from spikewright.cli.arguments.sweep import add_sweep
from spikewright.cli.arguments.train import add_train
from spikewright.cli.examples import epilog

Verbs: TypeAlias = "_SubParsersAction[ArgumentParser]"
_STATUSES = """\
exit status:
  0  done
  1  something that you can mend; one line on stderr says what and how. Verbs that judge
     have 1 for "no": check does not fit, demo or lower --verify finds a difference
  2  a command line that cannot be read
  3  train --minutes: not finished; the same command goes on
  130  interrupted

Results go to stdout, progress and errors to stderr. `spikewright VERB --help` has
examples of each verb.
"""


def build_parser() -> ArgumentParser:
    """Return the parser of all verbs; `args.run(args)` runs the chosen one."""
    parser: ArgumentParser = Parser(
        prog="spikewright",
        description="Spiking language models onto neuromorphic chips: "
        "NIR in, Lava out, energy reported.",
        epilog=_STATUSES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    version = importlib.metadata.version("spikewright")
    parser.add_argument("--version", action="version", version=version)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in _verbs(verbs, parser):
        verb.add_argument(
            "--traceback", action="store_true", help="show where it failed"
        )
        verb.add_argument("--json", action="store_true", help="print JSON on stdout")
        verb.formatter_class = RawDescriptionHelpFormatter
        verb.epilog = verb.epilog or epilog(verb.prog.split()[-1])
    for each in verbs._choices_actions:
        verb, says = verbs.choices[each.dest], each.help or ""
        verb.description = verb.description or f"{says[:1].upper()}{says[1:]}."
    return parser


def _verbs(verbs: Verbs, parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """Add all verbs, in the order of the help; three of them read others' options."""
    yield add_demo(verbs)
    yield add_run(verbs, parser=parser)
    yield add_sweep(verbs, parser=parser)
    yield add_train(verbs)
    yield add_export(verbs)
    yield add_check(verbs)
    yield add_lower(verbs)
    yield add_simulate(verbs)
    yield add_report(verbs)
    yield add_plot(verbs)
    yield add_profile(verbs)
    yield add_convert(verbs)
    yield add_card(verbs)
    yield add_doctor(verbs)
    yield add_completion(verbs, parser=parser)
