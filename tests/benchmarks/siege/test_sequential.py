"""The sequential server is right, so that it is fair to compare with it; and it is sequential."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.siege import servers
from benchmarks.siege.figures import SEQUENTIAL
from tests.support.raw import Client, request


@pytest.fixture(scope="module")
def docroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sequential") / "site"
    (directory / "sub").mkdir(parents=True)
    (directory / "index.html").write_text("<p>hello\n")
    (directory / "sub" / "index.html").write_text("<p>below\n")
    (directory / "two words.css").write_text("p {}\n")
    (directory / "large.bin").write_bytes(bytes(range(256)) * 4096)
    (directory.parent / "secret.html").write_text("secret\n")
    return directory


@pytest.fixture(scope="module")
def port(docroot: Path) -> Iterator[int]:
    with servers.run(SEQUENTIAL, docroot) as server:
        yield server.port


@pytest.mark.parametrize(
    ("target", "status", "media_type", "content"),
    [
        ("/", 200, "text/html", b"<p>hello\n"),
        ("/index.html?a=b", 200, "text/html", b"<p>hello\n"),
        ("/sub/", 200, "text/html", b"<p>below\n"),
        ("/two%20words.css", 200, "text/css", b"p {}\n"),
        ("/large.bin", 200, "application/octet-stream", bytes(range(256)) * 4096),
        ("/sub", 404, "text/html", None),
        ("/missing.html", 404, "text/html", None),
        ("/missing%zz", 404, "text/html", None),
        ("/%00", 404, "text/html", None),
        ("/../secret.html", 404, "text/html", None),
        ("/%2e%2e/secret.html", 404, "text/html", None),
        ("//etc/passwd", 404, "text/html", None),
    ],
)
def test_sequential_server_responds_as_it_should(
    port: int, target: str, status: int, media_type: str, content: bytes | None
) -> None:
    with Client(port) as client:
        response = client.ask(target)
        assert response.status == status
        assert response["Content-Type"] == media_type
        assert response["Connection"] == "close"
        assert content is None or response.body == content
        assert client.rest() == b""


def test_sequential_server_sends_no_body_to_head(port: int) -> None:
    with Client(port) as client:
        assert client.ask("/index.html", method="HEAD")["Content-Length"] == "9"
        assert client.rest() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/", method="BREW"), 501),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / FTP/1.1\r\n\r\n", 400),
    ],
)
def test_sequential_server_refuses_what_it_cannot_do(port: int, data: bytes, status: int) -> None:
    with Client(port) as client:
        client.send(data)
        assert client.response().status == status


def test_sequential_server_takes_one_client_at_a_time(port: int) -> None:
    with Client(port) as first, Client(port) as second:
        first.send(b"GET / HT")
        second.send(request("/"))
        second.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            second.socket.recv(1, socket.MSG_PEEK)
        first.send(b"TP/1.1\r\n\r\n")
        assert first.response().status == 200
        second.socket.settimeout(10)
        assert second.response().status == 200


def test_sequential_server_survives_a_client_that_leaves(port: int) -> None:
    with Client(port, receive_buffer=4096) as client:
        client.send(request("/large.bin"))
        client.head()
    with Client(port) as client:
        assert client.ask("/").status == 200
