"""Conditional requests: every combination of the four fields against the order of RFC 9110."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email.utils import formatdate
from itertools import product
from pathlib import Path

import pytest

from tests.support.raw import Client

MTIME = 1_600_000_000
CONTENT = b"conditional"


@pytest.fixture(scope="module")
def target(docroot: Path) -> Iterator[str]:
    path = docroot / "conditional.txt"
    path.write_bytes(CONTENT)
    os.utime(path, (MTIME, MTIME))
    yield f"/{path.name}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_in_every_combination_follow_the_order_of_the_rfc(
    client: Client, target: str, method: str
) -> None:
    """RFC 9110, section 13.2.2: If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since."""
    tag = client.ask(target)["ETag"]
    none, same, other = None, tag, '"other"'
    tags = {none: None, same: True, other: False, "*": True, f'"a", {tag}, "b"': True}
    dates = {
        none: None,
        formatdate(MTIME, usegmt=True): MTIME,
        formatdate(MTIME - 1, usegmt=True): MTIME - 1,
        formatdate(MTIME + 1, usegmt=True): MTIME + 1,
        "the day before yesterday": None,
    }
    for match, unmodified, none_match, modified in product(tags, dates, tags, dates):
        fields = {
            "If-Modified-Since": modified,
            "If-None-Match": none_match,
            "If-Unmodified-Since": unmodified,
            "If-Match": match,
        }
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        since, until = dates[modified], dates[unmodified]
        if tags[match] is False or (match is None and until is not None and until < MTIME):
            expected = 412
        elif tags[none_match] or (none_match is None and since is not None and since >= MTIME):
            expected = 304
        else:
            expected = 200
        response = client.ask(target, *lines, method=method)
        assert response.status == expected, lines
        if expected == 200:
            assert response.body == (CONTENT if method == "GET" else b"")
        if expected == 304:
            assert response.body == b""
            assert response["ETag"] == tag


@pytest.mark.parametrize("lines", [["If-None-Match: {tag}"], ["If-Modified-Since: {date}"]])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_modified_has_the_fields_of_the_rfc(
    client: Client, target: str, method: str, lines: list[str]
) -> None:
    """RFC 9110, section 15.4.5."""
    whole = client.ask(target)
    tag, date = whole["ETag"], whole["Last-Modified"]
    response = client.ask(
        target, *(line.format(tag=tag, date=date) for line in lines), method=method
    )
    assert (response.status, response.reason) == (304, "Not Modified")
    for name in ("ETag", "Cache-Control", "Server"):
        assert response[name] == whole[name]
    assert "Date" in response
    assert "Expires" in response
    assert response.get("Content-Length") in {None, whole["Content-Length"]}
    assert client.ask(target).body == CONTENT


def test_directory_has_the_etag_of_its_index(client: Client) -> None:
    tag = client.ask("/docs/index.html")["ETag"]
    assert client.ask("/docs/", f"If-None-Match: {tag}").status == 304


def test_etag_of_another_file_does_not_match(client: Client) -> None:
    tag = client.ask("/notes.txt")["ETag"]
    assert client.ask("/index.html", f"If-None-Match: {tag}").status == 200
    assert client.ask("/index.html", f"If-Match: {tag}").status == 412
