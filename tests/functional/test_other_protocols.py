"""Bytes of another protocol are answered 400 at once, without waiting for more."""

from __future__ import annotations

import socket
import ssl
import subprocess

import pytest

from tests.support.raw import Client
from tests.support.require import command
from tests.support.server import DEADLINE, Server


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HELLO A B C\r\n", id="words"),
        pytest.param(b"GET /\r\n", id="http-0.9"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="ssh"),
        pytest.param(bytes.fromhex("030000130ee00000000000010008000b000000"), id="rdp"),
        pytest.param(b"\0", id="nul"),
    ],
)
def test_bytes_that_cannot_become_a_request_get_400_and_not_408(
    server: Server, data: bytes
) -> None:
    """The client sends no more, so a server that waited would answer 408 in the end."""
    with Client(server.port) as client:
        client.send(data)
        assert client.response().status == 400
        assert client.rest() == b""
        server.out.wait_for(f"{client.address} closed: bad request")


def test_bytes_that_cannot_become_a_request_get_400_on_a_kept_connection(server: Server) -> None:
    with Client(server.port) as client:
        assert client.ask("/").status == 200
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nQUIT\r\n")
        assert client.response().status == 200
        assert client.response().status == 400


def test_tls_on_a_plain_port_is_named_in_the_log(server: Server) -> None:
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as connection:
        host, port = connection.getsockname()
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_hostname="localhost")
    server.out.wait_for(f"connection {host}:{port} closed: TLS on a plain port")


@pytest.mark.debian("curl")
def test_curl_with_https_is_refused_at_once(server: Server) -> None:
    curl = command("curl", "curl")
    url = server.url.replace("http:", "https:")
    done = subprocess.run(
        [curl, "--insecure", "--noproxy", "*", "--silent", "--show-error", url],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 35, done  # CURLE_SSL_CONNECT_ERROR, and no time-out
    server.out.wait_for("closed: TLS on a plain port")
