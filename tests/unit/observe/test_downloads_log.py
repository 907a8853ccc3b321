"""Lines of the downloads log."""

from __future__ import annotations

import json

from httpd.observe.downloads import Downloads, Look
from httpd.observe.downloads_log import format_lines
from httpd.observe.transfers import State, Transfer

WHOLE = Transfer(
    client=b"2001:db8::7",
    user=b"ana",
    site=b"files.example",
    path=b"/vm/lab\xff\n.ova",
    path_check=1,
    etag=1,
    status=200,
    size=5000,
    ranges=((0, 0, 5000),),
    started=100.0,
    acknowledged=5000,
    changed=102.5,
    state=State.SENT,
    number=1,
)


def test_line_has_the_facts_of_a_download() -> None:
    downloads = Downloads()
    downloads.fold(103.0, [Look("table", (), [WHOLE])])
    (line,) = format_lines(downloads.take_closed(), 86400.0)
    assert line.endswith("}\n")
    assert "\n" not in line[:-1]
    assert line.isascii()
    assert json.loads(line) == {
        "time": "1970-01-02T00:01:42Z",
        "peer": "2001:db8::7",
        "user": "ana",
        "site": "files.example",
        "path": "/vm/lab\udcff\n.ova",
        "size": 5000,
        "sent": 5000,
        "unique": 5000,
        "parts": 1,
        "resumes": 0,
        "rate": 2000,
        "outcome": "complete",
        "duration": 2.5,
    }


def test_download_that_runs_has_no_line() -> None:
    downloads = Downloads()
    running = WHOLE._replace(state=State.RUNNING)
    downloads.fold(103.0, [Look("table", [running], ())])
    assert format_lines(downloads.take_closed(), 0.0) == []
