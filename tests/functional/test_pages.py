"""Error pages: small, readable, self-contained, and with a correct head."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.support.raw import Client, Response, request
from tests.support.server import Server

ERRORS = [
    (400, "Bad Request", b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    (403, "Forbidden", request("/bare/")),
    (404, "Not Found", request("/missing")),
    (405, "Method Not Allowed", request("/", method="POST")),
    (412, "Precondition Failed", request("/", 'If-Match: "other"')),
    (414, "URI Too Long", request("/" + "a" * 9000)),
    (416, "Range Not Satisfiable", request("/", "Range: bytes=9999-")),
    (431, "Request Header Fields Too Large", request("/", "X-A: " + "a" * 40_000)),
    (501, "Not Implemented", request("/", method="BREW")),
    (505, "HTTP Version Not Supported", request("/", version="HTTP/2.0")),
]
KEEPING = {403, 404, 405, 412, 416}

every_error = pytest.mark.parametrize(
    ("status", "reason", "data"), ERRORS, ids=[str(status) for status, _, _ in ERRORS]
)


class Page(HTMLParser):
    """Collects the parts of a page that the tests check."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "br", "hr", "img"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.text[tag] = self.text.get(tag, "") + data


def response_to(server: Server, data: bytes, method: str = "GET") -> Response:
    with Client(server.port) as client:
        client.send(data)
        return client.response(method)


@every_error
def test_error_page_says_what_is_wrong(
    server: Server, status: int, reason: str, data: bytes
) -> None:
    response = response_to(server, data)
    assert (response.status, response.reason) == (status, reason)
    assert response["Content-Type"] == "text/html; charset=utf-8"
    text = response.body.decode()
    assert text.lower().startswith("<!doctype html>")
    page = Page(text)
    assert str(status) in page.text["title"]
    assert reason in page.text["title"] + page.text["h1"]
    words = page.text["body"].removeprefix(str(status)).split()
    assert len(words) > 5, "a page explains itself"
    assert len(response.body) < 5000


@every_error
def test_error_page_needs_no_other_resource(
    server: Server, status: int, reason: str, data: bytes
) -> None:
    text = response_to(server, data).body.decode()
    page = Page(text)
    assert all(re.fullmatch(r"\./|(\.\./)+", address) for address in page.addresses), "a way home"
    assert not {"script", "iframe", "object"} & page.text.keys()
    assert "url(" not in text.replace("url(data:", "")
    assert "@import" not in text
    assert str(status) in text
    assert reason in text


@every_error
def test_error_has_an_honest_head(server: Server, status: int, reason: str, data: bytes) -> None:
    response = response_to(server, data)
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Length"] == str(len(response.body))
    assert response["Server"].startswith("phttpd/")
    assert response["Date"].endswith(" GMT")
    for name in ("ETag", "Last-Modified"):
        assert name not in response or status == 416
    assert response.get("Connection") == (None if status in KEEPING else "close")
    assert response.reason == reason


@pytest.mark.parametrize("status", sorted(KEEPING - {405, 416}))
def test_error_to_a_head_request_has_no_body(server: Server, status: int) -> None:
    data = next(data for number, _, data in ERRORS if number == status)
    with Client(server.port) as client:
        client.send(data)
        get = client.response()
        client.send(b"HEAD" + data.removeprefix(b"GET"))
        assert client.response("HEAD").timeless() == get.timeless().headless()
        assert client.ask("/").status == 200


def test_405_says_which_methods_are_allowed(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        response = client.ask("/notes.txt", method=method)
        assert (response.status, response["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_trace_returns_nothing_of_the_request(client: Client) -> None:
    response = client.ask("/", "Cookie: secret=1", method="TRACE")
    assert b"secret" not in response.body


@pytest.mark.parametrize(
    "data",
    [
        request("/%3Cscript%3Ealert(1)"),
        request("/<script>alert(1)"),
        request("/?<script>alert(1)"),
        request("/%22%3E%3Cscript%3Ealert(1)"),
        request("/missing", "Referer: <script>"),
        request("/missing", host="<script>"),
        request("/", method="<script>"),
    ],
)
def test_error_page_carries_no_markup_of_the_client(server: Server, data: bytes) -> None:
    response = response_to(server, data)
    assert b"<script" not in response.body.lower()
    assert b"alert(1)" not in response.body or b"&lt;script" in response.body


def test_redirect_is_a_page_too(client: Client) -> None:
    response = client.ask("/docs")
    assert response.status == 301
    assert response.reason == "Moved Permanently"
    assert response["Content-Length"] == str(len(response.body))
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "301" in Page(response.body.decode()).text["title"]
