"""Content arrives as it is on the disk: files of all sizes, whole and in ranges."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.site import FIVE_MB, NOTES, SIZES, pattern
from tests.support.raw import Client, ask
from tests.support.server import Server

GIB = 1024**3
HUGE = 100 * GIB
MARKS = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, HUGE - 1]


@pytest.mark.parametrize("size", SIZES)
def test_body_of_any_size_arrives_whole(client: Client, size: int) -> None:
    response = client.ask(f"/sizes/{size}.bin")
    assert response.status == 200
    assert response["Content-Length"] == str(size)
    assert response.body == pattern(size)
    head = client.ask(f"/sizes/{size}.bin", method="HEAD")
    assert head["Content-Length"] == str(size)
    assert client.ask(f"/sizes/{size}.bin", "Connection: close").body == pattern(size)
    assert client.rest() == b""


def test_body_of_five_megabytes_has_its_checksum(client: Client) -> None:
    body = client.ask("/five.bin").body
    assert hashlib.sha256(body).hexdigest() == hashlib.sha256(FIVE_MB).hexdigest()


@pytest.mark.parametrize(("target", "content"), [("/notes.txt", NOTES), ("/five.bin", FIVE_MB)])
def test_range_within_a_file_is_those_bytes(client: Client, target: str, content: bytes) -> None:
    size = len(content)
    whole = client.ask(target)
    for ranges, first, last in [
        ("0-0", 0, 0),
        ("1-1", 1, 1),
        ("0-", 0, size - 1),
        ("1-", 1, size - 1),
        (f"0-{size - 1}", 0, size - 1),
        (f"0-{size}", 0, size - 1),
        (f"{size - 1}-", size - 1, size - 1),
        (f"{size - 1}-{size - 1}", size - 1, size - 1),
        ("-1", size - 1, size - 1),
        ("-100", size - 100, size - 1),
        (f"-{size}", 0, size - 1),
        (f"-{size + 1}", 0, size - 1),
        ("300-700", 300, 700),
        (f"{size // 2}-", size // 2, size - 1),
        (f"5-{2**63 - 1}", 5, size - 1),
        (f"5-{2**63}", 5, size - 1),
        (f"5-{2**64}", 5, size - 1),
        (f"-{2**63}", 0, size - 1),
        (f"5-{10**100}", 5, size - 1),
    ]:
        response = client.ask(target, f"Range: bytes={ranges}")
        assert response.status == 206, ranges
        assert response["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert response["Content-Length"] == str(last - first + 1)
        assert response.body == content[first : last + 1], ranges
        for name in ("ETag", "Last-Modified", "Content-Type", "Cache-Control"):
            assert response[name] == whole[name]


@pytest.mark.parametrize(("target", "content"), [("/notes.txt", NOTES), ("/five.bin", FIVE_MB)])
def test_range_past_the_end_is_refused(client: Client, target: str, content: bytes) -> None:
    size = len(content)
    for ranges in (f"{size}-", f"{size}-{size}", f"{size + 1}-", f"{2**63}-", f"{10**100}-", "-0"):
        response = client.ask(target, f"Range: bytes={ranges}")
        assert response.status == 416, ranges
        assert response["Content-Range"] == f"bytes */{size}"
        assert client.ask(target, "Range: bytes=0-0").body == content[:1]


def test_range_of_a_file_around_the_boundary_is_those_bytes(client: Client) -> None:
    for size in SIZES[1:]:
        content = pattern(size)
        for first in {0, size // 2, size - 1}:
            response = client.ask(f"/sizes/{size}.bin", f"Range: bytes={first}-")
            assert (response.status, response.body) == (206, content[first:])
    response = client.ask("/sizes/0.bin", "Range: bytes=0-")
    assert (response.status, response.body) == (200, b"")


def test_download_in_pieces_is_the_whole_file(client: Client) -> None:
    pieces = []
    for start in range(0, len(FIVE_MB), 333_333):
        response = client.ask("/five.bin", f"Range: bytes={start}-{start + 333_332}")
        assert response.status == 206
        pieces.append(response.body)
    assert b"".join(pieces) == FIVE_MB


def test_download_resumes_only_if_the_file_is_the_same(server: Server, docroot: Path) -> None:
    path = docroot / "resumed.bin"
    path.write_bytes(FIVE_MB)
    with Client(server.port) as client:
        begun = client.ask("/resumed.bin", "Range: bytes=0-999999")
        resume = ["Range: bytes=1000000-", f"If-Range: {begun['ETag']}"]
        rest = client.ask("/resumed.bin", *resume)
        assert rest.status == 206
        assert begun.body + rest.body == FIVE_MB
    other = docroot / "resumed.tmp"
    other.write_bytes(FIVE_MB[::-1])
    other.replace(path)
    response = ask(server.port, "/resumed.bin", *resume, "X-New: 1")
    assert (response.status, response.body) == (200, FIVE_MB[::-1])
    assert response["ETag"] != begun["ETag"]


def test_file_of_100_gigabytes_is_served_to_its_end(client: Client, docroot: Path) -> None:
    with (docroot / "huge.bin").open("wb") as file:
        file.truncate(HUGE)
        for number, place in enumerate(MARKS):
            file.seek(place)
            file.write(bytes([number + 1]))
    head = client.ask("/huge.bin", method="HEAD")
    assert head["Content-Length"] == str(HUGE)
    for number, place in enumerate(MARKS):
        response = client.ask("/huge.bin", f"Range: bytes={place}-{place}")
        assert response.status == 206
        assert response["Content-Range"] == f"bytes {place}-{place}/{HUGE}"
        assert response.body == bytes([number + 1])
    across = client.ask("/huge.bin", f"Range: bytes={2**32 - 2}-{2**32 + 2}")
    assert across.body == b"\x00\x05\x06\x07\x00"
    tail = client.ask("/huge.bin", "Range: bytes=-3000000")
    assert tail.body == bytes(2_999_999) + b"\x08"
    assert client.ask("/huge.bin", f"Range: bytes={HUGE}-").status == 416


@pytest.mark.parametrize(
    ("docroot", "target"),
    [
        ("/proc/sys/kernel", "/ostype"),
        ("/proc/self", "/status"),
        ("/sys/kernel", "/mm/transparent_hugepage/enabled"),
    ],
)
def test_file_whose_size_is_not_that_of_its_content_is_refused(docroot: str, target: str) -> None:
    """They are made while they are read, so no later request would fare better."""
    if not Path(docroot + target).exists():
        pytest.skip(f"needs {docroot}{target}, which this kernel does not have")
    with serve_with(Path(docroot)) as server, Client(server.port) as client:
        for _ in range(3):
            response = client.ask(target)
            assert (response.status, response.get("Retry-After")) == (403, None)
            assert b"size" in response.body
        assert client.ask(target, method="HEAD").status == 403
