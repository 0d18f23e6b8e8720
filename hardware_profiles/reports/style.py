"""Style and script of a report's page. Nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib

from spikewright.plots.style import DARK, FAINT, INK, PAPER, STUDENT
from spikewright.plots.write import css_colors

_LIGHT_PAGE = f"--ink: {INK}; --faint: {FAINT}; --paper: {PAPER}; --accent: {STUDENT};"
_DARK_PAGE = (
    f"--ink: {DARK[INK]}; --faint: {DARK[FAINT]}; --paper: {DARK[PAPER]}; "
    f"--accent: {DARK[STUDENT]};"
)
LIGHT = f"{_LIGHT_PAGE} {css_colors(dark=False)}"
NIGHT = f"{_DARK_PAGE} {css_colors(dark=True)}"

STYLE = f"""
:root {{ color-scheme: light dark; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {NIGHT} }} }}
* {{ box-sizing: border-box; }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 62rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: break-word; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }}
h2 {{ font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .6rem;
  border-top: 1px solid var(--faint); }}
h3 {{ font-size: 1rem; margin: 0; }}
.cards {{ display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }}
.card {{ border: 1px solid var(--faint); border-left: .35rem solid var(--accent);
  border-radius: .4rem; padding: .8rem 1rem; }}
.card .big {{ font-size: 1.35rem; font-weight: 700; margin: .3rem 0;
  line-height: 1.3; }}
.card dl {{ display: grid; grid-template-columns: auto 1fr; gap: .15rem .8rem;
  margin: .5rem 0 0; font-size: .92rem; }}
.card dt {{ color: var(--faint); }} .card dd {{ margin: 0; }}
.note, figcaption {{ color: var(--faint); font-size: .92rem; }}
figure {{ margin: 1.5rem 0; break-inside: avoid; }}
.scroll {{ overflow-x: auto; }}
.scroll:focus-visible, summary:focus-visible, input:focus-visible,
button:focus-visible {{ outline: .2rem solid var(--accent); outline-offset: .1rem; }}
figure svg {{ display: block; width: 100%; height: auto; }}
figure svg * {{ stroke-linejoin: round; stroke-linecap: butt; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .9rem; }}
caption {{ text-align: left; color: var(--faint); padding: .3rem 0; }}
th, td {{ padding: .2rem .7rem .2rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
th:first-child, td:first-child {{ text-align: left; }}
table.words th, table.words td {{ text-align: left; }}
thead th {{ vertical-align: bottom; }}
summary {{ cursor: pointer; padding: .3rem 0; }}
code, pre {{ font-size: .85em; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
fieldset {{ border: 1px solid var(--faint); border-radius: .4rem; margin: 1rem 0;
  padding: .4rem .8rem; }}
fieldset label {{ display: inline-block; padding: .3rem .9rem .3rem 0; }}
input {{ width: 1.1rem; height: 1.1rem; vertical-align: -.2rem;
  accent-color: var(--accent); }}
.bar {{ position: sticky; top: 0; background: var(--paper); z-index: 1; }}
[hidden] {{ display: none !important; }}
@media print {{
  :root {{ color-scheme: light; {LIGHT} }}
  body {{ font-size: 10pt; max-width: none; padding: 0; }}
  fieldset, .control {{ display: none; }}
  .bar {{ position: static; }}
  figure svg {{ min-width: 0 !important; max-width: 16cm !important; }}
  .scroll {{ overflow: visible; }}
  h2 {{ break-after: avoid; }} .card, tr {{ break-inside: avoid; }}
}}
"""

SCRIPT = """
"use strict";
const all = (where, what) => Array.from(where.querySelectorAll(what));
const picker = document.getElementById("profiles");
if (picker) {
  picker.hidden = false;
  picker.addEventListener("change", (event) => {
    const chosen = event.target.value;
    for (const each of all(document, "[data-profile]")) {
      each.hidden = chosen !== "" && each.dataset.profile !== chosen;
    }
  });
}
for (const control of all(document, "[data-rows-of]")) {
  const table = document.getElementById(control.dataset.rowsOf);
  const rows = new Map(all(table, "tbody tr").map((row) => [row.dataset.row, row]));
  control.hidden = false;
  control.addEventListener("change", (event) => {
    const name = event.target.value;
    const chosen = name === "" ? Array.from(rows.keys()) : [name];
    for (const each of chosen) {
      if (rows.has(each)) { rows.get(each).hidden = !event.target.checked; }
    }
    if (name === "") {
      for (const box of all(control, "input")) { box.checked = event.target.checked; }
    }
  });
}
"""
_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
)
"""what a browser may load: nothing; which script may run: this one"""
