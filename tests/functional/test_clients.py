"""Other people's clients as a second opinion: Python's http.client and curl."""

from __future__ import annotations

import http.client
import os
import subprocess
from pathlib import Path

import pytest

from tests.functional.site import FIVE_MB, HOME, NOTES
from tests.support.require import command
from tests.support.server import DEADLINE, Server

pytestmark = pytest.mark.debian("curl")


@pytest.fixture(scope="session")
def curl() -> str:
    return command("curl", "curl")


def run(curl: str, *arguments: str) -> bytes:
    """Run curl, which must succeed, and return its output."""
    done = subprocess.run(
        [curl, "--silent", "--show-error", "--noproxy", "*", *arguments],
        check=False,
        capture_output=True,
        timeout=DEADLINE,
        env={**os.environ, "CURL_HOME": "/nonexistent"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_http_client_of_python_reads_the_response(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    try:
        connection.connect()
        own_socket = connection.sock
        for target, status, body in [
            ("/", 200, HOME),
            ("/five.bin", 200, FIVE_MB),
            ("/missing", 404, None),
            ("/notes.txt", 200, NOTES),
            ("/docs", 301, None),
        ]:
            connection.request("GET", target)
            response = connection.getresponse()
            content = response.read()
            assert response.status == status
            assert body is None or content == body
            connection.request("HEAD", target)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b"")
            assert response.getheader("Content-Length") == str(len(content))
        assert connection.sock is own_socket, "the connection was not kept"
        connection.request("POST", "/", body=b"x" * 1000)
        response = connection.getresponse()
        response.read()
        assert response.status == 405
        assert not response.will_close
    finally:
        connection.close()


def test_curl_keeps_the_connection(curl: str, server: Server) -> None:
    targets = ["/", "/notes.txt", "/missing", "/five.bin", "/"]
    out = run(
        curl,
        *(
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code} %{num_connects} %{size_download}\n",
        ),
        *(argument for t in targets for argument in (f"{server.url}{t}", "--output", "/dev/null")),
    )
    lines = [line.split() for line in out.decode().splitlines()]
    assert [line[0] for line in lines] == ["200", "200", "404", "200", "200"]
    assert [line[1] for line in lines] == ["1", "0", "0", "0", "0"]
    assert lines[3][2] == str(len(FIVE_MB))


@pytest.mark.parametrize("option", ["--http1.0", "--http1.1"])
def test_curl_downloads(curl: str, server: Server, option: str) -> None:
    assert run(curl, option, f"{server.url}/five.bin") == FIVE_MB


def test_curl_reads_the_head(curl: str, server: Server) -> None:
    head = run(curl, "--head", f"{server.url}/notes.txt").decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"\r\nContent-Length: {len(NOTES)}\r\n" in head
    assert head.endswith("\r\n\r\n")


def test_curl_resumes(curl: str, server: Server, tmp_path: Path) -> None:
    out = tmp_path / "five.bin"
    out.write_bytes(FIVE_MB[:1_234_567])
    run(curl, "--continue-at", "-", "--output", str(out), f"{server.url}/five.bin")
    assert out.read_bytes() == FIVE_MB


def test_curl_asks_only_for_what_is_newer(curl: str, server: Server, tmp_path: Path) -> None:
    out, tag = tmp_path / "notes.txt", tmp_path / "etag"
    code = ["--write-out", "%{http_code}", "--remote-time", "--output", str(out)]
    url = f"{server.url}/notes.txt"
    assert run(curl, *code, "--etag-save", str(tag), url) == b"200"
    assert out.read_bytes() == NOTES
    assert out.stat().st_mtime == int((server.docroot / "notes.txt").stat().st_mtime)
    assert run(curl, *code, "--time-cond", str(out), url) == b"304"
    assert run(curl, *code, "--etag-compare", str(tag), url) == b"304"


def test_curl_follows_the_redirect(curl: str, server: Server) -> None:
    assert run(curl, "--location", f"{server.url}/docs") == b"docs"


def test_curl_gets_no_further_than_the_docroot(curl: str, server: Server) -> None:
    code = ["--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}"]
    assert run(curl, *code, f"{server.url}/../../etc/passwd") == b"400"


def test_curl_uploads_in_vain(curl: str, server: Server, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(FIVE_MB)
    code = ["--output", "/dev/null", "--write-out", "%{http_code}"]
    assert run(curl, *code, "--data", "a=b", f"{server.url}/") == b"405"
    assert run(curl, *code, "--upload-file", str(big), f"{server.url}/big") == b"405"
    chunked = ["--header", "Transfer-Encoding: chunked", "--upload-file", str(big)]
    assert run(curl, *code, *chunked, f"{server.url}/big") == b"405"
