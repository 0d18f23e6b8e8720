"""docs/cli.md and docs/run.md are true."""

from __future__ import annotations

import re
from pathlib import Path

from spikewright.cli.argument_parser import verbs_of
from spikewright.cli.parser import build_parser
from spikewright.cli.verbs_markdown import verbs_markdown

ROOT = Path(__file__).parents[2]


def test_the_page_of_the_checkout_is_what_the_parser_says() -> None:
    page = ROOT / "docs" / "cli.md"
    assert page.read_text(encoding="utf-8") == verbs_markdown(), (
        "run python -m spikewright.cli.verbs_markdown > docs/cli.md"
    )


def test_every_verb_and_option_is_on_the_page() -> None:
    page = verbs_markdown()
    for name, verb in verbs_of(build_parser()):
        section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for option in verb._option_string_actions:
            if option not in ("-h", "--help", "--json", "--traceback"):
                assert option in section, f"{name} {option}"


def test_every_argument_says_what_it_is() -> None:
    for name, verb in verbs_of(build_parser()):
        for action in verb._actions:
            assert action.help or action.dest in ("verb", "kind"), f"{name} {action}"


def test_the_page_of_roads_shows_the_sample(run) -> None:
    text = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert quoted == run("run", "--sample").out
