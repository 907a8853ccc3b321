"""A listing for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from httpd.site.listing.entries import Entry
from httpd.site.listing.names import format_time, refer_to


def render_json(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield an array with an object for each of `entries`, piece by piece."""
    before = "[\n"
    for entry in entries:
        values = {
            "name": entry.name.decode("utf-8", "backslashreplace"),
            "href": refer_to(entry),
            "type": "folder" if entry.is_directory else "file",
            "size": None if entry.is_directory else entry.size,
            "modified": format_time(entry.modified),
        }
        yield before + json.dumps(values)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
