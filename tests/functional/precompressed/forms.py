"""The files of these tests, each with its precompressed forms."""

from __future__ import annotations

import gzip
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.raw import Client, Response
from tests.support.server import DEADLINE

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


def get(
    client: Client, target: str, coding: str | None, *lines: str, method: str = "GET"
) -> Response:
    accept = [] if coding is None else [f"Accept-Encoding: {coding}"]
    return client.ask(target, *accept, *lines, method=method)


def get_until(
    client: Client, target: str, accept: str, wanted: Callable[[Response], bool]
) -> list[Response]:
    """Ask, with the same bytes, until a response is the wanted one."""
    responses = []
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        responses.append(get(client, target, accept))
        if wanted(responses[-1]):
            return responses
    raise AssertionError(f"not seen: {responses[-1]}")
