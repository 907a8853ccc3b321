"""A listing as a page for people (HTML)."""

from __future__ import annotations

from collections.abc import Iterator

from httpd.site.listing.entries import Contents, Entry
from httpd.site.listing.names import (
    encode_name,
    format_time,
    name_to_html,
    name_to_text,
    refer_to,
)
from httpd.site.listing.order import Order
from httpd.site.listing.template import END, FILTER, SCRIPT, START

_HEADINGS = (("name", "Name"), ("size", "Size"), ("modified", "Modified (UTC)"))


def render_html(
    path: bytes, order: Order, contents: Contents, *, is_straight: bool
) -> Iterator[str]:
    """Yield the page for a directory, piece by piece.

    Args:
        path: the decoded path of the directory.
        order: that of the entries.
        contents: the entries and their totals.
        is_straight: whether each ``../`` leads a client one directory up, see
            `has_straight_slashes`.
    """
    names = path.strip(b"/").split(b"/") if path != b"/" else []
    references = _references_up(names, is_straight=is_straight)
    yield START.format(
        title="/" + "".join(f"{name_to_text(name)}/" for name in names),
        heading=_link_path(names, references),
        summary=_summarize(references, contents),
    )
    if contents.count:
        yield f"<table>\n<thead>\n<tr>{''.join(_column_heads(order))}</tr>\n</thead>\n<tbody>\n"
        yield from map(_row, contents.entries)
        yield f"</tbody>\n</table>\n{SCRIPT}"
    yield END


def _references_up(names: list[bytes], *, is_straight: bool) -> list[str]:
    """Return references to the directories above, the docroot first.

    Relative references are right behind a proxy, too, that strips a prefix from the path.
    """
    depths = range(len(names))
    if is_straight:
        return ["../" * (len(names) - depth) for depth in depths]
    return ["/" + "".join(f"{encode_name(name)}/" for name in names[:depth]) for depth in depths]


def _link_path(names: list[bytes], references: list[str]) -> str:
    """Return the path of a directory as HTML, with links to the directories above it."""
    texts = ["/", *(f"<bdi>{name_to_html(name)}</bdi>/" for name in names)]
    links = [
        f'<a href="{reference}">{text}</a>'
        for reference, text in zip(references, texts, strict=False)
    ]
    return "".join([*links, texts[-1]])


def _summarize(references: list[str], contents: Contents) -> str:
    up = f'<a href="{references[-1]}">↑ Up</a> ' if references else ""
    if not contents.count:
        return f"{up}<span>This directory is empty.</span>"
    number = "1 entry" if contents.count == 1 else f"{contents.count:,} entries"
    size = f'<span title="{contents.size} bytes">{_abbreviate(contents.size)}</span>'
    return f"{up}<span>{number}</span> {size}{FILTER}"


def _column_heads(order: Order) -> Iterator[str]:
    """Yield the heads of the columns; the head of the current order leads to the reverse order.

    The heads are forms and not links: a program that follows all links would fetch each directory
    six times.
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
    moment = format_time(entry.modified)
    size = (
        "<td>"
        if entry.is_directory
        else f'<td title="{entry.size} bytes">{_abbreviate(entry.size)}'
    )
    return (
        f'<tr><td><a href="{refer_to(entry)}">{name_to_html(entry.name)}'
        f"{'/' if entry.is_directory else ''}</a></td>{size}</td>"
        f'<td><time datetime="{moment}">{moment[:10]} {moment[11:16]}</time></td></tr>\n'
    )


def _abbreviate(size: int) -> str:
    """Return a number of bytes with at most three digits and a unit."""
    value, units = float(size), iter(("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))
    unit = next(units)
    while value >= 999.5:
        value, unit = value / 1024, next(units)
    return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
