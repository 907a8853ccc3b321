"""Precompressed forms beside a file: who gets which, and what is said of it."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from httpd.files.file_cache import MAX_OPEN_FILES
from tests.functional.configured import serve_with
from tests.functional.test_memory import MIB, proportional_size
from tests.process import proc
from tests.support.raw import Client, Response, request
from tests.support.server import DEADLINE, Server
from tests.unit.site.directories import open_directory

PAGE = b"<!doctype html><title>Page</title>" + b"<p>Hello." * 100
BR, ZST, GZ = b"brotli" * 9, b"zstandard" * 9, gzip.compress(PAGE)
LARGE = random.Random(7).randbytes(700_000)
LARGE_BR, LARGE_ZST = LARGE[:300_001], LARGE[100_000:400_002]
LARGE_GZ = gzip.compress(LARGE)
FORMS = {
    "/page.html": {"identity": PAGE, "br": BR, "zstd": ZST, "gzip": GZ},
    "/large.js": {"identity": LARGE, "br": LARGE_BR, "zstd": LARGE_ZST, "gzip": LARGE_GZ},
    "/folder/": {"identity": PAGE[::-1], "gzip": gzip.compress(PAGE[::-1])},
}
ALL = [(target, coding) for target, forms in FORMS.items() for coding in forms]
SUFFIXES = {"identity": "", "br": ".br", "zstd": ".zst", "gzip": ".gz"}


def put(path: Path, content: bytes, age: float = 100.0) -> Path:
    """Write a file that was last changed so many seconds ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("precompressed") / "site"
    site.mkdir()
    for target, forms in FORMS.items():
        name = target[1:] + ("index.html" if target.endswith("/") else "")
        for coding, content in forms.items():
            put(site / f"{name}{SUFFIXES[coding]}", content)
    put(site / "plain.txt", b"plain")
    return site


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, rules=[{"path": "/own.txt", "headers": {"X-Own": "1"}}]) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


def get(
    client: Client, target: str, coding: str | None, *lines: str, method: str = "GET"
) -> Response:
    accept = [] if coding is None else [f"Accept-Encoding: {coding}"]
    return client.ask(target, *accept, *lines, method=method)


# ---------------------------------------------------------------- who gets what


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate, zstd", "zstd"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0.5 , gzip;q=0.500", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.001", "br"),
        ("br;q=0.000", "identity"),
        ("*", "br"),
        ("br;q=0, *", "zstd"),
        ("gzip, *;q=0", "gzip"),
        ("gzip, *;q=0.1", "gzip"),
        ("*;q=0, identity", "identity"),
        ("identity, gzip;q=0.9", "identity"),
        ("identity;q=0.5, gzip;q=0.4", "identity"),
        ("identity;q=0, zstd;q=0.1", "zstd"),
        ("deflate, compress", "identity"),
        ("gzip;q=2", "identity"),
        ("gzip;q=-1", "identity"),
        ("gzip;q=0.1234", "identity"),
        ("gzip;x=1", "identity"),
        ("gzi", "identity"),
        ("br gzip", "identity"),
        (", ,gzip,,", "gzip"),
        ("gzip\xa0", "identity"),
    ],
)
@pytest.mark.parametrize("target", ["/page.html", "/large.js"])
def test_who_gets_what(client: Client, target: str, accept: str | None, coding: str) -> None:
    for _ in range(2):
        response = get(client, target, accept)
        assert response.status == 200
        assert (response.get("Content-Encoding") or "identity") == coding
        assert response.body == FORMS[target][coding]
        assert response["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "accept", ["identity;q=0", "*;q=0", "deflate, identity;q=0", "*;q=0.0,br;q=0"]
)
def test_who_accepts_nothing(client: Client, accept: str) -> None:
    for target in ("/page.html", "/plain.txt"):
        for method in ("GET", "HEAD"):
            response = get(client, target, accept, method=method)
            assert response.status == 406
            assert "ETag" not in response
            assert ("Vary" in response) is (target == "/page.html")


def test_a_form_that_decodes_to_the_file(client: Client) -> None:
    for target in FORMS:
        assert gzip.decompress(get(client, target, "gzip").body) == FORMS[target]["identity"]


def test_a_file_without_forms_is_the_same_for_all(client: Client) -> None:
    responses = [get(client, "/plain.txt", accept) for accept in (None, "gzip, br", "identity")]
    assert {response.body for response in responses} == {b"plain"}
    assert len({response["ETag"] for response in responses}) == 1
    assert not any("Vary" in response or "Content-Encoding" in response for response in responses)


def test_a_form_that_is_asked_for_itself(client: Client) -> None:
    for accept in (None, "gzip"):
        response = get(client, "/page.html.gz", accept)
        assert response["Content-Type"] == "application/gzip"
        assert "Content-Encoding" not in response
        assert "Vary" not in response
        assert response.body == GZ


def test_it_can_be_switched_off(site: Path) -> None:
    with serve_with(site, precompressed=False) as server, Client(server.port) as client:
        response = get(client, "/page.html", "gzip, br")
        assert response.body == PAGE
        assert "Vary" not in response
        assert get(client, "/page.html.gz", "gzip").body == GZ


# ---------------------------------------------------------------- what is said of each


@pytest.mark.parametrize(("target", "coding"), ALL)
def test_each_form_has_a_head_of_its_own(client: Client, target: str, coding: str) -> None:
    response = get(client, target, coding)
    assert response["Content-Type"] == get(client, target, None)["Content-Type"]
    assert response["Content-Length"] == str(len(FORMS[target][coding]))
    assert get(client, target, coding, method="HEAD").timeless() == response.headless().timeless()
    others = {get(client, target, other)["ETag"] for other in FORMS[target] if other != coding}
    assert response["ETag"] not in others


@pytest.mark.parametrize(("target", "coding"), ALL)
def test_conditions_are_about_the_form(client: Client, target: str, coding: str) -> None:
    response = get(client, target, coding)
    for line in (
        f"If-None-Match: {response['ETag']}",
        f"If-None-Match: W/{response['ETag']}",
        f"If-Modified-Since: {response['Last-Modified']}",
    ):
        for method in ("GET", "HEAD"):
            same = get(client, target, coding, line, method=method)
            assert same.status == 304
            assert same["ETag"] == response["ETag"]
            assert same["Vary"] == "Accept-Encoding"
            assert "Content-Encoding" not in same
    for other in FORMS[target]:
        if other != coding:
            assert get(client, target, other, f"If-None-Match: {response['ETag']}").status == 200
            assert get(client, target, other, f"If-Match: {response['ETag']}").status == 412
    assert get(client, target, coding, f"If-Match: {response['ETag']}").body == response.body


@pytest.mark.parametrize(("target", "coding"), ALL)
@pytest.mark.parametrize("named_by", ["If-Range", "If-Match", "refusing all others"])
def test_ranges_are_of_the_form_that_is_named(
    client: Client, target: str, coding: str, named_by: str
) -> None:
    content = FORMS[target][coding]
    tag = get(client, target, coding)["ETag"]
    accept, line = "br, zstd, gzip", f"{named_by}: {tag}"
    if " " in named_by:
        accept, line = f"{coding}, *;q=0", "X-None: 1"
    response = get(client, target, accept, "Range: bytes=5-30", line)
    assert (response.status, response.body) == (206, content[5:31])
    assert response["Content-Range"] == f"bytes 5-30/{len(content)}"
    assert (response.get("Content-Encoding") or "identity") == coding
    assert response["Vary"] == "Accept-Encoding"
    assert response["ETag"] == tag
    assert get(client, target, accept, "Range: bytes=-9", line).body == content[-9:]
    beyond = get(client, target, accept, f"Range: bytes={len(content)}-", line)
    assert (beyond.status, beyond["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert "Content-Encoding" not in beyond


@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize(
    ("accept", "line"),
    [
        ("gzip, br, zstd", "X-None: 1"),
        ("gzip, br, zstd", "If-Match: *"),
        ("gzip, br, zstd", 'If-None-Match: "x"'),
        ("gzip, identity;q=0.1", "X-None: 1"),
        ("*", "X-None: 1"),
    ],
)
def test_a_range_without_a_tag_is_of_the_file_itself(
    client: Client, target: str, accept: str, line: str
) -> None:
    plain = FORMS[target]["identity"]
    response = get(client, target, accept, "Range: bytes=5-30", line)
    assert (response.status, response.body) == (206, plain[5:31])
    assert "Content-Encoding" not in response
    assert response["Vary"] == "Accept-Encoding"
    several = get(client, target, accept, "Range: bytes=0-1,5-6", line)
    assert several["Content-Type"].startswith("multipart/byteranges")
    for lines in ((), ("Range: bytes=5-30",)):  # which means nothing for HEAD
        head = get(client, target, accept, line, *lines, method="HEAD")
        assert head["Content-Encoding"] in accept.replace("*", "br, gzip")


def test_a_download_goes_on_with_the_form_that_it_began_with(client: Client) -> None:
    accept = "gzip, br"
    part = get(client, "/page.html", accept, "Range: bytes=0-9")
    assert part.body == PAGE[:10]
    for name in ("If-Range", "If-Match"):
        rest = get(client, "/page.html", accept, "Range: bytes=10-", f"{name}: {part['ETag']}")
        assert (rest.status, rest.body) == (206, PAGE[10:])
    known = get(client, "/page.html", accept, "Range: bytes=0-9", f"If-None-Match: {part['ETag']}")
    assert (known.status, known["ETag"]) == (304, part["ETag"])


@pytest.mark.parametrize("value", ['"x"', "date"])
def test_what_names_no_form_for_certain_gets_the_whole(client: Client, value: str) -> None:
    response = get(client, "/page.html", "br")
    if value == "date":  # all forms have the same one
        value = response["Last-Modified"]
        assert get(client, "/page.html", None)["Last-Modified"] == value
    whole = get(client, "/page.html", "br", "Range: bytes=10-", f"If-Range: {value}")
    assert (whole.status, whole.body, whole["Content-Encoding"]) == (200, BR, "br")


def test_a_date_is_enough_for_who_takes_no_other_form(client: Client) -> None:
    date = get(client, "/page.html", None)["Last-Modified"]
    for accept in (None, "identity", "deflate"):
        rest = get(client, "/page.html", accept, "Range: bytes=10-", f"If-Range: {date}")
        assert (rest.status, rest.body) == (206, PAGE[10:])


# ---------------------------------------------------------------- changes


def get_until(
    client: Client, target: str, accept: str, wanted: Callable[[Response], bool]
) -> list[Response]:
    """Ask, with the same bytes, until an answer is the wanted one."""
    responses = []
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        responses.append(get(client, target, accept))
        if wanted(responses[-1]):
            return responses
    raise AssertionError(f"not seen: {responses[-1]}")


@pytest.mark.parametrize("size", [1, 200_000])
def test_a_form_that_appears_changes_and_disappears(client: Client, site: Path, size: int) -> None:
    plain, one, two = b"p" * size, b"1" * size + b"!", b"2" * size + b"!"
    target = f"/comes-{size}.txt"
    put(site / target[1:], plain)
    sibling = site / f"{target[1:]}.gz"
    for _ in range(3):
        response = get(client, target, "gzip")
        assert (response.body, response.get("Vary")) == (plain, None)
    put(sibling.with_suffix(".tmp"), one, age=50).rename(sibling)
    seen = get_until(client, target, "gzip", lambda response: response.body == one)
    assert seen[-1]["Content-Encoding"] == "gzip"
    assert get(client, target, "br")["Vary"] == "Accept-Encoding"
    put(sibling.with_suffix(".tmp"), two, age=40).rename(sibling)
    seen += get_until(client, target, "gzip", lambda response: response.body == two)
    sibling.unlink()
    seen += get_until(client, target, "gzip", lambda response: response.body == plain)
    assert "Vary" not in seen[-1]
    for response in seen:
        assert response.body in (plain, one, two)
        assert (response.get("Content-Encoding") == "gzip") is (response.body != plain)


def test_a_file_that_changes_leaves_its_forms_behind(client: Client, site: Path) -> None:
    put(site / "moves.txt", b"old")
    put(site / "moves.txt.br", b"old br")
    for _ in range(3):
        assert get(client, "/moves.txt", "br").body == b"old br"
    put(site / "moves.txt", b"new", age=90)
    get_until(client, "/moves.txt", "br", lambda response: response.body == b"new")
    put(site / "moves.txt.br", b"new br", age=90)
    get_until(client, "/moves.txt", "br", lambda response: response.body == b"new br")


@pytest.mark.parametrize(
    ("original", "sibling", "is_sent"),
    [
        (1_000_500_000_000, 1_000_500_000_000, True),
        (1_000_500_000_000, 1_000_500_000_001, True),
        (1_000_500_000_000, 1_000_480_000_000, True),
        (1_000_500_000_000, 1_000_000_000_000, True),
        (1_000_500_000_000, 995_500_000_000, True),
        (1_000_500_000_000, 995_499_999_999, False),
        (1_000_500_000_000, 900_000_000_000, False),
    ],
    ids=["equal", "later", "just-before", "cut-to-seconds", "seconds", "more", "much-earlier"],
)
def test_a_form_from_before_the_last_change(
    client: Client, site: Path, original: int, sibling: int, is_sent: bool
) -> None:
    name = f"{original}-{sibling}.txt"
    for path, moment in ((site / name, original), (site / f"{name}.gz", sibling)):
        path.write_bytes(path.suffix.encode())
        os.utime(path, ns=(moment, moment))
    response = get(client, f"/{name}", "gzip")
    assert response.body == (b".gz" if is_sent else b".txt")
    assert ("Vary" in response) is is_sent


@pytest.mark.parametrize("form_first", [True, False])
def test_a_copy_of_a_site_has_all_forms_whatever_was_copied_first(
    client: Client, site: Path, tmp_path: Path, form_first: bool
) -> None:
    made = put(tmp_path / "made" / "a.js", b"file").parent
    put(made / "a.js.gz", b"form")

    def copy(source: str, target: str) -> None:
        """Copy a file, and let its time be that of the order of the copies."""
        shutil.copyfile(source, target)
        place = 1 if source.endswith(".gz") == form_first else 2
        os.utime(target, (10**9 + 0.02 * place,) * 2)

    shutil.copytree(made, site / f"copy-{form_first}", copy_function=copy)
    assert get(client, f"/copy-{form_first}/a.js", "gzip").body == b"form"


# ---------------------------------------------------------------- what is no form


@pytest.mark.parametrize("name", ["release.tar", "disk.img", "photo.png", "book.pdf", "a.woff2"])
def test_an_archive_is_no_form_of_what_does_not_compress(
    client: Client, site: Path, name: str
) -> None:
    put(site / name, b"this one")
    for suffix in (".gz", ".br", ".zst"):
        put(site / f"{name}{suffix}", b"another one", age=1)
    for _ in range(3):
        response = get(client, f"/{name}", "gzip, br, zstd")
        assert response.body == b"this one"
        assert "Vary" not in response
        assert get(client, f"/{name}.gz", "gzip").body == b"another one"


@pytest.mark.parametrize("name", ["a.ttf", "a.wasm", "a.json", "a.svg", "a.geojson", "README"])
def test_what_compresses_has_forms(client: Client, site: Path, name: str) -> None:
    put(site / name, b"plain")
    put(site / f"{name}.br", b"form")
    assert get(client, f"/{name}", "br").body == b"form"


def make_directory(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_link_outside(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_bytes(b"secret")
    path.symlink_to("../secret")


def make_link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    "make", [make_directory, make_fifo, make_link_outside, make_link_to_nothing, make_loop]
)
def test_what_is_no_form(client: Client, site: Path, make: Callable[[Path], None]) -> None:
    name = f"{make.__name__}.txt"
    put(site / name, b"original")
    make(site / f"{name}.br")
    put(site / f"{name}.gz", b"gzip form")
    for _ in range(2):
        assert get(client, f"/{name}", "br").body == b"original"
        assert get(client, f"/{name}", "br, gzip").body == b"gzip form"


def test_a_link_that_stays_inside(client: Client, site: Path) -> None:
    put(site / "linked.txt", b"original")
    put(site / "elsewhere", b"linked form")
    (site / "linked.txt.gz").symlink_to("elsewhere")
    assert get(client, "/linked.txt", "gzip").body == b"linked form"


def test_a_form_without_its_file(client: Client, site: Path) -> None:
    put(site / "alone.txt.gz", b"alone")
    assert get(client, "/alone.txt", "gzip").status == 404


@pytest.mark.root
def test_a_form_that_may_not_be_read() -> None:
    with open_directory() as directory:
        put(directory / "a.txt", b"original")
        put(directory / "a.txt.gz", b"forbidden").chmod(0)
        with (
            serve_with(directory, user="nobody", group="nogroup") as server,
            Client(server.port) as client,
        ):
            for _ in range(3):
                assert get(client, "/a.txt", "gzip").body == b"original"
            (directory / "a.txt.gz").chmod(0o444)
            get_until(client, "/a.txt", "gzip", lambda response: response.body == b"forbidden")


# ---------------------------------------------------------------- bounds


def test_large_forms_leave_few_descriptors_open(tmp_path: Path) -> None:
    for number in range(300):
        for suffix in SUFFIXES.values():
            with (tmp_path / f"{number}.txt{suffix}").open("wb") as file:
                file.truncate(200_000)
    with serve_with(tmp_path) as server, Client(server.port) as client:
        assert client.ask("/0.txt", method="HEAD").status == 200
        before = proportional_size(server.pid)
        for number in range(300):
            for accept in ("identity", "br", "zstd", "gzip"):
                response = get(client, f"/{number}.txt", accept, method="HEAD")
                assert response["Content-Length"] == "200000"
        (worker,) = proc.children(server.pid)
        assert len(os.listdir(f"/proc/{worker}/fd")) < MAX_OPEN_FILES + 100
        assert proportional_size(server.pid) - before < 20 * MIB


def test_small_forms_take_bounded_memory(tmp_path: Path) -> None:
    for number in range(150):
        for suffix in SUFFIXES.values():
            put(tmp_path / f"{number}.txt{suffix}", bytes([number % 256]) * 100_000)
    with serve_with(tmp_path, cache="8MiB") as server, Client(server.port) as client:
        assert client.ask("/0.txt").status == 200
        before = proportional_size(server.pid)
        for number in range(150):
            for accept in ("identity", "br", "zstd", "gzip"):
                assert len(get(client, f"/{number}.txt", accept).body) == 100_000
        assert proportional_size(server.pid) - before < 20 * MIB


def test_pipelined_requests_for_all_forms(server: Server) -> None:
    asked = ALL * 3
    with Client(server.port) as client:
        client.send(
            b"".join(request(target, f"Accept-Encoding: {coding}") for target, coding in asked)
        )
        for target, coding in asked:
            assert client.response().body == FORMS[target][coding]
