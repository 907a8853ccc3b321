"""The key server_version: whether `Server` names the version, on every kind of response."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd import __version__
from tests.functional.configured import serve_with
from tests.support.raw import Client, request
from tests.support.server import Server

LARGE = 2 << 20
RESPONSES = {
    "file": (200, request("/a.txt")),
    "large file": (200, request("/large.bin")),
    "head": (200, request("/a.txt", method="HEAD")),
    "options": (200, request("*", method="OPTIONS")),
    "range": (206, request("/a.txt", "Range: bytes=0-1")),
    "ranges": (206, request("/a.txt", "Range: bytes=0-1,3-4")),
    "listing": (200, request("/sub/")),
    "listing in JSON": (200, request("/sub/", "Accept: application/json")),
    "redirect": (301, request("/sub")),
    "not modified": (304, request("/a.txt", "If-None-Match: *")),
    "bad request": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "not found": (404, request("/none")),
    "method": (405, request("/a.txt", method="DELETE")),
    "precondition": (412, request("/a.txt", 'If-Match: "none"')),
    "body": (413, request("/a.txt", "Content-Length: 9999999")),
    "wrong range": (416, request("/a.txt", "Range: bytes=100-")),
    "unknown method": (501, request("/a.txt", method="BREW")),
    "other version": (505, request("/a.txt", version="HTTP/2.0")),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("version") / "site"
    (site / "sub").mkdir(parents=True)
    (site / "a.txt").write_text("some text\n")
    with (site / "large.bin").open("wb") as file:
        file.truncate(LARGE)
    return site


@pytest.fixture(scope="module", params=[False, True], ids=["without", "with"])
def server_and_value(site: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    """A server, and its field `Server`."""
    value = f"phttpd/{__version__}" if request.param else "phttpd"
    with serve_with(site, server_version=request.param, listing=True) as server:
        yield server, value


@pytest.mark.parametrize(("status", "data"), RESPONSES.values(), ids=RESPONSES)
def test_server_field_names_the_version_as_server_version_says(
    server_and_value: tuple[Server, str], status: int, data: bytes
) -> None:
    server, value = server_and_value
    for _ in range(3):  # the second and third responses may come from the caches
        with Client(server.port) as client:
            client.send(data)
            response = client.response("HEAD" if data.startswith(b"HEAD") else "GET")
        assert response.status == status
        assert [text for name, text in response.fields if name == "Server"] == [value]
        assert __version__.encode() not in response.body
