"""Redirects of the operator, as clients get them over a connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.raw import Client, Response, request
from tests.support.server import Server, serve

CONFIG = """
redirects:
  - path: /old/**
    to: /new/**
  - path: /elsewhere/*
    to: https://e.example/*?from=here#top
    status: 302
  - path: /gone.html
    status: 410
rules:
  - path: /old/**
    headers:
      X-Moved: indeed
      Cache-Control: max-age=60
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("redirects")
    for name in "old/page.html", "new/page.html", "gone.html", "other.html":
        path = directory / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    config = Path(directory, "phttpd.yaml")
    config.write_text(CONFIG)
    options = ("--config", str(config), "--workers", "1", "--threads", "1")
    with serve(directory / "site", *options) as server:
        yield server


def ask(client: Client, target: str, method: str = "GET", body: bytes = b"") -> Response:
    lines = [f"Content-Length: {len(body)}"] if body else []
    client.send(request(target, *lines, method=method) + body)
    return client.response(method)


def test_redirects_over_one_connection(server: Server) -> None:
    """The connection stays, also after a body, and no response is that of another request."""
    with Client(server.port) as client:
        for target, status, location in [
            ("/old/page.html", 308, "/new/page.html"),
            ("/old/page.html", 308, "/new/page.html"),
            ("/old/page.html?x=1", 308, "/new/page.html?x=1"),
            ("/old/page.html?x=2", 308, "/new/page.html?x=2"),
            ("/old/page.html", 308, "/new/page.html"),
            ("/%6Fld//page.html", 308, "/new/page.html"),
            ("/elsewhere/a?b", 302, "https://e.example/a?from=here&b#top"),
        ]:
            for method, body in ("GET", b""), ("HEAD", b""), ("POST", b"a body"), ("PUT", b"a"):
                response = ask(client, target, method, body)
                assert (response.status, response["Location"]) == (status, location)
                assert (b"another address" in response.body) is (method != "HEAD")
                assert "Connection" not in response


def test_file_at_the_path_of_a_redirect_is_not_served(server: Server) -> None:
    with Client(server.port) as client:
        assert ask(client, "/gone.html").status == 410
        assert ask(client, "/new/page.html").body == b"content of new/page.html"
        assert ask(client, "/other.html").body == b"content of other.html"
        assert ask(client, "/old").status == 301, "a directory, which is not below itself"


def test_options_is_about_the_server_and_not_redirected(server: Server) -> None:
    with Client(server.port) as client:
        response = ask(client, "/old/page.html", "OPTIONS")
        assert (response.status, response["Allow"]) == (200, "GET, HEAD, OPTIONS")


def test_redirect_has_the_fields_of_the_rules_for_pages(server: Server) -> None:
    """As an error page does: the lifetime of a file at this path is not that of the redirect."""
    with Client(server.port) as client:
        response = ask(client, "/old/page.html")
        assert response["X-Moved"] == "indeed"
        assert response["Cache-Control"] == "no-store"
        assert "X-Moved" not in ask(client, "/elsewhere/a")
