r"""What a listing looks like: HTML for people, JSON for programs; used by
`httpd.site.listing.listings`.

A name may be any bytes.  Its `href` leads to it in any case, and is the one thing to rely on.  As
text, a byte that is not UTF-8 is written ``\xHH``.  HTML does so, in a style of its own, with every
character that cannot be seen or that changes how others are seen.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from zlib import crc32

from httpd import __version__
from httpd.site.listing.entries import Contents, Entry, Order

_HEADINGS = (("name", "Name"), ("size", "Size"), ("modified", "Modified (UTC)"))
_JOINERS = "\u200c\u200d"
"""Invisible, but part of how some languages, and many emoji, are written."""

_START = """\
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
_FILTER = '<label hidden>Filter <input type="search" autocomplete="off"><output></output></label>'
_SCRIPT = """\
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
"""Shows the filter, which is hidden from browsers that run no scripts."""
_END = """\
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
LAYOUT = crc32(f"{__version__}{_START}{_FILTER}{_SCRIPT}{_END}".encode())
"""Differs where the same entries may be shown in another way."""


def render_html(
    path: bytes, order: Order, contents: Contents, *, is_straight: bool
) -> Iterator[str]:
    """Yield the page for a directory, piece by piece.

    Args:
        path: the decoded path of the directory.
        order: that of the entries.
        contents: what is in it.
        is_straight: whether a client gets one directory up by each ``../``, see
            `has_straight_slashes`.
    """
    names = path.strip(b"/").split(b"/") if path != b"/" else []
    ways = _ways_up(names, is_straight=is_straight)
    yield _START.format(
        title="/" + "".join(f"{_to_text(name)}/" for name in names),
        heading=_link_way(names, ways),
        summary=_summarize(ways, contents),
    )
    if contents.count:
        yield f"<table>\n<thead>\n<tr>{''.join(_head(order))}</tr>\n</thead>\n<tbody>\n"
        yield from map(_row, contents.entries)
        yield f"</tbody>\n</table>\n{_SCRIPT}"
    yield _END


def render_json(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield an array with an object for each of `entries`, piece by piece."""
    before = "[\n"
    for entry in entries:
        values = {
            "name": entry.name.decode("utf-8", "backslashreplace"),
            "href": _refer(entry),
            "type": "folder" if entry.is_directory else "file",
            "size": None if entry.is_directory else entry.size,
            "modified": _format_time(entry.modified),
        }
        yield before + json.dumps(values)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _ways_up(names: list[bytes], *, is_straight: bool) -> list[str]:
    """Return references to the directories above, the docroot first.

    They are relative where that leads there, and so right behind a proxy that strips a prefix from
    the path.
    """
    depths = range(len(names))
    if is_straight:
        return ["../" * (len(names) - depth) for depth in depths]
    return ["/" + "".join(f"{_encode(name)}/" for name in names[:depth]) for depth in depths]


def _link_way(names: list[bytes], ways: list[str]) -> str:
    """Return the path of a directory, in which the directories above it are links."""
    texts = ["/", *(f"<bdi>{_to_html(name)}</bdi>/" for name in names)]
    links = [f'<a href="{way}">{text}</a>' for way, text in zip(ways, texts, strict=False)]
    return "".join([*links, texts[-1]])


def _summarize(ways: list[str], contents: Contents) -> str:
    up = f'<a href="{ways[-1]}">↑ Up</a> ' if ways else ""
    if not contents.count:
        return f"{up}<span>This directory is empty.</span>"
    number = "1 entry" if contents.count == 1 else f"{contents.count:,} entries"
    size = f'<span title="{contents.size} bytes">{_abridge(contents.size)}</span>'
    return f"{up}<span>{number}</span> {size}{_FILTER}"


def _head(order: Order) -> Iterator[str]:
    """Yield the heads of the columns; that of the present order leads to its reverse.

    They are forms and no links: a program that follows all links would fetch each directory six
    times.
    """
    for key, heading in _HEADINGS:
        sort, target = "", "asc"
        if key == order.key:
            sort = f' aria-sort="{"descending" if order.descending else "ascending"}"'
            target = "asc" if order.descending else "desc"
        yield (
            f'<th scope="col"{sort}><form><input type="hidden" name="sort" value="{key}">'
            f'<button name="order" value="{target}">{heading}</button></form></th>'
        )


def _row(entry: Entry) -> str:
    moment = _format_time(entry.modified)
    size = (
        "<td>" if entry.is_directory else f'<td title="{entry.size} bytes">{_abridge(entry.size)}'
    )
    return (
        f'<tr><td><a href="{_refer(entry)}">{_to_html(entry.name)}'
        f"{'/' if entry.is_directory else ''}</a></td>{size}</td>"
        f'<td><time datetime="{moment}">{moment[:10]} {moment[11:16]}</time></td></tr>\n'
    )


_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_ENCODED = tuple(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256))


def _refer(entry: Entry) -> str:
    """Return a relative reference."""
    return f"{_encode(entry.name)}{'/' if entry.is_directory else ''}"


def _encode(name: bytes) -> str:
    """Percent-encode all but unreserved characters (RFC 3986 §2.3).

    More may stand in a path, but programs that look for links by simple means fail at a colon,
    which might end a scheme, or at an apostrophe.
    """
    return "".join([_ENCODED[byte] for byte in name])


def _split(name: bytes) -> Iterator[tuple[bool, str]]:
    """Split a name into what can be shown as it is, and what is written as an escape."""
    text = name.decode("utf-8", "surrogateescape")
    if text.isprintable() and text == text.strip():
        yield True, text
        return
    last = len(text) - 1

    def is_clear(item: tuple[int, str]) -> bool:
        position, character = item
        if character == " ":  # at an end nobody would see it
            return 0 < position < last
        return character.isprintable() or character in _JOINERS

    for clear, items in groupby(enumerate(text), is_clear):
        part = "".join(character for _, character in items)
        yield clear, part if clear else "".join(map(_escape, part))


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # where “surrogateescape” puts a byte
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _to_html(name: bytes) -> str:
    return "".join(
        html.escape(part) if clear else f"<code>{part}</code>" for clear, part in _split(name)
    )


def _to_text(name: bytes) -> str:
    return html.escape("".join(part for _, part in _split(name)))


def _format_time(seconds: int) -> str:
    """Return a moment as in RFC 3339; `time.strftime` would not fill up the year."""
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"


def _abridge(size: int) -> str:
    """Return a number of bytes in at most three digits."""
    value, units = float(size), iter(("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1024, next(units)
    return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
