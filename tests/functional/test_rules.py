"""Rules about fields and lifetimes, as clients see them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.functional.configured import serve_with, write_config
from tests.support.raw import Client, Response, ask
from tests.support.server import Server, serve

RULES: list[dict[str, Any]] = [
    {"path": "/**", "headers": {"X-All": "1", "X-Content-Type-Options": None}},
    {"path": ["/short/**", "*.short"], "expires": "1m"},
    {"path": "/never/**", "expires": 0},
    {"path": "/stored/**", "expires": "1h", "headers": {"Cache-Control": "no-store"}},
    {"path": "/stored/again/*", "expires": "2h"},
    {"path": "/timeless/**", "headers": {"expires": None, "Cache-Control": "immutable"}},
    {
        "path": "/own/**",
        "headers": {"Content-Type": "text/x-own", "Server": "me", "X-All": "2", "X-Own": "yes"},
    },
    {"path": "/own/secret*", "headers": {"X-Own": None, "Content-Disposition": "attachment"}},
    {"path": "/**/", "headers": {"X-Folder": "1"}},
]
HALF_A_DAY = 12 * 3600
CONTENT = b"content" * 10


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("rules") / "site"
    for name in ("a", "b.short", "short/a", "never/a", "stored/a", "stored/again/a", "timeless/a"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(CONTENT)
    (site / "own" / "deep").mkdir(parents=True)
    for name in ("own/a", "own/secret.txt", "own/a.gz", "own/deep/a"):
        (site / name).write_bytes(CONTENT)
    return site


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, rules=RULES, listing=True) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def lifetime(response: Response) -> float:
    """Return the seconds between Date and Expires."""
    date, expires = (parsedate_to_datetime(response[name]) for name in ("Date", "Expires"))
    return (expires - date).total_seconds()


@pytest.mark.parametrize(
    ("target", "seconds"),
    [
        ("/a", HALF_A_DAY),
        ("/b.short", 60),
        ("/short/a", 60),
        ("//short//a", 60),
        ("/%73hort/%61", 60),
        ("/short/a?query", 60),
        ("http://localhost/short/a", 60),
        ("/never/a", 0),
        ("/stored/again/a", 7200),
    ],
)
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("X: y", 200),
        ("Range: bytes=1-3", 206),
        ("Range: bytes=1-3,5-6", 206),
        ("If-None-Match: *", 304),
    ],
)
def test_lifetimes_in_both_fields_agree(
    client: Client, target: str, seconds: int, line: str, status: int
) -> None:
    for method in ("GET", "HEAD"):
        response = client.ask(target, line, method=method)
        assert response.status == (200 if method == "HEAD" and status == 206 else status)
        assert response["Cache-Control"] == f"max-age={seconds}"
        assert lifetime(response) == seconds


@pytest.mark.parametrize("line", ["X: y", "Range: bytes=1-3", "If-None-Match: *"])
def test_rule_with_fields_beats_its_lifetime(client: Client, line: str) -> None:
    response = client.ask("/stored/a", line)
    assert response["Cache-Control"] == "no-store"
    response = client.ask("/timeless/a", line)
    assert response["Cache-Control"] == "immutable"
    assert "Expires" not in response
    assert "Date" in response


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/own/a", [], 200),
        ("/own/a", ["Accept-Encoding: gzip"], 200),
        ("/own/a", ["Range: bytes=0-1"], 206),
        ("/own/a", ["If-None-Match: *"], 304),
        ("/own/a", ['If-Match: "x"'], 412),
        ("/own/a", ["Range: bytes=999-"], 416),
        ("/own/a", ["Accept-Encoding: *;q=0"], 406),
        ("/own/missing", [], 404),
        ("/own/deep", [], 301),
        ("/own/", [], 200),
        ("/own/", ["Accept: application/json"], 200),
        ("/own/", ["If-None-Match: *"], 304),
        ("//own///a", [], 200),
        ("/%6fwn/%61", [], 200),
        ("/own/.hidden", [], 404),
    ],
)
def test_rule_sets_its_fields_on_every_kind_of_response(
    client: Client, target: str, lines: list[str], status: int
) -> None:
    for method in ("GET", "HEAD"):
        if method == "HEAD" and status in (206, 416):
            continue
        response = client.ask(target, *lines, method=method)
        assert response.status == status
        assert response["X-Own"] == "yes"
        assert response["X-All"] == "2"
        assert response["Server"] == "me"
        assert "X-Content-Type-Options" not in response
        is_file = status in (200, 206) and not target.endswith("/")
        assert (response.get("Content-Type") == "text/x-own") is is_file
        assert ("X-Folder" in response) is (target == "/own/")
        assert ("Content-Type" in response) is (status != 304)


def test_rule_counts_for_other_methods(client: Client) -> None:
    for method, status in (("OPTIONS", 200), ("POST", 405), ("BREW", 501)):
        with Client(int(client.socket.getpeername()[1])) as other:
            response = other.ask("/own/a", method=method)
            assert (response.status, response["X-Own"]) == (status, "yes")
            assert response.get("Content-Type") != "text/x-own"


def test_rule_leaves_a_listing_its_policy_and_type(client: Client) -> None:
    for target in ("/own/deep/", "/stored/", "/timeless/"):
        response = client.ask(target)
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert response["Cache-Control"] == "no-cache"
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "Expires" not in response


def test_rule_takes_away_what_an_earlier_one_set(client: Client) -> None:
    response = client.ask("/own/secret.txt")
    assert "X-Own" not in response
    assert response["Content-Disposition"] == "attachment"
    for spelling in (
        "//own/secret.txt",
        "/own//secret.txt",
        "/own/%73ecret.txt",
        "/own%2Fsecret.txt",
        "/./own/secret.txt",
        "/a/../own/%2e/secret.txt",
        "/a%2f..%2Fown/secret.txt",
    ):
        assert client.ask(spelling).timeless() == response.timeless()
    assert "Content-Disposition" not in client.ask("/own/secret-and-missing")
    assert "Content-Disposition" not in client.ask("/own/secret.txt", "If-None-Match: *")


def test_rule_counts_for_cached_responses(client: Client) -> None:
    for _ in range(3):
        assert client.ask("/own/a")["X-Own"] == "yes"
        assert "X-Own" not in client.ask("/a")
        assert client.ask("/short/a")["Cache-Control"] == "max-age=60"


def test_rule_is_changed_by_a_reload(site: Path, tmp_path: Path) -> None:
    config = tmp_path / "phttpd.yaml"
    write_config(config, rules=[{"path": "/a", "expires": 5, "headers": {"X-A": "old"}}])
    with serve(site, "--config", str(config)) as server, Client(server.port) as idle:
        response = idle.ask("/a")
        assert (response["X-A"], lifetime(response)) == ("old", 5)
        write_config(config, rules=[{"path": "*", "headers": {"X-A": "new"}}])
        server.signal(signal.SIGHUP)
        assert idle.rest() == b""  # the worker with the old rules has left
        response = ask(server.port, "/a")
        assert (response["X-A"], lifetime(response)) == ("new", HALF_A_DAY)
        assert ask(server.port, "/missing")["X-A"] == "new"
