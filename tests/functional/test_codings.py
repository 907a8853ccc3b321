"""Precompressed forms: the choice for each client, and their fields (RFC 9110 §12.5.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw import Client

FORMS = {"identity": b"plain" * 100, "gzip": b"made by gzip", "br": b"made by brotli"}


@pytest.fixture(scope="module", autouse=True)
def forms(docroot: Path) -> None:
    for suffix, coding in {"": "identity", ".gz": "gzip", ".br": "br"}.items():
        (docroot / f"coded.txt{suffix}").write_bytes(FORMS[coding])


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("*", "br"),
        ("*, br;q=0", "gzip"),
        ("deflate", "identity"),
        ("gzip;q=0.5, identity", "identity"),
    ],
)
def test_coding_that_the_client_likes_best_is_sent(
    client: Client, accept: str, coding: str
) -> None:
    response = client.ask("/coded.txt", f"Accept-Encoding: {accept}")
    assert response.body == FORMS[coding]
    assert response.get("Content-Encoding") == (None if coding == "identity" else coding)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Vary"] == "Accept-Encoding"


def test_coding_has_a_tag_and_ranges_of_its_own(client: Client) -> None:
    tags = set()
    for coding, content in FORMS.items():
        accept = f"Accept-Encoding: {coding}"
        response = client.ask("/coded.txt", accept)
        tags.add(response["ETag"])
        known = client.ask("/coded.txt", accept, f"If-None-Match: {response['ETag']}")
        assert (known.status, known["Vary"]) == (304, "Accept-Encoding")
        part = client.ask("/coded.txt", accept, "Range: bytes=2-4", f"If-Range: {response['ETag']}")
        assert (part.status, part.body) == (206, content[2:5])
        assert part.get("Content-Encoding") == response.get("Content-Encoding")
    assert len(tags) == len(FORMS)


def test_coding_refused_in_every_form_gets_the_list(client: Client) -> None:
    response = client.ask("/coded.txt", "Accept-Encoding: identity;q=0, zstd")
    assert response.status == 406
    assert response["Vary"] == "Accept-Encoding"
    assert b"identity, br, gzip" in response.body
