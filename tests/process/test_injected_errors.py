"""Each system call of a server fails, in every plausible way, while clients use it.

No process ends, spins or leaks a descriptor, and each complete response is right.  When the calls
succeed again, the server works as before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import count
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM
from typing import NamedTuple

import pytest

from httpd.observe.scoreboard import read_all
from tests.process import proc
from tests.process.events import until
from tests.process.injection import failing
from tests.process.launch import Foreground, foreground
from tests.support.raw import Client, request
from tests.support.server import DEADLINE

pytestmark = pytest.mark.debian("strace")

SOMETIMES = ("1+2", "2+3")
ALWAYS = ("1+1", *SOMETIMES)
NETWORK = "EPIPE ECONNRESET ENOBUFS EINTR EAGAIN"
LOOP_CALLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "epoll_ctl": ("ENOMEM ENOSPC", SOMETIMES),
    "epoll_wait": ("EINTR", SOMETIMES),
    "accept4": ("EMFILE ENOMEM ENOBUFS ECONNABORTED EINTR EPERM", SOMETIMES),
    "ioctl": ("ENOMEM", ALWAYS),
    "read": ("EINTR ECONNRESET ETIMEDOUT EIO ENOMEM", SOMETIMES),
    "write": (f"{NETWORK} ENOSPC EIO", SOMETIMES),
    "writev": (NETWORK, SOMETIMES),
    "sendto": (NETWORK, SOMETIMES),
    "sendfile": ("EIO ESTALE ENOMEM EAGAIN EINTR EPIPE", SOMETIMES),
    "pread64": ("EIO ESTALE ENOMEM", ALWAYS),
    "openat2": ("EIO ESTALE ENOMEM EMFILE EACCES ENOENT ELOOP EAGAIN ENXIO", ALWAYS),
    "%%stat": ("EIO ESTALE ENOMEM EACCES ENOENT", ALWAYS),
    "openat": ("EIO ESTALE ENOMEM EMFILE EACCES ENOENT", ALWAYS),
    "readlink": ("EIO ENOMEM EACCES", ALWAYS),
    "getdents64": ("EIO ENOMEM", ALWAYS),
    "access,faccessat,faccessat2": ("EIO ENOMEM EACCES", ALWAYS),
    "memfd_create": ("EMFILE ENOMEM", ALWAYS),
    "shutdown": ("ENOTCONN", ALWAYS),
    "setsockopt": ("ENOBUFS EINVAL", ALWAYS),
    "getsockopt": ("ENOBUFS", ALWAYS),
    # The last one: a descriptor whose close() fails stays open.
    "close": ("EIO EINTR", SOMETIMES),
}
"""The call that fails, its error, and its number among the calls of a thread."""
MOST_CALLS = 2000
"""Calls of a server while one visitor is there: far more than it needs, and far less than it makes
in the same time if it spins."""
FILES = {"small.txt": 2000, "page.html": 40_000, "medium.bin": 600_000, "large.bin": 3_000_000}
FRESH = {"new.bin": 9000, "coded.txt": 3000, "coded.txt.gz": 500}
"""Names and sizes of the files that are there for a single visit."""


class Response(NamedTuple):
    """The responses that were received completely."""

    status: int
    fields: Mapping[str, str]
    body: bytes


def content(name: str, size: int) -> bytes:
    return (name.encode() * (size // len(name) + 1))[:size]


def fetch(port: int, target: str, **fields: str) -> Response | None:
    """Return a response, or None where the connection ends before it is complete."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", target, headers=fields)
        response: HTTPResponse = connection.getresponse()
        return Response(response.status, dict(response.getheaders()), response.read())
    except TimeoutError as error:
        raise AssertionError(f"{target} is neither answered nor given up") from error
    except (HTTPException, OSError):
        return None
    finally:
        connection.close()


class Visitor:
    """Asks for files of all kinds, of which some are new each time."""

    def __init__(self, site: Path) -> None:
        self._site = site
        self._visits = count()
        for name, size in FILES.items():
            (site / name).write_bytes(content(name, size))

    def visit(self, port: int) -> bool:
        """Ask for everything; return whether all of it was served.

        Some requests may fail, but no response may be wrong.
        """
        directory = self._site / f"visit{next(self._visits)}"
        directory.mkdir()
        for name, size in FRESH.items():
            (directory / name).write_bytes(content(name, size))
        (directory / "link").symlink_to("new.bin")
        (directory / "absolute").symlink_to(directory / "new.bin")
        whole = FILES | {f"{directory.name}/{name}": size for name, size in FRESH.items()}
        bodies = {f"/{name}": content(Path(name).name, size) for name, size in whole.items()}
        new = f"/{directory.name}/new.bin"
        coded = f"/{directory.name}/coded.txt"
        bodies[f"/{directory.name}/absolute"] = bodies[new]

        served = [_is_right(fetch(port, target), body) for target, body in bodies.items()]
        for target in ("/small.txt", "/large.bin", new):
            served.append(_is_right(fetch(port, target, Connection="close"), bodies[target]))
        for first, last in (7, 89), (5, 1_999_999):
            response = fetch(port, "/large.bin", Range=f"bytes={first}-{last}")
            served.append(_is_right(response, bodies["/large.bin"][first : last + 1]))
        response = fetch(port, coded, **{"Accept-Encoding": "gzip"})
        is_coded = response is not None and "Content-Encoding" in response.fields
        served.append(_is_right(response, bodies[f"{coded}.gz" if is_coded else coded]))
        served.append(_lists(fetch(port, f"/{directory.name}/", Accept="application/json"), *FRESH))
        return all(served)


def _is_right(response: Response | None, body: bytes) -> bool:
    if response is None or response.status not in (200, 206):
        return False
    assert response.body == body
    return True


def _lists(response: Response | None, *names: str) -> bool:
    if response is None or response.status != 200:
        return False
    assert {entry["name"] for entry in json.loads(response.body)} >= {*names}
    return True


class Sweep(NamedTuple):
    """A server, its one worker, and how many descriptors that has when it is at rest."""

    server: Foreground
    visitor: Visitor
    worker: int
    descriptors: int


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    site = tmp_path_factory.mktemp("injected") / "site"
    site.mkdir()
    visitor = Visitor(site)
    with foreground(site, errors=".", workers=1, threads=2, listing=True) as server:
        (worker,) = server.workers()
        for _ in range(2):
            assert visitor.visit(server.port)
        yield Sweep(server, visitor, worker, len(proc.descriptors(worker)))


@pytest.mark.parametrize("call", LOOP_CALLS)
def test_loop_goes_on_when_a_system_call_fails(sweep: Sweep, call: str, tmp_path: Path) -> None:
    server, visitor, worker, descriptors = sweep
    errors, times = LOOP_CALLS[call]
    injected = 0
    for error in errors.split():
        for when in times:
            with failing([worker], call, error, when, tmp_path / "trace") as trace:
                visitor.visit(server.port)
            injected += trace.injected()
            assert server.workers() == [worker], f"{error} {when} ends the worker"
            assert trace.calls() < MOST_CALLS, f"{error} {when} makes it spin"
    assert injected, "nothing has failed"
    until(lambda: visitor.visit(server.port), "all is served again")
    if call != "close":
        until(lambda: len(proc.descriptors(worker)) <= descriptors, "no descriptor is left open")


# ---------------------------------------------------------------- the end

DRAIN_CALLS = {
    "epoll_ctl": "ENOENT ENOMEM",
    "accept4": "EMFILE ENOBUFS ECONNABORTED",
    "recvmsg": "EINTR ENOMEM",
    "sendmsg": "ENOBUFS ENOMEM EAGAIN",
    "setsockopt": "ENOMEM EPERM",
    "sendfile": "EIO EAGAIN",
    "poll": "EINTR",
    "wait4": "EINTR",
}


@pytest.mark.parametrize("call", DRAIN_CALLS)
def test_drain_ends_when_a_system_call_fails(
    call: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for error in DRAIN_CALLS[call].split():
        site = tmp_path_factory.mktemp("drained") / "site"
        site.mkdir()
        body = content("large.bin", 1_000_000)
        (site / "large.bin").write_bytes(body)
        with (
            foreground(site, workers=1, threads=2, errors=".") as server,
            Client(server.port, receive_buffer=4096) as busy,
            Client(server.port) as idle,
        ):
            idle.ask("/small.txt")
            busy.send(request("/large.bin"))
            busy.head()
            pids = [server.pid, *server.workers()]
            with failing(pids, call, error, "1+2", tmp_path / "trace") as trace:
                server.signal(SIGTERM)
                received = busy.rest()
                assert body.startswith(received)
                assert server.wait() == 0
            assert trace.calls() < MOST_CALLS, f"{error} makes it spin"


# ---------------------------------------------------------------- the supervisor

SUPERVISOR_CALLS = {
    "poll": "EINTR ENOMEM",
    "read": "EINTR EIO",
    "recvmsg": "EINTR ENOMEM",
    "sendmsg": "ENOBUFS ENOMEM",
    "socketpair": "EMFILE ENOMEM",
    "clone,clone3,fork,vfork": "EAGAIN ENOMEM",
    "wait4": "EINTR ECHILD",
    "memfd_create": "EMFILE ENOMEM",
    "ftruncate": "ENOSPC",
    "openat": "EMFILE EIO EACCES",
    "listen": "EADDRINUSE",
    "getsockname": "ENOBUFS",
    "eventfd2,epoll_create1,timerfd_create": "EMFILE",
}


@pytest.mark.parametrize("call", SUPERVISOR_CALLS)
def test_supervisor_goes_on_when_a_system_call_fails(site: Path, call: str, tmp_path: Path) -> None:
    """It reloads, and then loses a worker."""
    with foreground(site, workers=1, threads=1, errors=".") as server:
        injected = 0
        for error in SUPERVISOR_CALLS[call].split():
            with failing([server.pid], call, error, "1+2", tmp_path / "trace") as trace:
                _reload(server)
            injected += trace.injected()
            assert trace.calls() < MOST_CALLS, f"{error} makes it spin"
            assert server.process.poll() is None, f"{error} ends it"
            for worker in server.workers():
                with suppress(ProcessLookupError):  # one of the generation before may be leaving
                    os.kill(worker, SIGKILL)
            until(lambda: _serves(server), "a worker that serves")
            server.signal(SIGHUP)
            server.out.wait_for(" notice supervisor.* reloaded")
        assert injected, "nothing has failed"
        until(lambda: not proc.zombies(server.pid), "no zombie is left")


def _reload(server: Foreground) -> None:
    """Ask for a reload and wait until it has ended, one way or another."""
    before = _changes(server)
    server.signal(SIGHUP)
    until(lambda: _changes(server) > before, "a reload has ended")


def _changes(server: Foreground) -> int:
    """Return how many reloads have ended."""
    return max(board.changes for board in read_all(server.pid))


def _serves(server: Foreground) -> bool:
    response = fetch(server.port, "/")
    return response is not None and response.status == 200
