"""The HTML page of a listing: its text, style and script, and the policy that allows just these."""

from __future__ import annotations

from zlib import crc32

from httpd import __version__

START = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ background: light-dark(#fff, #17191e); color: light-dark(#111827, #e6e8ec); }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; }}
body > * {{ margin-inline: 1.5rem; }}
h1 {{ font-size: 1.4rem; font-weight: 600; overflow-wrap: anywhere; white-space: pre-wrap; }}
a, button {{ color: light-dark(#0f5c6e, #76c1d0); text-decoration: none; }}
a:hover, a:focus, button:hover, button:focus {{ text-decoration: underline; }}
button {{ font: inherit; padding: 0; border: 0; background: none; cursor: pointer; }}
header p {{ display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; }}
label {{ margin-inline-start: auto; }}
label input {{ margin-inline: .5rem; }}
input {{ font: inherit; max-width: 12rem; }}
table {{ width: 100%; table-layout: fixed; border-collapse: collapse; }}
th, td {{ padding: .4rem 0 .4rem 1rem; text-align: end; vertical-align: top; }}
tr {{ border-block-end: 1px solid #8884; }}
th {{ font-size: .875rem; font-weight: 400; }}
th:nth-child(2) {{ width: 4.5rem; }}
th:nth-child(3) {{ width: 9.5rem; }}
[aria-sort] {{ font-weight: 600; }}
[aria-sort=ascending] button::after {{ content: " ↑"; content: " ↑" / ""; }}
[aria-sort=descending] button::after {{ content: " ↓"; content: " ↓" / ""; }}
th:first-child, td:first-child {{ padding-inline-start: 0; text-align: start; }}
td:first-child {{ overflow-wrap: anywhere; white-space: pre-wrap; }}
td a {{ display: block; }}
td a[href$="/"] {{ font-weight: 600; }}
td + td {{ font-variant-numeric: tabular-nums; }}
td + td, code, footer {{ color: light-dark(#4b5563, #b3bac4); }}
code {{ font-size: .85em; }}
footer {{ margin-top: 2.5rem; font-size: .8rem; }}
tr[hidden] {{ display: none !important; }}
@media (max-width: 34rem) {{
  body {{ margin-block: 1.5rem; }}
  body > * {{ margin-inline: 1rem; }}
  table, thead, tbody {{ display: block; width: auto; }}
  tr {{ display: flex; flex-wrap: wrap; gap: 0 1.25rem; padding-block: .4rem; }}
  th, td {{ padding: 0; }}
  th:nth-child(n) {{ width: auto; }}
  th button {{ padding-block: .4rem; }}
  td:first-child {{ flex: 1 0 100%; }}
  td + td {{ font-size: .875rem; }}
  td:empty {{ display: none; }}
}}
</style>
</head>
<body>
<header>
<h1>{heading}</h1>
<p>{summary}</p>
</header>
<main>
"""
FILTER = '<label hidden>Filter <input type="search" autocomplete="off"><output></output></label>'
SCRIPT = """\
<script>
const find = (selector) => document.querySelector(selector);
const [label, input, output] = ["label", "label input", "output"].map(find);
const rows = [...document.querySelectorAll("tbody tr")];
const filter = () => {
  const wanted = input.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    shown += !row.hidden;
  }
  output.textContent = wanted ? `${shown} of ${rows.length}` : "";
};
input.addEventListener("input", filter);
label.hidden = false;
filter();
</script>
"""
"""Shows the filter, which stays hidden in browsers that run no scripts."""
END = """\
</main>
<footer>phttpd</footer>
</body>
</html>
"""
POLICY = (
    "default-src 'none'; img-src 'self'; form-action 'self'; "
    "style-src 'sha256-0NPPOGSsSKfDIQH7LHN4b97Q2DQ0t3ydr7zcNUK5AAI='; "
    "script-src 'sha256-ATPgkrAiirrfKkfN3hu+0oA3iG0qD/ml0UGQ/a2HFw8='"
)
"""Content-Security-Policy of the page; see `httpd.site.error_pages.POLICY`."""
LAYOUT = crc32(f"{__version__}{START}{FILTER}{SCRIPT}{END}".encode())
"""A number that changes with everything that shows the same entries in another way."""
