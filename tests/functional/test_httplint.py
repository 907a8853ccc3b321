"""Every kind of response before httplint, the checker of messages that REDbot is made of."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from httplint import HttpRequestLinter, HttpResponseLinter
from httplint.note import Note, levels

from tests.support.raw import Client, Response, request
from tests.support.server import Server, serve

MTIME = 1577836800
HTML = b"<!DOCTYPE html>\n<title>A page</title>\n<p>" + b"words " * 100
FILES = {
    "index.html": HTML,
    "plain.txt": b"0123456789" * 10,
    "empty.txt": b"",
    "large.bin": b"\0" * 500_000,
    "coded.html": HTML,
    "coded.html.gz": gzip.compress(HTML),
    "ruled.html": HTML,
    "ruled.html.gz": gzip.compress(HTML),
    "sub/index.html": HTML,
    "bare/file.txt": b"in a directory without an index",
    "bare/folder/file.txt": b"",
}
CONFIG = """
listing: true
redirects:
  - {path: /moved/**, to: /**}
  - {path: /elsewhere, to: "https://e.example/", status: 302}
  - {path: /gone, status: 410}
rules:
  - path: /ruled.html
    expires: 365d
    headers:
      Content-Language: en
      Content-Security-Policy: default-src 'self'
      Cross-Origin-Resource-Policy: same-origin
      Referrer-Policy: no-referrer
      X-Frame-Options: DENY
sites:
  - name: app.example
    docroot: site
    clean_urls: true
    fallback: /coded.html
    errors: {404: /plain.txt, 403: /none.html}
"""


@dataclass(frozen=True)
class Kind:
    """A kind of response, and the request that it is for."""

    status: int
    target: str = "/plain.txt"
    lines: tuple[str, ...] = ()
    method: str = "GET"
    version: str = "HTTP/1.1"
    exempt: Mapping[str, str] = field(default_factory=dict)
    """The notes that don't apply, each with the reason why."""

    def with_head(self) -> Kind:
        """Return the same for HEAD, which has no ranges."""
        status = 200 if self.status in (206, 416) else self.status
        exempt = {} if self.status == 206 else self.exempt
        return Kind(status, self.target, self.lines, "HEAD", self.version, exempt)


ABOUT_THE_REQUEST = "it says what is wrong with the request, which is wrong indeed"
CODED_ONLY = "Accept-Encoding: gzip, identity;q=0"
APP = "http://app.example"
SEVERAL = ("Range: bytes=0-9,20-29",)

GETS = {
    "200": Kind(200),
    "200-page": Kind(200, "/"),
    "200-empty": Kind(200, "/empty.txt"),
    "200-large": Kind(200, "/large.bin"),
    "200-last": Kind(200, lines=("Connection: close",)),
    "200-http-1.0": Kind(200, lines=("Connection: keep-alive",), version="HTTP/1.0"),
    "206": Kind(206, lines=("Range: bytes=0-9",)),
    "206-large": Kind(206, "/large.bin", ("Range: bytes=-300000",)),
    "206-several": Kind(
        206,
        lines=SEVERAL,
        exempt={
            "PARTIAL_WITHOUT_RANGE": "a multipart/byteranges answer must have no Content-Range of "
            "its own, its parts have one each (RFC 9110, section 15.3.7.2)"
        },
    ),
    "301": Kind(301, "/sub"),
    "308": Kind(308, "/moved/plain.txt?x"),
    "302": Kind(302, "/elsewhere"),
    "304": Kind(304, lines=("If-None-Match: *",)),
    "400": Kind(400, "/%", exempt={"STATUS_BAD_REQUEST": ABOUT_THE_REQUEST}),
    "404": Kind(404, "/missing"),
    "406": Kind(406, "/coded.html", ("Accept-Encoding: *;q=0",)),
    "410": Kind(410, "/gone"),
    "412": Kind(412, lines=('If-Match: "other"',)),
    "413": Kind(413, lines=("Content-Length: 99999999",)),
    "414": Kind(414, f"/{'a' * 9000}", exempt={"STATUS_URI_TOO_LONG": ABOUT_THE_REQUEST}),
    "416": Kind(416, lines=("Range: bytes=999-",)),
    "417": Kind(417, lines=("Expect: wonders",)),
    "421": Kind(421, "https://localhost/"),
    "431": Kind(431, lines=(f"A: {'a' * 33000}",)),
    "505": Kind(
        505, version="HTTP/2.0", exempt={"STATUS_VERSION_NOT_SUPPORTED": ABOUT_THE_REQUEST}
    ),
    "listing": Kind(200, "/bare/"),
    "listing-sorted": Kind(200, "/bare/?sort=size&order=desc"),
    "listing-304": Kind(304, "/bare/", ("If-None-Match: *",)),
    "json": Kind(200, "/bare/", ("Accept: application/json",)),
    "coded": Kind(200, "/coded.html", ("Accept-Encoding: gzip",)),
    "coded-uncoded": Kind(200, "/coded.html"),
    "coded-206": Kind(206, "/coded.html", (CODED_ONLY, "Range: bytes=0-9")),
    "coded-several": Kind(200, "/coded.html", (CODED_ONLY, *SEVERAL)),
    "coded-304": Kind(304, "/coded.html", ("Accept-Encoding: gzip", "If-None-Match: *")),
    "ruled": Kind(200, "/ruled.html"),
    "ruled-coded": Kind(200, "/ruled.html", ("Accept-Encoding: gzip",)),
    "ruled-206": Kind(206, "/ruled.html", ("Range: bytes=0-9",)),
    "ruled-304": Kind(304, "/ruled.html", ("If-None-Match: *",)),
    "fallback": Kind(200, f"{APP}/user/5"),
    "fallback-coded": Kind(200, f"{APP}/user/5", ("Accept-Encoding: gzip",)),
    "fallback-206": Kind(206, f"{APP}/user/5/", ("Range: bytes=0-9",)),
    "fallback-304": Kind(304, f"{APP}/user/5", ("If-None-Match: *",)),
    "clean": Kind(200, f"{APP}/ruled"),
    "clean-301": Kind(301, f"{APP}/ruled.html?a=b"),
    "custom-404": Kind(404, f"{APP}/none.js"),
    "ruled-412": Kind(412, "/ruled.html", ('If-Match: "other"',)),
}
KINDS = {
    **GETS,
    **{f"{name}-head": kind.with_head() for name, kind in GETS.items()},
    "308-post": Kind(308, "/moved/plain.txt", method="POST"),
    "405": Kind(405, method="POST"),
    "501": Kind(501, method="BREW"),
    "options": Kind(200, method="OPTIONS"),
    "options-of-all": Kind(200, "*", method="OPTIONS"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("httplint")
    for name, content in FILES.items():
        path = directory / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MTIME, MTIME))
    config = directory / "phttpd.yaml"
    config.write_text(CONFIG)
    options = ("--config", str(config), "--workers", "1", "--threads", "1")
    with serve(directory / "site", *options) as server:
        yield server


def lint(kind: Kind, response: Response) -> Iterator[Note]:
    """Yield the notes of httplint about a response."""
    asked = HttpRequestLinter()
    target = kind.target if kind.target[0] != "/" else f"http://localhost{kind.target}"
    asked.process_request_topline(kind.method.encode(), target.encode(), kind.version.encode())
    fields = (line.partition(": ")[::2] for line in ("Host: localhost", *kind.lines))
    asked.process_headers([(name.encode(), value.encode()) for name, value in fields])
    asked.finish_content(True)

    linter = HttpResponseLinter(start_time=time.time())
    linter.request, asked.response = asked, linter
    linter.is_head_response = kind.method == "HEAD"
    linter.base_uri = target
    linter.process_response_topline(b"HTTP/1.1", b"%d" % response.status, response.reason.encode())
    linter.process_headers([(name.encode(), value.encode()) for name, value in response.fields])
    linter.feed_content(response.body)
    linter.finish_content(True)
    yield from _with_subnotes(linter.notes)


def _with_subnotes(notes: Iterable[Note]) -> Iterator[Note]:
    for note in notes:
        yield note
        yield from _with_subnotes(note.subnotes)


@pytest.mark.parametrize("name", KINDS)
def test_httplint_has_no_warning_that_applies(server: Server, name: str) -> None:
    kind = KINDS[name]
    with Client(server.port) as client:
        data = request(kind.target, *kind.lines, method=kind.method, version=kind.version)
        client.send_if_open(data)
        response = client.response(kind.method)
    assert response.status == kind.status
    notes = list(lint(kind, response))
    warnings = {type(note).__name__ for note in notes if note.level in (levels.WARN, levels.BAD)}
    assert warnings == set(kind.exempt), [str(note) for note in notes]
    good = {type(note).__name__ for note in notes if note.level is levels.GOOD}
    assert {"DATE_CORRECT", "CONTENT_TYPE_OPTIONS"} <= good
    assert "CL_CORRECT" in good or response.status == 304 or kind.method == "HEAD"
