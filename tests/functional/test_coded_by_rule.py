"""Files that a rule says to be coded, and validators that a rule takes away."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.configured import serve_with
from tests.functional.precompressed.forms import get, put
from tests.support.raw import Client
from tests.support.require import command
from tests.support.server import Server

RULES: list[dict[str, Any]] = [
    {"path": ["*.svgz", "*.gz", "*.pbf"], "headers": {"Content-Encoding": "gzip"}},
    {"path": "*.br", "headers": {"Content-Encoding": "BR"}},
    {"path": "/raw/**", "headers": {"Content-Encoding": None}},
    {"path": "/typed/**", "headers": {"Content-Type": "text/x-typed"}},
    {"path": "/untagged/**", "headers": {"ETag": None}},
    {"path": "/undated/**", "headers": {"Last-Modified": None}},
    {"path": "/neither/**", "headers": {"ETag": None, "Last-Modified": None}},
]
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 50
CODED = {
    "/drawing.svgz": ("gzip", "image/svg+xml"),
    "/Build.wasm.br": ("br", "application/wasm"),
    "/Build.framework.js.gz": ("gzip", "text/javascript; charset=utf-8"),
    "/7.pbf": ("gzip", "application/x-protobuf"),
    "/large.js.gz": ("gzip", "text/javascript; charset=utf-8"),
    "/typed/a.gz": ("gzip", "text/x-typed"),
}
CONTENT = {target: gzip.compress(SVG + target.encode()) for target in CODED}
CONTENT["/large.js.gz"] = b"large" * 100_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("coded") / "site"
    for target, content in CONTENT.items():
        (site / target[1:]).parent.mkdir(exist_ok=True, parents=True)
        put(site / target[1:], content)
    put(site / "7.pbf.gz", b"a form that is not sent")
    for name in ("raw", "untagged", "undated", "neither"):
        put(site / name / "a.txt", b"plain text")
        put(site / name / "a.txt.br", b"brotli")
    put(site / "raw" / "b.gz", b"raw")
    for path in site.glob("*/a.txt*"):  # the same content and time: the same tag
        os.utime(path, (10**9, 10**9))
    (site / "untagged" / "below").mkdir()
    return site


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    with serve_with(site, rules=RULES, listing=True) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        yield client


# ---------------------------------------------------------------- coded by a rule


@pytest.mark.parametrize("target", CODED)
@pytest.mark.parametrize(
    "accept", [None, "", "gzip, br", "identity", "gzip;q=0", "identity;q=0", "*;q=0"]
)
def test_coded_file_is_sent_as_it_is_to_all(
    client: Client, target: str, accept: str | None
) -> None:
    coding, content_type = CODED[target]
    for _ in range(3):
        response = get(client, target, accept)
        assert (response.status, response.body) == (200, CONTENT[target])
        assert response["Content-Encoding"] == coding
        assert response["Content-Type"] == content_type
        assert "Vary" not in response
        assert (
            get(client, target, accept, method="HEAD").timeless() == response.headless().timeless()
        )


@pytest.mark.parametrize("target", CODED)
def test_conditions_and_ranges_of_a_coded_file_are_of_its_bytes(
    client: Client, target: str
) -> None:
    coding, content = CODED[target][0], CONTENT[target]
    response = get(client, target, None)
    for line in (
        f"If-None-Match: {response['ETag']}",
        f"If-Modified-Since: {response['Last-Modified']}",
    ):
        known = get(client, target, None, line)
        assert (known.status, known["ETag"]) == (304, response["ETag"])
        assert "Content-Encoding" not in known
    for line in ("X: y", f"If-Range: {response['ETag']}", f"If-Range: {response['Last-Modified']}"):
        part = get(client, target, "gzip", "Range: bytes=3-9", line)
        assert (part.status, part.body) == (206, content[3:10])
        assert part["Content-Encoding"] == coding
    several = get(client, target, "gzip", "Range: bytes=0-1,5-6")
    assert (several.status, several.body) == (200, content)


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/missing.svgz", [], 404),
        ("/drawing.svgz", ["Range: bytes=999999-"], 416),
        ("/drawing.svgz", ['If-Match: "x"'], 412),
    ],
)
def test_error_page_is_not_coded(
    client: Client, target: str, lines: list[str], status: int
) -> None:
    response = get(client, target, "gzip", *lines)
    assert response.status == status
    assert "Content-Encoding" not in response
    assert b"<!DOCTYPE html>" in response.body


def test_coded_file_has_another_tag_than_without_the_rule(client: Client, site: Path) -> None:
    with serve_with(site) as plain, Client(plain.port) as other:
        tag = get(other, "/drawing.svgz", None)["ETag"]
    assert tag != get(client, "/drawing.svgz", None)["ETag"]


def test_rule_of_null_sends_the_file_as_it_is(client: Client) -> None:
    for _ in range(3):
        response = get(client, "/raw/a.txt", "br")
        assert response.body == b"plain text"
        assert not {"Vary", "Content-Encoding"} & {name for name, _ in response.fields}
        raw = get(client, "/raw/b.gz", "gzip")
        assert (raw.body, raw["Content-Type"]) == (b"raw", "application/gzip")
        assert "Content-Encoding" not in raw
    assert get(client, "/raw/a.txt", "br, identity;q=0").status == 406


@pytest.mark.debian("curl")
def test_curl_decodes_once(server: Server, site: Path) -> None:
    curl = command("curl", "curl")
    url = f"http://127.0.0.1:{server.port}/drawing.svgz"
    run = [curl, "--silent", "--show-error", "--fail"]
    decoded = subprocess.run([*run, "--compressed", url], capture_output=True, check=True).stdout
    assert decoded == gzip.decompress(CONTENT["/drawing.svgz"])
    asked = subprocess.run([*run, url], capture_output=True, check=True).stdout
    assert asked == CONTENT["/drawing.svgz"]


@pytest.mark.debian("wget")
def test_wget_mirrors_the_bytes_of_coded_files(server: Server, site: Path, tmp_path: Path) -> None:
    wget = command("wget", "wget")
    urls = [f"http://127.0.0.1:{server.port}{target}" for target in CODED]
    subprocess.run(
        [wget, "--quiet", "--force-directories", "--no-host-directories", *urls],
        cwd=tmp_path,
        check=True,
    )
    for target, content in CONTENT.items():
        assert (tmp_path / target[1:]).read_bytes() == content


# ---------------------------------------------------------------- without validators


@pytest.mark.parametrize("accept", [None, "br"])
def test_rule_that_takes_the_tag_leaves_the_date(client: Client, accept: str | None) -> None:
    full = get(client, "/untagged/a.txt", accept)
    assert "ETag" not in full
    date = full["Last-Modified"]
    tag = get(client, "/undated/a.txt", accept)["ETag"]  # of the same content
    plain = get(client, "/undated/a.txt", None)["ETag"]
    body = full.body
    for _ in range(2):
        assert get(client, "/untagged/a.txt", accept, f"If-None-Match: {tag}").status == 200
        assert get(client, "/untagged/a.txt", accept, f"If-Match: {tag}").status == 412
        whole = get(client, "/untagged/a.txt", accept, "Range: bytes=1-", f"If-Range: {tag}")
        assert (whole.status, whole.body) == (200, body)
        other = get(client, "/untagged/a.txt", "br", "Range: bytes=1-", f"If-Range: {plain}")
        assert (other.status, other.body) == (200, b"brotli")
        known = get(client, "/untagged/a.txt", accept, f"If-Modified-Since: {date}")
        assert known.status == 304
        assert "ETag" not in known
        part = get(client, "/untagged/a.txt", None, "Range: bytes=1-", f"If-Range: {date}")
        assert (part.status, part.body) == (206, b"lain text")
        assert "ETag" not in part
        assert get(client, "/untagged/a.txt", accept, "If-Match: *").status == 200


@pytest.mark.parametrize("accept", [None, "br"])
def test_rule_that_takes_the_date_leaves_the_tag(client: Client, accept: str | None) -> None:
    full = get(client, "/undated/a.txt", accept)
    assert "Last-Modified" not in full
    tag = full["ETag"]
    date = get(client, "/untagged/a.txt", accept)["Last-Modified"]
    for _ in range(2):
        since = get(client, "/undated/a.txt", accept, f"If-Modified-Since: {date}")
        assert (since.status, since.body) == (200, full.body)
        past = "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"
        assert get(client, "/undated/a.txt", accept, past).status == 200
        assert get(client, "/untagged/a.txt", accept, past).status == 412
        whole = get(client, "/undated/a.txt", accept, "Range: bytes=1-", f"If-Range: {date}")
        assert (whole.status, whole.body) == (200, full.body)
        assert get(client, "/undated/a.txt", accept, f"If-None-Match: {tag}").status == 304
        part = get(client, "/undated/a.txt", accept, "Range: bytes=1-", f"If-Range: {tag}")
        assert (part.status, part.body) == (206, full.body[1:])
        assert "Last-Modified" not in part


def test_rule_that_takes_tag_and_date_leaves_no_validator(client: Client) -> None:
    tag = get(client, "/undated/a.txt", None)["ETag"]
    date = get(client, "/untagged/a.txt", None)["Last-Modified"]
    for line in (f"If-None-Match: {tag}", f"If-Modified-Since: {date}"):
        response = get(client, "/neither/a.txt", None, line)
        assert (response.status, response.body) == (200, b"plain text")
        assert not {"ETag", "Last-Modified"} & {name for name, _ in response.fields}
    for value in (tag, date):
        response = get(client, "/neither/a.txt", None, "Range: bytes=1-", f"If-Range: {value}")
        assert response.status == 200
    assert get(client, "/neither/a.txt", None, "Range: bytes=1-").body == b"lain text"


def test_listing_keeps_its_tag(client: Client) -> None:
    listing = client.ask("/untagged/below/")
    assert client.ask("/untagged/below/", f"If-None-Match: {listing['ETag']}").status == 304
