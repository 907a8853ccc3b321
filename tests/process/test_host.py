"""Another `host` with the same port, by reload or upgrade: no connection is refused."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process, until
from tests.process.knocking import Knocking
from tests.process.launch import Daemon, Setting, daemon, free_port, refused
from tests.support.raw import ask

UNAVAILABLE = 69


@pytest.fixture
def server(site: Path) -> Iterator[Daemon]:
    with daemon(site, workers=2, threads=2) as server:
        yield server
        server.run("stop")


def change(server: Daemon, how: str, host: Setting) -> None:
    server.configure(host=host)
    done = server.run(how)
    assert (done.returncode, done.stderr) == (0, ""), (how, host)


WAY: list[Setting] = [
    "*",
    "127.0.0.1",
    "0.0.0.0",
    ["127.0.0.2", "127.0.0.1"],
    "*",
    ["*", "127.0.0.1"],
    "localhost",
]


@pytest.mark.parametrize("how", ["reload", "upgrade"])
def test_change_of_host_refuses_no_connection(server: Daemon, how: str) -> None:
    with Knocking(lambda: ask(server.port, "/", "Connection: close"), 4) as clients:
        for host in WAY:
            clients.more(50)
            change(server, how, host)
        clients.more(50)
    assert clients.failed == []
    until(lambda: len(server.workers()) == 2, "two workers")


def test_change_of_host_keeps_and_closes_listeners(server: Daemon) -> None:
    change(server, "reload", ["127.0.0.1", "127.0.0.2"])
    before = sockets(server)
    change(server, "reload", ["127.0.0.3", "127.0.0.1"])
    after = sockets(server)
    assert len(before) == len(after) == 2
    assert len(before & after) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port))
    socket.create_connection(("127.0.0.3", server.port)).close()


def sockets(server: Daemon) -> set[str]:
    """Return the sockets of the supervisor that listen."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == proc.LISTEN}
    return listening & set(proc.descriptors(server.pid).values())


def test_change_of_host_lets_no_other_process_listen(server: Daemon) -> None:
    change(server, "reload", "*")
    change(server, "reload", "127.0.0.1")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            thief.bind(("127.0.0.1", server.port))
            thief.listen()


def test_change_of_host_to_an_address_in_use_fails(server: Daemon) -> None:
    """It is named, and not phttpd, whose socket is no hindrance."""
    with socket.socket() as other:
        other.bind(("127.0.0.9", server.port))
        other.listen()
        server.configure(host="*")
        done = server.run("reload")
    assert done.returncode == UNAVAILABLE
    assert f"{server.port}: already in use by " in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert ask(server.port, "/").status == 200
    change(server, "reload", "*")


def test_change_of_port_closes_the_old_listener(server: Daemon) -> None:
    old, port = server.port, free_port()
    server.configure(port=port)
    assert server.run("reload").returncode == 0
    assert refused(old)
    assert ask(port, "/").status == 200


def test_stop_during_a_hand_over_ends_the_server(server: Daemon) -> None:
    with Process(server.pid) as supervisor:
        server.configure(host="*")
        supervisor.signal(signal.SIGHUP)
        until(lambda: len(server.workers()) == 4, "both generations")
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
