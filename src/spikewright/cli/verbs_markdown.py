"""docs/cli.md, from the parser: `python -m spikewright.cli.verbs_markdown`."""

from __future__ import annotations

import argparse
from argparse import Action, ArgumentParser
from collections.abc import Iterator

from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.parser import build_parser

_HEAD = """\
# The command line

Written by `python -m spikewright.cli.verbs_markdown > docs/cli.md`; do not edit.

Results go to stdout, progress and errors to stderr. On a terminal tables have frames
and colors; in a pipe, with `NO_COLOR` or with `TERM=dumb` the same words are plain
text. An unknown verb, option, choice, profile, population or key is answered with the
one that was probably meant.

| exit status | what |
|---|---|
| 0 | done |
| 1 | something that you can mend, said in one line |
| 1 | the "no" of a verb that judges: `check` (does not fit), `demo` and \
`lower --verify` (spikes differ), `doctor` (Lava does not run) |
| 2 | a command line that cannot be read |
| 3 | `train --minutes`: not finished; the same command goes on |
| 130 | interrupted |

Every verb takes `--json` (one document on stdout) and `--traceback`. A document has
`schema` (`spikewright.VERB/REVISION`; what breaks readers raises the revision),
`versions`, `seed` where something is drawn, and `config`: every option, as it was given
or by default. That of `report` is the report itself ([report.md](report.md)), that of
`plot` the data of a picture.

`spikewright completion bash`, `zsh` or `fish` prints a script that completes verbs,
options, choices and the names of profiles, presets, accountings and teachers. Nothing
is started when you press the tabulator.
"""
_EVERYWHERE = ("--help", "--json", "--traceback")


def verbs_markdown() -> str:
    """Return the page of all verbs."""
    parser = build_parser()
    parts = [_HEAD]
    for name, verb in verbs_of(parser):
        parts.append("\n".join(_section(name, verb)))
    return "\n".join(parts) + "\n"


def _section(name: str, verb: ArgumentParser) -> Iterator[str]:
    yield f"{'##' if ' ' not in name else '###'} {name}\n"
    if verb.description:
        yield f"{verb.description.replace('%%', '%')}\n"
    given = [each for each in verb._actions if _is_shown(each)]
    yield f"    {_usage(name, given)}\n"
    if given:
        yield "| argument | what |\n|---|---|"
        yield from (
            f"| `{_cell(_form(each))}` | {_cell(_help(each))} |" for each in given
        )
        yield ""
    if verb.epilog and ("example" in verb.epilog):
        _, _, lines = verb.epilog.partition(":\n")
        yield f"```sh\n{_examples(lines)}\n```\n"


def _is_shown(action: Action) -> bool:
    if isinstance(action, argparse._SubParsersAction):
        return False
    return not set(_EVERYWHERE) & set(action.option_strings)


def _usage(name: str, given: list[Action]) -> str:
    words = ["spikewright", name]
    if any(each.option_strings and not each.required for each in given):
        words.append("[OPTIONS]")
    for each in given:
        if not each.option_strings:
            words.append(_form(each))
        elif each.required:
            words.append(f"{each.option_strings[0]} {_value(each)}")
    return " ".join(words)


def _form(action: Action) -> str:
    """Return how an argument is written."""
    value = _value(action)
    if not action.option_strings:
        many = {"?": f"[{value}]", "*": f"[{value} …]"}
        return many.get(str(action.nargs), value)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _value(action: Action) -> str:
    if action.metavar is not None:
        return str(action.metavar)
    if action.choices is not None:
        return f"{{{','.join(map(str, action.choices))}}}"
    return action.dest.upper()


def _help(action: Action) -> str:
    return (action.help or "").replace("%%", "%") or " "


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _examples(lines: str) -> str:
    """Return examples as a shell takes them: what is told comes first, as a comment."""
    written: list[str] = []
    for line in lines.rstrip().splitlines():
        if line.startswith("  spikewright"):
            written.append(line.strip())
        else:
            written.insert(-1, f"# {line.strip()}")
    return "\n".join(written)


if __name__ == "__main__":
    print(verbs_markdown(), end="")
