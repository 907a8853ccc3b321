"""Several ranges in one response: each part has the requested bytes, as another parser reads it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from httpd.protocol.ranges import FEW_RANGES, LEAST_RANGE, MAX_RANGES
from tests.functional.configured import serve_with
from tests.functional.site import FIVE_MB, NOTES
from tests.support.raw import Client, Response, request
from tests.support.server import Server

SMALL_GZ, LARGE_GZ = b"not really gzip" * 20, random.Random(6).randbytes(400_000)
FILES = {"notes.txt": NOTES, "five.js": FIVE_MB}
SPECS = [
    "0-0,-1",
    "0-1,5-6",
    "900-999,0-99",
    "0-99,200-299,400-",
    "-1,0-0",
    "0-0,2-2,4-4,6-6,8-8",
    "1-400,600-900",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("ranges")
    for name, content in FILES.items():
        (site / name).write_bytes(content)
    (site / "typed.bin").write_bytes(FIVE_MB)
    (site / "notes.txt.gz").write_bytes(SMALL_GZ)
    (site / "five.js.br").write_bytes(LARGE_GZ)
    return site


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    rules = [{"path": "/typed.bin", "headers": {"Content-Type": "text/x-own; a=b", "X-Own": "1"}}]
    with serve_with(site, rules=rules) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def take(content: bytes, spec: str) -> tuple[int, bytes]:
    """Return where a range begins and what is in it."""
    first, last = spec.split("-")
    start = int(first) if first else len(content) - int(last)
    stop = int(last) + 1 if first and last else len(content)
    return start, content[start:stop]


def parts_of(response: Response) -> list[tuple[str, str, bytes]]:
    """Return type, range and content of each part, as Python's email package reads them."""
    assert response.status == 206
    assert "Content-Range" not in response
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + response.body)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    kinds = []
    for part in message.walk():
        if part is not message:
            assert not part.defects
            assert sorted(map(str.lower, part.keys())) == ["content-range", "content-type"]
            kinds.append((part["Content-Type"], part["Content-Range"]))
    return [(*kind, body) for kind, body in zip(kinds, bodies_of(response), strict=True)]


def bodies_of(response: Response) -> Iterator[bytes]:
    """Yield the contents of the parts, byte by byte as they are (email changes line ends)."""
    found = re.search("; boundary=([0-9a-zA-Z]{16,70})$", response["Content-Type"])
    assert found
    delimiter = b"\r\n--" + found[1].encode()
    first, *others, last = (b"\r\n" + response.body).split(delimiter)
    assert (first, last) == (b"", b"--\r\n")
    for other in others:
        head, _, body = other.partition(b"\r\n\r\n")
        assert head.startswith(b"\r\n")
        yield body


def check(response: Response, content: bytes, specs: list[str], media_type: str) -> None:
    expected = []
    for spec in specs:
        start, body = take(content, spec)
        where = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        expected.append((media_type, where, body))
    assert parts_of(response) == expected


TYPES = {"notes.txt": "text/plain; charset=utf-8", "five.js": "text/javascript; charset=utf-8"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spec", SPECS)
def test_ranges_have_each_the_bytes_that_were_asked_for(
    client: Client, name: str, spec: str
) -> None:
    whole = client.ask(f"/{name}", method="HEAD")
    for _ in range(2):
        response = client.ask(f"/{name}", f"Range: bytes={spec}")
        check(response, FILES[name], spec.split(","), TYPES[name])
        for field in ("ETag", "Last-Modified", "Vary", "Accept-Ranges", "Cache-Control"):
            assert response[field] == whole[field]
        assert client.ask("/notes.txt", "Range: bytes=1-1").body == NOTES[1:2]


def test_ranges_that_are_large_arrive_whole(client: Client) -> None:
    specs = ["4000000-4999998", "0-1999999", "2500000-2500000", "3000000-3004095"]
    check(
        client.ask("/five.js", f"Range: bytes={', '.join(specs)}"),
        FIVE_MB,
        specs,
        TYPES["five.js"],
    )


@pytest.mark.parametrize("seed", range(10))
def test_ranges_of_any_kind_are_like_the_model(client: Client, seed: int) -> None:
    """In any order, and near to what is sent in one piece."""
    chance = random.Random(seed)
    for name, content in FILES.items():
        marks = sorted(chance.sample(range(0, len(content), 3), 2 * chance.randint(2, FEW_RANGES)))
        specs = [f"{a}-{b}" for a, b in zip(marks[::2], marks[1::2], strict=True)]
        chance.shuffle(specs)
        check(
            client.ask(f"/{name}", f"Range: bytes={','.join(specs)}"), content, specs, TYPES[name]
        )


def test_ranges_that_overlap_or_touch_are_one(client: Client) -> None:
    for spec, first, last in [("0-99,100-199", 0, 199), ("50-99,0-60,99-120", 0, 120)]:
        response = client.ask("/five.js", f"Range: bytes={spec}")
        assert response["Content-Range"] == f"bytes {first}-{last}/{len(FIVE_MB)}"
        assert response.body == FIVE_MB[first : last + 1]
    response = client.ask("/five.js", "Range: bytes=" + ",".join(["0-"] * MAX_RANGES))
    assert (response.status, response.body) == (206, FIVE_MB)


@pytest.mark.parametrize("length", [LEAST_RANGE, 4000])
def test_ranges_beyond_the_limit_get_the_whole(client: Client, length: int) -> None:
    specs = [f"{5000 * n}-{5000 * n + length - 1}" for n in range(MAX_RANGES + 1)]
    response = client.ask("/five.js", f"Range: bytes={','.join(specs[:-1])}")
    check(response, FIVE_MB, specs[:-1], TYPES["five.js"])
    response = client.ask("/five.js", f"Range: bytes={','.join(specs)}")
    assert (response.status, response.body) == (200, FIVE_MB)


@pytest.mark.parametrize("name", FILES)
def test_ranges_that_are_many_and_tiny_get_the_whole(client: Client, name: str) -> None:
    specs = [f"{3 * n}-{3 * n}" for n in range(MAX_RANGES)]
    response = client.ask(f"/{name}", f"Range: bytes={','.join(specs)}")
    assert (response.status, response.body) == (200, FILES[name])


def test_ranges_out_of_reach_are_left_out_or_refused(client: Client) -> None:
    size = len(NOTES)
    response = client.ask("/notes.txt", f"Range: bytes=0-0,{size}-,5-5,{10**30}-")
    check(response, NOTES, ["0-0", "5-5"], TYPES["notes.txt"])
    response = client.ask("/notes.txt", f"Range: bytes={size}-,{10**30}-,-0")
    assert (response.status, response["Content-Range"]) == (416, f"bytes */{size}")


def test_ranges_of_a_head_request_are_ignored(client: Client) -> None:
    for name, content in FILES.items():
        response = client.ask(f"/{name}", "Range: bytes=0-0,-1", method="HEAD")
        assert (response.status, response["Content-Length"]) == (200, str(len(content)))
        assert "Content-Range" not in response


@pytest.mark.parametrize("name", FILES)
def test_ranges_with_if_range_need_the_same_file(client: Client, name: str) -> None:
    etag = client.ask(f"/{name}", method="HEAD")["ETag"]
    line = "Range: bytes=0-0,-1"
    check(
        client.ask(f"/{name}", line, f"If-Range: {etag}"), FILES[name], ["0-0", "-1"], TYPES[name]
    )
    for other in ('"other"', f"W/{etag}", etag.strip('"')):
        response = client.ask(f"/{name}", line, f"If-Range: {other}")
        assert (response.status, response.body) == (200, FILES[name])


def test_ranges_come_after_conditions(client: Client) -> None:
    for lines, status in [(["If-None-Match: *"], 304), (['If-Match: "other"'], 412)]:
        assert client.ask("/five.js", "Range: bytes=0-0,-1", *lines).status == status


@pytest.mark.parametrize(
    ("name", "coding", "content"),
    [("notes.txt", "gzip", SMALL_GZ), ("five.js", "br", LARGE_GZ)],
)
def test_ranges_of_a_coded_form_get_the_whole(
    client: Client, name: str, coding: str, content: bytes
) -> None:
    """Content-Encoding would say of a multipart body that all of it is coded.

    A range of a coded form goes to a client that names the form.
    """
    accept = f"Accept-Encoding: {coding}"
    named = f"If-Range: {client.ask(f'/{name}', accept, method='HEAD')['ETag']}"
    response = client.ask(f"/{name}", "Range: bytes=0-9,-10", accept, named)
    assert (response.status, response.body) == (200, content)
    assert (response["Content-Encoding"], response["Vary"]) == (coding, "Accept-Encoding")
    one = client.ask(f"/{name}", "Range: bytes=0-9,10-19", accept, named)
    assert (one.status, one.body, one["ETag"]) == (206, content[:20], response["ETag"])
    plain = client.ask(f"/{name}", "Range: bytes=0-9,-10", accept)
    check(plain, FILES[name], ["0-9", "-10"], TYPES[name])
    only = "Accept-Encoding: identity;q=0, *"
    other = client.ask(f"/{name}", "Range: bytes=0-9", only, f"If-Range: {plain['ETag']}")
    assert (other.status, other.body) == (200, content), "a tag of another form"


def test_ranges_have_each_the_type_that_a_rule_sets(client: Client) -> None:
    response = client.ask("/typed.bin", "Range: bytes=0-9,-10")
    check(response, FIVE_MB, ["0-9", "-10"], "text/x-own; a=b")
    assert response["X-Own"] == "1"
    assert client.ask("/typed.bin", "Range: bytes=0-9")["Content-Type"] == "text/x-own; a=b"


def test_ranges_of_each_response_have_a_boundary_of_their_own(server: Server) -> None:
    """A user who may write a file cannot know the boundary between its parts."""
    seen = set()
    for number in range(5):
        with Client(server.port) as client:
            response = client.ask(f"/five.js?{number}", "Range: bytes=0-0,-1")
            seen.add(response["Content-Type"])
    assert len(seen) == 5


def test_ranges_reach_a_slow_reader_whole(server: Server) -> None:
    specs = [f"{n * 100_000}-{n * 100_000 + 70_000}" for n in range(40)]
    with Client(server.port, receive_buffer=4096) as slow, Client(server.port) as client:
        slow.send(request("/five.js", f"Range: bytes={','.join(specs)}"), request("/notes.txt"))
        head = slow.head()
        length = int(head["Content-Length"])
        pieces = []
        while length:
            pieces.append(slow.body(min(length, 100_000)))
            length -= len(pieces[-1])
            assert client.ask("/notes.txt").body == NOTES
        check(
            Response(head.status, head.reason, head.fields, b"".join(pieces)),
            FIVE_MB,
            specs,
            TYPES["five.js"],
        )
        assert slow.response().body == NOTES


def test_ranges_are_logged_with_the_size_of_the_whole_body(site: Path) -> None:
    with serve_with(site) as server, Client(server.port) as client:
        for name in FILES:
            size = len(client.ask(f"/{name}", "Range: bytes=0-999,1001-1009").body)
            assert int(server.out.wait_for(f'"GET /{name} .*" 206 (\\d+) ')[1]) == size
