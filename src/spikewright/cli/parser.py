"""The parser of all verbs. Each verb's module is imported only when it runs."""

from __future__ import annotations

import importlib.metadata
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from spikewright.cli.argument_parser import Parser
from spikewright.cli.card_arguments import add_card
from spikewright.cli.check_arguments import add_check
from spikewright.cli.completion_arguments import add_completion
from spikewright.cli.convert_arguments import add_convert
from spikewright.cli.demo_arguments import add_demo, add_doctor
from spikewright.cli.examples import epilog
from spikewright.cli.export_arguments import add_export
from spikewright.cli.lower_arguments import add_lower
from spikewright.cli.plot_arguments import add_plot
from spikewright.cli.profile_arguments import add_profile
from spikewright.cli.report_arguments import add_report
from spikewright.cli.run_arguments import add_run
from spikewright.cli.simulate_arguments import add_simulate
from spikewright.cli.train_arguments import add_train

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
VERBS = (
    *(add_demo, add_run, add_train, add_export, add_check, add_lower, add_simulate),
    *(
        add_report,
        add_plot,
        add_profile,
        add_convert,
        add_card,
        add_doctor,
        add_completion,
    ),
)


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
    for add in VERBS:
        verb = add(verbs)
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
