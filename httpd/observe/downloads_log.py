"""The downloads log: a line of JSON for each download that is over.

`httpd.observe.downloads` has the downloads; `Downloads.take_closed` returns those to be logged.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any

from httpd.observe.downloads import Download


def describe(download: Download) -> dict[str, Any]:
    """Return the facts of a download, ready for JSON, without its times.

    A path that is no UTF-8 has surrogates in place of its other bytes (PEP 383), as in Python.
    """
    return {
        "peer": os.fsdecode(download.client),
        "user": os.fsdecode(download.user),
        "site": os.fsdecode(download.site),
        "path": os.fsdecode(download.path),
        "size": download.size,
        "sent": download.sent,
        "unique": download.unique,
        "parts": download.parts,
        "resumes": download.resumes,
        "rate": round(download.bytes_per_second()),
        "outcome": str(download.outcome),
    }


def format_lines(downloads: Iterable[Download], clock_offset: float) -> list[str]:
    """Return a line for each download that is over, each with its line feed.

    Args:
        downloads: what is over.
        clock_offset: seconds from the monotonic clock to the time of day, to be added.
    """
    return [_format_line(download, clock_offset) for download in downloads]


def _format_line(download: Download, clock_offset: float) -> str:
    ended = time.gmtime(download.changed + clock_offset)
    facts = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", ended),
        **describe(download),
        "duration": round(download.changed - download.started, 3),
    }
    return json.dumps(facts) + "\n"
