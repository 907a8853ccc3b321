"""Downloads get equal shares, and one version of the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from httpd.network.send_budget import LEAST, MOST, TOTAL
from httpd.network.transfer import TAIL
from httpd.network.transport import Transport
from tests.support.raw import Client, request
from tests.unit.network.running import (
    CLOSED,
    HUGE,
    SETTINGS,
    SHORT,
    running_loop,
)
from tests.unit.site.directories import write, write_sparse

# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "size", [65536, 65537, TAIL, 65536 + TAIL, LEAST, MOST // 2, MOST // 2 + 1, 5_000_001]
)
def test_download_of_any_size_arrives_unchanged(site: Path, size: int) -> None:
    content = os.urandom(size)
    write(site / "random.bin", content)
    with running_loop(site) as running, running.connect() as client:
        for _ in range(2):
            assert client.ask("/random.bin").body == content
        for first in (0, 1, size // 2, max(0, size - TAIL - 1), size - 1):
            part = client.ask("/random.bin", f"Range: bytes={first}-")
            assert part.body == content[first:]


def test_downloads_all_make_progress(site: Path) -> None:
    """Twenty clients on one huge file: each one gets the next megabyte, again and again."""
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site))
        clients = [stack.enter_context(running.connect()) for _ in range(20)]
        for client in clients:
            client.send(request("/huge.bin"))
            assert client.head()["Content-Length"] == str(HUGE)
        for _ in range(3):
            for client in clients:
                assert client.body(1_000_000) == bytes(1_000_000)
        for client in clients:
            client.close()
        for _ in clients:
            assert running.log.wait_for(CLOSED)[1] == "client reset"


HEAD = 1024
"""Bytes that a response head takes at the most here."""


@pytest.mark.alone
def test_downloads_have_less_in_the_kernel_if_there_are_many(site: Path) -> None:
    """Clients that read nothing: what was sent is what the kernel has taken."""
    count = TOTAL // LEAST * 3 // 2
    settings = replace(SETTINGS, send_timeout=SHORT * 10)
    with ExitStack() as stack:
        running = stack.enter_context(running_loop(site, settings))
        held = []
        for clients in (1, count):
            for _ in range(clients):
                client = stack.enter_context(Client(running.port, receive_buffer=32768))
                client.send(request("/huge.bin"))
            lines = [running.access.wait_for("GET /huge.bin").string for _ in range(clients)]
            held.append([int(line.split()[-2]) for line in lines])
        assert held[0][0] > MOST // 2
        # The first ones did not know how many would come.
        assert sorted(held[1])[count // 2] < 2 * LEAST + HEAD
        running.log.wait_for("send timeout")
        assert running.loop.context.send_budget.each == MOST


@pytest.mark.parametrize("way", ["client closed", "client reset", "file changed"])
def test_download_that_has_ended_takes_no_share(
    site: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("httpd.files.fingerprint.COMPARE_SECONDS", 0.0)
    with running_loop(site) as running:
        for _ in range(TOTAL // MOST + 1):
            with running.connect() as client:
                if way == "client closed":
                    for _ in range(2):
                        client.ask("/huge.bin", "Range: bytes=0-999999")
                else:
                    client.send(request("/huge.bin"))
                    client.head()
                if way == "file changed":
                    change(site / "huge.bin")
                    while client.socket.recv(1 << 20):
                        pass
            assert running.log.wait_for(CLOSED)[1] == way
        assert running.loop.context.send_budget.each == MOST


def test_download_that_nobody_reads_costs_others_nothing(site: Path) -> None:
    with running_loop(site) as running, running.connect() as lazy, running.connect() as client:
        lazy.send(request("/huge.bin"))
        for _ in range(20):
            assert client.ask("/a.txt").status == 200


# ---------------------------------------------------------------- files that change


def shrink(path: Path) -> None:
    os.truncate(path, 1000)


def change(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(8))


@pytest.mark.parametrize("alter", [shrink, change], ids=lambda f: f.__name__)
def test_download_of_a_changed_file_ends_short(site: Path, alter: Callable[[Path], None]) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        client.body(100_000)
        alter(site / "huge.bin")
        received = 100_000
        while data := client.socket.recv(1 << 20):
            received += len(data)
        assert received < HUGE
        warning = running.log.wait_for(" warning loop 0.0").string
        assert "huge.bin changed during a download by 127.0.0.1:" in warning
        assert running.log.wait_for(CLOSED)[1] == "file changed"


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def swap(path: Path) -> None:
    write_sparse(path.with_name("new"), HUGE).rename(path)


@pytest.mark.parametrize("alter", [grow, swap, Path.touch, Path.unlink], ids=lambda f: f.__name__)
def test_download_goes_on_if_its_bytes_stay(site: Path, alter: Callable[[Path], None]) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin"))
        client.head()
        alter(site / "huge.bin")
        for _ in range(8):
            assert client.body(MOST) == bytes(MOST)


def test_download_ends_short_if_the_file_changes_while_the_kernel_holds_all_of_it(
    site: Path,
) -> None:
    """What it has not sent yet are the pages of the file itself: the last look comes after that."""
    size = LEAST
    path = write(site / "held.bin", b"o" * size)
    with running_loop(site) as running, running.connect() as other:
        with Client(running.port, receive_buffer=32768) as client:
            client.send(request("/held.bin"))
            client.head()
            assert other.ask("/a.txt").status == 200  # the other's turn is over
            with path.open("r+b") as file:
                file.write(b"n" * size)
            assert len(client.rest()) < size
        assert running.log.wait_for(CLOSED)[1] == "file changed"


def test_download_waits_for_an_event_before_the_last_check(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    count_unsent = Transport.count_unsent

    def count(transport: Transport) -> int:
        looks.append(transport.fd)
        return count_unsent(transport)

    monkeypatch.setattr(Transport, "count_unsent", count)
    write(site / "held.bin", bytes(LEAST))
    with (
        running_loop(site) as running,
        running.connect() as other,
        Client(running.port, receive_buffer=32768) as client,
    ):
        client.send(request("/held.bin"))
        client.head()
        for _ in range(50):  # turns in which nothing happens to the download
            assert other.ask("/a.txt").status == 200
        assert 1 <= len(looks) < 10
        assert client.body(LEAST) == bytes(LEAST)


@pytest.mark.parametrize(
    "spec", ["1-5,7-", f"{HUGE - 1}-,0-{HUGE - 3}", "0-8000000000,9000000000-"]
)
def test_download_of_several_ranges_of_a_changed_file_ends_short(site: Path, spec: str) -> None:
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/huge.bin", f"Range: bytes={spec}"))
        length = int(client.head()["Content-Length"])
        received = len(client.body(100_000))
        change(site / "huge.bin")
        while data := client.socket.recv(1 << 20):
            received += len(data)
        assert received < length
        assert running.log.wait_for(CLOSED)[1] == "file changed"


def test_download_of_a_deleted_file_is_finished(site: Path) -> None:
    content = os.urandom(20_000_000)
    write(site / "gone.bin", content)
    with running_loop(site) as running, running.connect() as client:
        client.send(request("/gone.bin"))
        client.head()
        (site / "gone.bin").unlink()
        digest = hashlib.sha256(client.body(len(content))).digest()
        assert digest == hashlib.sha256(content).digest()
        assert client.ask("/gone.bin").status == 404
