"""Which files beside a file are forms of it, and that they take bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from httpd.files.file_cache import MAX_OPEN_FILES
from tests.functional.configured import serve_with
from tests.functional.precompressed.forms import (
    ALL,
    FORMS,
    SUFFIXES,
    get,
    get_until,
    put,
)
from tests.functional.test_memory import MIB, proportional_size
from tests.process import proc
from tests.support.raw import Client, request
from tests.support.server import Server
from tests.unit.site.directories import open_directory


@pytest.mark.parametrize("name", ["release.tar", "disk.img", "photo.png", "book.pdf", "a.woff2"])
def test_archive_is_no_form_of_what_does_not_compress(
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
def test_file_that_compresses_has_forms(client: Client, site: Path, name: str) -> None:
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
def test_sibling_that_is_no_file_is_no_form(
    client: Client, site: Path, make: Callable[[Path], None]
) -> None:
    name = f"{make.__name__}.txt"
    put(site / name, b"original")
    make(site / f"{name}.br")
    put(site / f"{name}.gz", b"gzip form")
    for _ in range(2):
        assert get(client, f"/{name}", "br").body == b"original"
        assert get(client, f"/{name}", "br, gzip").body == b"gzip form"


def test_link_to_a_file_inside_is_a_form(client: Client, site: Path) -> None:
    put(site / "linked.txt", b"original")
    put(site / "elsewhere", b"linked form")
    (site / "linked.txt.gz").symlink_to("elsewhere")
    assert get(client, "/linked.txt", "gzip").body == b"linked form"


def test_form_without_its_file_is_not_found(client: Client, site: Path) -> None:
    put(site / "alone.txt.gz", b"alone")
    assert get(client, "/alone.txt", "gzip").status == 404


@pytest.mark.root
def test_form_that_may_not_be_read_is_passed_over() -> None:
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


def test_pipelined_requests_get_each_its_form(server: Server) -> None:
    asked = ALL * 3
    with Client(server.port) as client:
        client.send(
            b"".join(request(target, f"Accept-Encoding: {coding}") for target, coding in asked)
        )
        for target, coding in asked:
            assert client.response().body == FORMS[target][coding]
