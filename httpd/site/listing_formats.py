r"""What a listing looks like: HTML for people, JSON for programs; used by `httpd.site.listing`.

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

from httpd.protocol.target import encode_path
from httpd.site.entries import Entry, Order

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
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; }}
body > * {{ margin-inline: 1.5rem; }}
h1 {{ font-size: 1.4rem; font-weight: 600; overflow-wrap: anywhere; white-space: pre-wrap; }}
a {{ color: light-dark(#0f5c6e, #76c1d0); text-decoration: none; }}
a:hover, a:focus {{ text-decoration: underline; }}
table {{ width: calc(100% - 3rem); table-layout: fixed; border-collapse: collapse; }}
th, td {{ padding: .4rem 0 .4rem 1rem; text-align: end; vertical-align: top; }}
tr {{ border-block-end: 1px solid #8884; }}
th {{ font-size: .875rem; font-weight: 400; }}
th:nth-child(2) {{ width: 4.5rem; }}
th:nth-child(3) {{ width: 9.5rem; }}
[aria-sort] {{ font-weight: 600; }}
[aria-sort=ascending] a::after {{ content: " ↑"; content: " ↑" / ""; }}
[aria-sort=descending] a::after {{ content: " ↓"; content: " ↓" / ""; }}
th:first-child, td:first-child {{ padding-inline-start: 0; text-align: start; }}
td:first-child {{ overflow-wrap: anywhere; white-space: pre-wrap; }}
td a {{ display: block; }}
td a[href$="/"] {{ font-weight: 600; }}
td + td {{ font-variant-numeric: tabular-nums; opacity: .75; }}
code {{ font-size: .85em; opacity: .7; }}
footer {{ margin-top: 2.5rem; font-size: .8rem; opacity: .6; }}
@media (max-width: 34rem) {{
  body {{ margin-block: 1.5rem; }}
  body > * {{ margin-inline: 1rem; }}
  table, thead, tbody {{ display: block; width: auto; }}
  tr {{ display: flex; flex-wrap: wrap; gap: 0 1.25rem; padding-block: .4rem; }}
  th, td {{ padding: 0; }}
  th:nth-child(n) {{ width: auto; }}
  th a {{ display: block; padding-block: .4rem; }}
  td:first-child {{ flex: 1 0 100%; }}
  td + td {{ font-size: .875rem; }}
  td:empty {{ display: none; }}
}}
</style>
</head>
<body>
<h1>{heading}</h1>
<p>{summary}</p>
"""
_END = """\
<footer>phttpd</footer>
</body>
</html>
"""


def render_html(
    segments: list[bytes], order: Order, count: int, entries: Iterable[Entry]
) -> Iterator[str]:
    """Yield the page for a folder, piece by piece.

    Args:
        segments: of its path, as `decode_segments` returned them.
        order: that of `entries`.
        count: the number of `entries`.
        entries: what is in it.
    """
    names = [segment for segment in segments if segment]
    yield _START.format(
        title="/" + "".join(f"{_to_text(name)}/" for name in names),
        heading=_link_way(names),
        summary=_summarize(names, count),
    )
    if count:
        yield f"<table>\n<thead>\n<tr>{''.join(_head(order))}</tr>\n</thead>\n<tbody>\n"
        yield from map(_row, entries)
        yield "</tbody>\n</table>\n"
    yield _END


def render_json(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield an array with an object for each of `entries`, piece by piece."""
    before = "[\n"
    for entry in entries:
        values = {
            "name": entry.name.decode("utf-8", "backslashreplace"),
            "href": _refer(entry),
            "type": "folder" if entry.is_folder else "file",
            "size": None if entry.is_folder else entry.size,
            "modified": _format_time(entry.modified),
        }
        yield before + json.dumps(values)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _link_way(names: list[bytes]) -> str:
    """Return the path of a folder, in which the folders above it are links."""
    texts = ["/", *(f"<bdi>{_to_html(name)}</bdi>/" for name in names)]
    links = [f'<a href="{_path_of(names[:depth])}">{text}</a>' for depth, text in enumerate(texts)]
    return "".join([*links[:-1], texts[-1]])


def _path_of(names: list[bytes]) -> str:
    return html.escape("/" + "".join(f"{encode_path(name)}/" for name in names))


def _summarize(names: list[bytes], count: int) -> str:
    number = {0: "This folder is empty.", 1: "1 entry"}.get(count, f"{count:,} entries")
    return f'<a href="{_path_of(names[:-1])}">↑ Up</a> · {number}' if names else number


def _head(order: Order) -> Iterator[str]:
    """Yield the heads of the columns; that of the present order leads to its reverse."""
    for key, heading in _HEADINGS:
        sort, target = "", "asc"
        if key == order.key:
            sort = f' aria-sort="{"descending" if order.descending else "ascending"}"'
            target = "asc" if order.descending else "desc"
        link = f'<a href="?sort={key}&amp;order={target}">{heading}</a>'
        yield f'<th scope="col"{sort}>{link}</th>'


def _row(entry: Entry) -> str:
    moment = _format_time(entry.modified)
    size = "<td>" if entry.is_folder else f'<td title="{entry.size} bytes">{_abridge(entry.size)}'
    return (
        f'<tr><td><a href="{html.escape(_refer(entry))}">{_to_html(entry.name)}'
        f"{'/' if entry.is_folder else ''}</a></td>{size}</td>"
        f'<td><time datetime="{moment}">{moment[:10]} {moment[11:16]}</time></td></tr>\n'
    )


def _refer(entry: Entry) -> str:
    """Return a relative reference; without the dot, a colon would end a scheme (RFC 3986 §4.2)."""
    dot = "./" if b":" in entry.name else ""
    return f"{dot}{encode_path(entry.name)}{'/' if entry.is_folder else ''}"


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
