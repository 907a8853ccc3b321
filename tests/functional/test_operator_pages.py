"""Clean URLs, the fallback and the error pages of the operator, as clients see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.test_changes import ask_until, replace
from tests.support.raw import Client
from tests.support.server import Server

APP = b"<title>Application</title>"
SETTINGS = {
    "clean_urls": True,
    "fallback": "/index.html",
    "errors": {404: "/404.html", 403: "/403.html"},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_bytes(APP)
    (root / "404.html").write_bytes(b"not here")
    (root / "assets" / "app.js").write_bytes(b"app")
    return root


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with serve_with(root, **SETTINGS) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def test_route_of_an_application_gets_its_page_over_one_connection(client: Client) -> None:
    for target in "/", "/user/5", "/user/5/", "/user/5?tab=1", "/assets/none", "/user/5":
        response = client.ask(target)
        assert (response.status, response.body) == (200, APP)
    assert client.ask("/assets/app.js").body == b"app"
    tag = client.ask("/user/5")["ETag"]
    assert client.ask("/user/6", f"If-None-Match: {tag}").status == 304


def test_page_has_one_address(root: Path, client: Client) -> None:
    (root / "about.html").write_bytes(b"about")
    for _ in range(3):
        assert client.ask("/about").body == b"about"
        for target in "/about.html?a=b", "/about.html":
            response = client.ask(target)
            assert response.status == 301
            assert response["Location"] == f"./about{target[11:]}"
    (root / "about").write_bytes(b"another file")
    ask_until(client, "/about", lambda response: response.body == b"another file")
    ask_until(client, "/about.html", lambda response: response.body == b"about")
    (root / "about").unlink()
    ask_until(client, "/about", lambda response: response.body == b"about")
    ask_until(client, "/about.html", lambda response: response.status == 301)


def test_missing_file_of_an_application_gets_the_error_page(client: Client) -> None:
    for method in "GET", "HEAD", "GET":
        response = client.ask("/assets/none.js", method=method)
        assert (response.status, response["Content-Length"]) == (404, "8")
        assert response.body == (b"" if method == "HEAD" else b"not here")


def test_error_page_that_is_missing_leaves_the_connection_and_the_status(
    root: Path, client: Client
) -> None:
    """As for 403: there is no /403.html."""
    (root / ".well-known").mkdir()
    response = client.ask("/.well-known/")
    assert response.status == 403
    assert b"<footer>phttpd</footer>" in response.body
    assert client.ask("/").status == 200


def test_change_of_the_pages_is_seen_soon(root: Path, client: Client) -> None:
    client.ask("/user")
    client.ask("/none.js")
    replace(root / "index.html", b"another application")
    ask_until(client, "/user", lambda response: response.body == b"another application")
    replace(root / "404.html", b"another page")
    ask_until(client, "/none.js", lambda response: response.body == b"another page")
    (root / "index.html").unlink()
    ask_until(client, "/user", lambda response: response.status == 404)
    (root / "404.html").unlink()
    last = ask_until(client, "/none.js", lambda response: response.body != b"another page")[-1]
    assert last.status == 404


def test_docroot_that_is_missing_has_neither(root: Path, server: Server, client: Client) -> None:
    client.ask("/user")
    root.rename(root.with_name("elsewhere"))
    last = ask_until(client, "/user/5", lambda response: response.status != 200)[-1]
    assert last.status == 503
    assert b"<footer>phttpd</footer>" in last.body
    server.err.wait_for("cannot be read")
    server.err.seen.clear()
