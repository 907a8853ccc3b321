"""The fields of a response: all that the specification asks for, with the right values."""

from __future__ import annotations

import os
import re
import time
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest

from tests.functional.site import FIVE_MB, HOME, TYPES
from tests.support.raw import Client, Response

TWELVE_HOURS = 12 * 60 * 60


def seconds(date: str) -> int:
    """Return the time that an IMF-fixdate tells, which must be in exactly that form."""
    moment = int(parsedate_to_datetime(date).timestamp())
    assert formatdate(moment, usegmt=True) == date
    return moment


def test_response_has_every_field_that_the_specification_asks_for(
    client: Client, docroot: Path
) -> None:
    before = time.time()
    response = client.ask("/index.html")
    after = time.time()
    assert (response.status, response.reason) == (200, "OK")
    assert before - 3 <= seconds(response["Date"]) <= after
    assert seconds(response["Expires"]) - seconds(response["Date"]) == TWELVE_HOURS
    assert response["Cache-Control"] == f"max-age={TWELVE_HOURS}"
    assert re.fullmatch(r"phttpd/[0-9]+(\.[0-9]+)+\S*", response["Server"])
    assert response["Content-Length"] == str(len(HOME))
    assert response["Content-Type"] == "text/html; charset=utf-8"
    modified = int((docroot / "index.html").stat().st_mtime)
    assert seconds(response["Last-Modified"]) == modified
    assert re.fullmatch('"[!#-~]+"', response["ETag"])
    assert response["Accept-Ranges"] == "bytes"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Connection" not in response
    assert response.body == HOME


def test_large_file_has_the_same_fields(client: Client) -> None:
    small, large = client.ask("/index.html"), client.ask("/five.bin")
    assert [name for name, _ in small.fields] == [name for name, _ in large.fields]
    assert large["Content-Length"] == str(len(FIVE_MB))
    assert seconds(large["Expires"]) - seconds(large["Date"]) == TWELVE_HOURS


@pytest.mark.parametrize(
    "target", ["/", "/five.bin", "/notes.txt", "/sizes/0.bin", "/docs", "/bare/", "/missing"]
)
def test_head_has_the_head_of_get(client: Client, target: str) -> None:
    get = client.ask(target)
    head = client.ask(target, method="HEAD")
    assert head.timeless() == get.timeless().headless()
    assert head["Content-Length"] == str(len(get.body))


def test_date_moves_on(client: Client) -> None:
    first = seconds(client.ask("/")["Date"])
    deadline = time.monotonic() + 10
    while seconds((response := client.ask("/"))["Date"]) == first:
        assert time.monotonic() < deadline, "the date stands still"
    assert seconds(response["Expires"]) - seconds(response["Date"]) == TWELVE_HOURS


def dated(client: Client, path: Path, nanoseconds: int) -> Response:
    """Return the response to a new file that was modified at this time."""
    path.write_bytes(b"x")
    os.utime(path, ns=(nanoseconds, nanoseconds))
    return client.ask(f"/{path.name}")


@pytest.mark.parametrize(
    "nanoseconds",
    [0, 1, 999_999_999, 951_782_400_000_000_000, 1_577_836_799_999_999_999, 2**31 * 10**9],
)
def test_last_modified_is_the_second_of_the_modification(
    client: Client, docroot: Path, nanoseconds: int
) -> None:
    response = dated(client, docroot / f"dated-{nanoseconds}.txt", nanoseconds)
    modified = seconds(response["Last-Modified"])
    assert modified == min(nanoseconds // 10**9, seconds(response["Date"]))


def test_file_from_before_1970_is_served(client: Client, docroot: Path) -> None:
    response = dated(client, docroot / "old.txt", -(10**18))
    assert response.body == b"x"
    if modified := response.get("Last-Modified"):
        assert seconds(modified) <= 0


def test_last_modified_is_never_in_the_future(client: Client, docroot: Path) -> None:
    """RFC 9110, section 8.8.2.1."""
    response = dated(client, docroot / "future.txt", 4_102_444_800 * 10**9)
    assert response.body == b"x"
    if modified := response.get("Last-Modified"):
        assert seconds(modified) <= seconds(response["Date"])


@pytest.mark.parametrize("name", TYPES)
def test_content_type_is_that_of_the_suffix(client: Client, name: str) -> None:
    response = client.ask(f"/types/{name}")
    assert re.fullmatch(TYPES[name], response["Content-Type"])
    assert "Content-Encoding" not in response


def test_etags_tell_files_apart(client: Client) -> None:
    tags = [client.ask(f"/types/{name}")["ETag"] for name in TYPES]
    assert len(set(tags)) == len(tags)
    assert client.ask("/")["ETag"] == client.ask("/index.html")["ETag"]


def test_options_tells_the_methods(client: Client) -> None:
    for target in ("/", "*", "/notes.txt"):
        response = client.ask(target, method="OPTIONS")
        assert response.status == 200
        assert response["Allow"] == "GET, HEAD, OPTIONS"
        assert response["Content-Length"] == "0"
        seconds(response["Date"])
