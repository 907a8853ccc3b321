"""Fuzz targets that need a directory to serve: paths, and the whole way from bytes to a response.

What must not get out lies beside the directory and behind symbolic links in it
(`tests.corpus.site`).
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from httpd.files.docroot import Docroot, FoundDirectory, OpenResult
from httpd.gateway.gateway import Gateway
from httpd.protocol.body import Body
from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import find_head_end
from httpd.protocol.response import Response
from httpd.protocol.target import decode_path, encode_path
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from tests.corpus import site
from tests.corpus.site import SECRET
from tests.fuzz.pure_targets import Target, error_status
from tests.support import raw
from tests.unit.gateway.gateways import done, make_gateway
from tests.unit.protocol.responses import in_memory

INDEX = ("index.html",)
RULES = (
    Rule(("/sub/**",), 60, (("X-Frame-Options", "DENY"), ("Content-Type", "text/x-sub"))),
    Rule(("*.html",), None, (("Expires", None), ("Server", None), ("ETag", None))),
    Rule(("*.gz",), None, (("Content-Encoding", "gzip"), ("Last-Modified", None))),
)
REDIRECTS = (
    Redirect("/r/**", "/**"),
    Redirect("/r*", "/*/plain.txt", 302),
    Redirect("*.old", "https://e.example/*?x=1#y", 301),
    Redirect("/gone", None, 410),
)
LOCATION = re.compile(rb"\r\nLocation: (?:\./|/(?![/\\])|https://e\.example/)[!-~]*\r\n")
MAX_BODY = 4096
MAX_REQUESTS = 8
"""Requests that are answered of one input."""
VISIBLE = bytes(byte if 0x21 <= byte <= 0x7E else 0x21 + byte % 0x5E for byte in range(256))
"""Makes a target of any bytes, as the parser lets through no others."""


def make_site_targets(directory: Path) -> dict[str, Target]:
    """Return the targets, after making a site in an empty directory."""
    docroot = site.build(directory)
    for ending in (".br", ".gz"):
        (docroot / f"plain.txt{ending}").write_bytes(b"short")
    settings = SiteSettings(
        docroot=str(docroot),
        index=INDEX,
        expires=60,
        listing=True,
        rules=RULES,
        redirects=REDIRECTS,
    )
    gateway = make_gateway(settings)
    pages = make_gateway(
        replace(
            settings,
            listing=False,
            clean_urls=True,
            fallback="/index.html",
            errors=((404, "/plain.txt"), (403, "/sub/index.html"), (416, "/none.html")),
        )
    )
    opener = Docroot(str(docroot), INDEX)
    return {
        "path": lambda data: check_path(opener, docroot, data),
        "answer": lambda data: check_responses(gateway, data),
        "pages": lambda data: check_responses(pages, data),
    }


def check_path(opener: Docroot, docroot: Path, data: bytes) -> None:
    """What can be opened lies in the docroot, and is no secret."""
    try:
        path = decode_path(b"/" + data.translate(VISIBLE))
    except HTTPError as error:
        assert error_status(error) == 400
        return
    assert not {b".", b".."} & {*path.split(b"/")}
    assert decode_path(encode_path(path).encode()) == path
    fds = []
    try:
        opened = opener.open(path)
        if isinstance(opened, OpenResult):
            fds.append(opened.fd)
            assert SECRET not in os.pread(opened.fd, 1 << 20, 0)
        fds.append(opener.open_directory(FoundDirectory(path)))
    except HTTPError as error:
        assert error_status(error) in (403, 404)
    finally:
        for fd in fds:
            real = os.readlink(f"/proc/self/fd/{fd}")
            os.close(fd)
            assert f"{real}/".startswith(f"{docroot.resolve()}/")


def check_responses(gateway: Gateway, data: bytes) -> None:
    """Do with some requests what a connection does, and read the responses like a strict client."""
    buffer = bytearray(data)
    for _ in range(MAX_REQUESTS):
        is_head = False
        try:
            end = find_head_end(buffer, 0)
            if not end:
                return
            head = bytes(buffer[:end])
            request = gateway.parse(head)
            del buffer[:end]
            is_head = request.method == "HEAD"
            body = Body(buffer, request.header.body_length, MAX_BODY)
            while not (is_complete := body.is_complete()) and body.is_paused:
                pass
            if not (request.header.expects_continue or is_complete):
                return
            response = done(gateway.respond_to(head, request))
        except HTTPError as error:
            error_status(error)
            response = gateway.refuse(error, head_only=is_head)
        check_wire(response, is_head=is_head)
        if not response.keep_alive:
            return


def check_wire(response: Response, *, is_head: bool) -> None:
    """Assert that a response is framed as its head says, and that nothing in it is secret."""
    head, end, body = in_memory(response).partition(b"\r\n\r\n")
    seen = raw.parse_head(head + end)
    for part in response.body.segments:
        if isinstance(part, range):
            assert response.body.source is not None
            body += os.pread(response.body.source.fd, len(part), part.start)
        else:
            body += part
    assert SECRET not in body
    assert seen.status == response.status
    assert (seen.get("Connection") == "close") is not response.keep_alive
    if is_head or response.status == 304:
        assert body == b""
    else:
        assert seen["Content-Length"] == str(len(body))
    assert LOCATION.search(head + end) or "Location" not in seen
    if where := seen.get("Content-Range"):
        _check_content_range(where, seen, response.status)


def _check_content_range(where: str, seen: raw.Response, status: int) -> None:
    if status == 416:
        assert re.fullmatch(r"bytes \*/[0-9]+", where)
        return
    match = re.fullmatch("bytes ([0-9]+)-([0-9]+)/([0-9]+)", where)
    assert match
    first, last, size = map(int, match.groups())
    assert first <= last < size
    assert seen["Content-Length"] == str(last + 1 - first)
