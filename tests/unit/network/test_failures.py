"""Failures of disks, networks and the kernel are logged, and end one connection at most."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from httpd.network.socket_ops import has_data
from httpd.network.transport import Transport
from tests.support.raw import request
from tests.unit.network.running import RunningLoop, running_loop
from tests.unit.site.directories import write_sparse

SIZE = 3_000_000


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def download(running: RunningLoop) -> bytes:
    """Return what comes of the file."""
    with running.connect() as client:
        client.send(request("/large.bin", "Connection: close"))
        client.head()
        return client.rest()


@pytest.mark.parametrize("call", ["sendfile", "pread"])
def test_download_from_a_failing_disk_is_logged(
    site: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_sparse(site / "large.bin", SIZE)
    with running_loop(site) as running:
        for _ in range(2):  # from the second time on the file is open
            assert len(download(running)) == SIZE
        owner = Transport if call == "sendfile" else os
        monkeypatch.setattr(owner, call, staticmethod(failing(errno.EIO)))
        assert len(download(running)) < SIZE
        monkeypatch.undo()
        running.log.wait_for(
            r"error loop 0\.0\[\d+\]: cannot send .*/large\.bin to 127\.0\.0\.1:\d+: "
            "Input/output error"
        )
        running.log.wait_for("closed: read error")
        running.expects_errors = True


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_download_over_a_failing_network_is_no_error_of_the_server(
    site: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_sparse(site / "large.bin", SIZE)
    with running_loop(site) as running:
        monkeypatch.setattr(Transport, "sendfile", staticmethod(failing(number)))
        assert len(download(running)) < SIZE
        monkeypatch.undo()
        running.log.wait_for("closed: client reset")


@pytest.mark.parametrize(
    ("call", "number", "status"),
    [
        ("pread", errno.EIO, 500),
        ("fstat", errno.ESTALE, 500),
        ("fstat", errno.ENOMEM, 503),
    ],
)
def test_file_that_cannot_be_read_is_logged_with_the_reason(
    site: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, status: int
) -> None:
    (site / "new.txt").write_text("new")
    with running_loop(site) as running, running.connect() as client:
        assert client.ask("/a.txt").status == 200
        monkeypatch.setattr(os, call, failing(number))
        assert client.ask("/new.txt").status == status
        monkeypatch.undo()
        running.log.wait_for(f"cannot read /new.txt: {os.strerror(number)}")
        running.expects_errors = True


class FullEpoll:
    """An epoll with no room for another watch."""

    def __init__(self, epoll: Any) -> None:
        self.poll = epoll.poll
        self.modify = epoll.modify
        self.unregister = epoll.unregister
        self.register = failing(errno.ENOSPC)


def test_connections_that_cannot_be_watched_are_closed_and_logged_once_a_second(site: Path) -> None:
    with running_loop(site) as running:
        with running.connect() as first:
            for _ in range(2):  # with the second response, the first one is all done
                assert first.ask("/a.txt").status == 200
            epoll = running.loop._connections._epoll
            running.loop._connections._epoll = FullEpoll(epoll)  # type: ignore[assignment]
            for _ in range(20):
                with running.connect() as client, suppress(ConnectionError):
                    client.send(request("/a.txt"))
                    client.rest()
            running.loop._connections._epoll = epoll
            assert first.ask("/a.txt").status == 200
        running.log.wait_for("connections had to be closed: No space left on device")
        running.expects_errors = True
    told = [line for line in running.log.seen if "had to be closed" in line]
    assert len(told) < 20


def test_command_that_fails_ends_nothing_else(site: Path) -> None:
    with running_loop(site) as running, running.connect() as client:
        running.loop._commands.call(failing(errno.EIO))
        running.log.wait_for("error loop 0.0.*internal error.*Input/output error")
        assert client.ask("/a.txt").status == 200
        running.expects_errors = True


def test_command_without_a_wake_up_is_obeyed_at_the_next_tick(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_loop(site) as running:
        monkeypatch.setattr(os, "eventfd_write", failing(errno.EAGAIN))
        released = running.drain()
        assert released.wait(30)
        running.join()


def test_has_data_of_a_socket_that_cannot_be_polled_is_true(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_fd, write_fd = os.pipe()
    assert not has_data(read_fd)

    class Poll:
        register = staticmethod(lambda *_: None)
        poll = staticmethod(failing(errno.ENOMEM))

    monkeypatch.setattr("select.poll", Poll)
    assert has_data(read_fd)
    os.close(read_fd)
    os.close(write_fd)
