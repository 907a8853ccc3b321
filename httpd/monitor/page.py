"""The page of the monitor: HTML of a snapshot, which a script then keeps up to date.

Without a script, the browser loads the page again every few seconds.  `httpd.monitor.page_parts`
has style and script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from httpd.monitor.page_parts import END, SCRIPT, START
from httpd.monitor.snapshot import HISTORY, Snapshot

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def render_page(snapshot: Snapshot) -> str:
    """Return the page for a snapshot; an empty one is of a server that just starts."""
    if not snapshot:
        return f"{START}<p>The server is just starting.</p>\n{END}"
    server, (word, reason) = snapshot["server"], snapshot["state"]
    state = f"{word}: {reason}" if reason else word
    parts = [
        f'<header><h1>phttpd <span id="version">{escape(server["version"])}</span></h1>',
        f'<p id="state" role="status" data-state="{word}">{escape(state)}</p>',
        '<button id="pause" type="button" aria-pressed="false" hidden>Pause</button></header>',
        "<main>",
        f'<p id="reload" class="bad">{escape(_describe_reload(server))}</p>',
        f'<dl id="figures">{_figures(snapshot["figures"])}</dl>',
        _sparkline(snapshot["history"]),
        _table("downloads", "Downloads", _DOWNLOADS, map(_download, snapshot["downloads"])),
        _table("ended", "Earlier downloads", _ENDED, map(_ended, snapshot["ended"])),
        _table("workers", "Workers", _WORKERS, map(_worker, snapshot["workers"])),
        "</main>",
    ]
    return "\n".join([START, *parts, SCRIPT, END])


def _describe_reload(server: Mapping[str, Any]) -> str:
    return f"The last reload has failed: {server['reload']}" if server["reload"] else ""


# ---------------------------------------------------------------- figures


def _figures(figures: Mapping[str, int]) -> str:
    shown = {
        "Connections": f"{figures['connections']}, {figures['active']} busy",
        "Requests": f"{figures['requests_per_second']}/s",
        "Throughput": f"{format_size(figures['bytes_per_second'])}/s",
        "Still to send": format_size(figures["remaining"]),
        "Requests so far": str(figures["requests"]),
        "Sent so far": format_size(figures["sent"]),
        "Generations": str(figures["generations"]),
        "Stuck loops": str(figures["stuck"]),
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())


def _sparkline(history: Sequence[int]) -> str:
    """Return a drawing of the throughput, in which the last value is at the right end."""
    most = max(history, default=0)
    points = " ".join(
        f"{HISTORY - len(history) + place},{round(38 - 36 * value / (most or 1), 1)}"
        for place, value in enumerate(history)
    )
    text = f"Throughput of the last minute, {format_size(most)}/s at the most"
    return (
        f'<figure><svg id="spark" viewBox="0 0 {HISTORY - 1} 40" preserveAspectRatio="none"'
        f' role="img" aria-labelledby="most"><polyline points="{points}"/></svg>'
        f'<figcaption id="most">{text}</figcaption></figure>'
    )


# ---------------------------------------------------------------- tables

_DOWNLOADS = ("File", "Client", "Done", "Rate", "Left", "Parts")
_ENDED = ("File", "Client", "Outcome", "Size", "Rate", "Resumes")
_WORKERS = ("Worker", "Process", "Phase", "Connections of each loop")
Row = Sequence[str]
"""The cells of a row, as HTML."""


def _table(key: str, title: str, columns: Sequence[str], rows: Iterable[Row]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<h2 id="{key}-title">{title}</h2>\n'
        f'<div role="region" aria-labelledby="{key}-title" tabindex="0">'
        f'<table id="{key}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _download(row: Mapping[str, Any]) -> Row:
    size, done = row["size"], row["done"]
    percent = 100 * done // size if size else 100
    name = escape(f"{row['path']} to {row['client']}")
    bar = f'<progress max="100" value="{percent}" aria-label="{name}"></progress> {percent} %'
    return (
        escape(_file(row)),
        escape(_client(row)),
        f"{bar} of {format_size(size)}",
        f"{format_size(row['rate'])}/s",
        "–" if row["left"] is None else format_seconds(row["left"]),
        str(row["parts"]),
    )


def _ended(row: Mapping[str, Any]) -> Row:
    return (
        escape(_file(row)),
        escape(_client(row)),
        escape(row["outcome"]),
        format_size(row["size"]),
        f"{format_size(row['rate'])}/s",
        str(row["resumes"]),
    )


def _worker(row: Mapping[str, Any]) -> Row:
    loops = " · ".join(f"{connections} ({active} busy)" for connections, active in row["loops"])
    return str(row["worker"]), str(row["pid"]), escape(row["phase"]), loops


def _file(row: Mapping[str, Any]) -> str:
    return f"{row['site']}{row['path']}"


def _client(row: Mapping[str, Any]) -> str:
    return f"{row['client']} {row['user']}".strip()


# ---------------------------------------------------------------- numbers


def format_size(number: int) -> str:
    """Return bytes with a unit and three digits or so, as the script does."""
    size, unit = float(number), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.1f} {_UNITS[unit]}" if unit and size < 100 else f"{size:.0f} {_UNITS[unit]}"


def format_seconds(seconds: int) -> str:
    """Return a time as ``1:05``, or with hours as ``2:00:07``, as the script does."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
