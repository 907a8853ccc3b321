"""The form that a client gets, and its header fields."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.functional.precompressed.forms import (
    ALL,
    BR,
    FORMS,
    GZ,
    PAGE,
    get,
)
from tests.support.raw import Client


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
def test_form_is_the_one_that_the_client_accepts(
    client: Client, target: str, accept: str | None, coding: str
) -> None:
    for _ in range(2):
        response = get(client, target, accept)
        assert response.status == 200
        assert (response.get("Content-Encoding") or "identity") == coding
        assert response.body == FORMS[target][coding]
        assert response["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "accept", ["identity;q=0", "*;q=0", "deflate, identity;q=0", "*;q=0.0,br;q=0"]
)
def test_form_for_a_client_that_accepts_nothing_is_the_file(client: Client, accept: str) -> None:
    for target in ("/page.html", "/plain.txt"):
        for method in ("GET", "HEAD"):
            response = get(client, target, accept, method=method)
            assert response.status == 406
            assert "ETag" not in response
            assert ("Vary" in response) is (target == "/page.html")


def test_form_decodes_to_the_file(client: Client) -> None:
    for target in FORMS:
        assert gzip.decompress(get(client, target, "gzip").body) == FORMS[target]["identity"]


def test_file_without_forms_is_the_same_for_all(client: Client) -> None:
    responses = [get(client, "/plain.txt", accept) for accept in (None, "gzip, br", "identity")]
    assert {response.body for response in responses} == {b"plain"}
    assert len({response["ETag"] for response in responses}) == 1
    assert not any("Vary" in response or "Content-Encoding" in response for response in responses)


def test_form_that_is_requested_by_its_name_is_a_file(client: Client) -> None:
    for accept in (None, "gzip"):
        response = get(client, "/page.html.gz", accept)
        assert response["Content-Type"] == "application/gzip"
        assert "Content-Encoding" not in response
        assert "Vary" not in response
        assert response.body == GZ


def test_forms_that_are_switched_off_are_not_sent(site: Path) -> None:
    with serve_with(site, precompressed=False) as server, Client(server.port) as client:
        response = get(client, "/page.html", "gzip, br")
        assert response.body == PAGE
        assert "Vary" not in response
        assert get(client, "/page.html.gz", "gzip").body == GZ


@pytest.mark.parametrize(("target", "coding"), ALL)
def test_form_has_a_head_of_its_own(client: Client, target: str, coding: str) -> None:
    response = get(client, target, coding)
    assert response["Content-Type"] == get(client, target, None)["Content-Type"]
    assert response["Content-Length"] == str(len(FORMS[target][coding]))
    assert get(client, target, coding, method="HEAD").timeless() == response.headless().timeless()
    others = {get(client, target, other)["ETag"] for other in FORMS[target] if other != coding}
    assert response["ETag"] not in others


@pytest.mark.parametrize(("target", "coding"), ALL)
def test_conditions_are_about_the_form_that_is_sent(
    client: Client, target: str, coding: str
) -> None:
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
def test_ranges_with_a_tag_are_of_the_form_that_it_names(
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
def test_range_without_a_tag_is_of_the_file_itself(
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


def test_download_goes_on_with_the_form_that_it_began_with(client: Client) -> None:
    accept = "gzip, br"
    part = get(client, "/page.html", accept, "Range: bytes=0-9")
    assert part.body == PAGE[:10]
    for name in ("If-Range", "If-Match"):
        rest = get(client, "/page.html", accept, "Range: bytes=10-", f"{name}: {part['ETag']}")
        assert (rest.status, rest.body) == (206, PAGE[10:])
    known = get(client, "/page.html", accept, "Range: bytes=0-9", f"If-None-Match: {part['ETag']}")
    assert (known.status, known["ETag"]) == (304, part["ETag"])


@pytest.mark.parametrize("value", ['"x"', "date"])
def test_range_with_a_doubtful_tag_gets_the_whole(client: Client, value: str) -> None:
    response = get(client, "/page.html", "br")
    if value == "date":  # all forms have the same one
        value = response["Last-Modified"]
        assert get(client, "/page.html", None)["Last-Modified"] == value
    whole = get(client, "/page.html", "br", "Range: bytes=10-", f"If-Range: {value}")
    assert (whole.status, whole.body, whole["Content-Encoding"]) == (200, BR, "br")


def test_range_with_a_date_is_enough_for_a_client_of_one_form(client: Client) -> None:
    date = get(client, "/page.html", None)["Last-Modified"]
    for accept in (None, "identity", "deflate"):
        rest = get(client, "/page.html", accept, "Range: bytes=10-", f"If-Range: {date}")
        assert (rest.status, rest.body) == (206, PAGE[10:])
