"""Text of others: what steers is shown, what is read stays."""

from __future__ import annotations

import pytest

from spikewright.printable import as_code, as_html, as_markdown, one_line, printable

SHOWN = {
    "\x1b[31mred": r"\x1b[31mred",  # a color on a terminal
    "\x1b]0;title\x07": r"\x1b]0;title\x07",  # the title of its window
    "\x9b2J": r"\x9b2J",  # the same as ESC [ in one character
    "a\rb\x08c\td\x00": r"a\rb\x08c\td\x00",
    "\u202egnp.exe": r"\u202egnp.exe",  # from right to left, from here on
    "\u2066x\u2069\u200f\u061c": r"\u2066x\u2069\u200f\u061c",
    "a\u2028b\u2029c\x85d": r"a\u2028b\u2029c\x85d",  # line ends
    "a\u200bb\ufeffc\xadd": r"a\u200bb\ufeffc\xadd",  # no width
    "\ud800": r"\ud800",  # half a character
    "\ufffe\uffff": r"\ufffe\uffff",  # XML cannot hold them
    "\U000e0041": r"\U000e0041",  # a letter that is not seen
}
KEPT = [
    "",
    "plain text; (brackets) [red]",
    "naïve façade — “quotes”",
    "日本語 עברית العربية हिन्दी",
    "\u0645\u06cc\u200c\u062e\u0648 👩\u200d🔬 🇫🇷 \ufe0f",  # joiners
    "non\xa0breaking",
    "<script>",
]


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_what_steers_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == one_line(text) == shown


@pytest.mark.parametrize("text", KEPT)
def test_what_is_read_stays(text: str) -> None:
    assert printable(text) == one_line(text) == text


def test_line_feeds_stay_where_lines_may_be() -> None:
    assert printable("a\nb\r\n") == "a\nb\\r\n"
    assert one_line("a\nb") == r"a\nb"


def test_html_has_neither_marks_nor_control_characters() -> None:
    found = as_html("</script><b a=\"1\" b='2'>&\x1b\n")
    assert (
        found == "&lt;/script&gt;&lt;b a=&quot;1&quot; b=&#x27;2&#x27;&gt;&amp;\\x1b\n"
    )


def test_markdown_has_no_mark_that_is_read() -> None:
    assert as_markdown("a|b`c`") == r"a\|b\`c\`"
    assert as_markdown("*a* _b_ ~~c~~ $d$") == r"\*a\* \_b\_ \~\~c\~\~ \$d\$"
    assert as_markdown("sst2_chip _a b_ __c__") == r"sst2_chip \_a b\_ \_\_c\_\_"
    assert as_markdown("[x](y) ![z]") == r"\[x\](y) !\[z\]"
    assert as_markdown("<b>&lt;\\") == r"\<b\>\&lt;\\"
    assert as_markdown("a\n# b\x1b") == r"a\\n# b\\x1b"  # it reads \\ as \


def test_code_in_markdown_ends_where_it_should() -> None:
    assert as_code("a_b <i>") == "`a_b <i>`"
    assert as_code("a`b") == "`` a`b ``"
    assert as_code("``` x") == "```` ``` x ````"
    assert as_code("a\nb\x1b") == r"`a\nb\x1b`"
