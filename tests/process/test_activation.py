"""Sockets that the service manager opened: they are used, checked, and left open for the next."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    Foreground,
    environment,
    foreground,
    free_port,
    run,
    write_config,
)
from tests.process.load import Load
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE

CONFIG = 78
SOON = 10.0

BECOME = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(fds))}
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A program that passes descriptors the way of sd_listen_fds(3) to another one."""


@contextmanager
def passed(*files: socket.socket | int) -> Iterator[tuple[list[str], list[int]]]:
    """Yield a command prefix and the descriptors to leave open for it."""
    # High numbers, so that none is overwritten before it was moved.
    originals = [file if isinstance(file, int) else file.fileno() for file in files]
    fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in originals]
    try:
        yield [sys.executable, "-c", BECOME, ",".join(map(str, fds))] if fds else [], fds
    finally:
        for fd in fds:
            os.close(fd)


@contextmanager
def activated(
    site: Path, *listeners: socket.socket, pattern: str = "serving ", **settings: str
) -> Iterator[Foreground]:
    """Run a server at these sockets for a `with` block."""
    pidfile = site.with_name("site.pid")
    config = write_config(
        site.with_name("site.yaml"), docroot=str(site), pidfile=str(pidfile), workers=2, threads=2
    )
    for name, value in settings.items():
        config.write_text(f"{config.read_text()}{name}: {value}\n")
    with passed(*listeners) as (prefix, fds):
        server = Foreground("-c", config, "--verbose", prefix=prefix, pass_fds=fds)
    try:
        server.out.wait_for(pattern)
        yield server
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert server.err.seen == []
    finally:
        server.kill()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def unix_listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener


def ask_unix(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(path)
        client.sendall(request("/", "Connection: close"))
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_passed_sockets_replace_host_and_port(site: Path, listener: socket.socket) -> None:
    unused = free_port()
    path, name = str(site.with_name("socket")), f"\0phttpd-test-{os.getpid()}"
    with ExitStack() as stack:
        six = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        unix = [stack.enter_context(unix_listener(each)) for each in (path, name)]
        server = stack.enter_context(activated(site, listener, six, *unix, port=str(unused)))
        said = [line for line in server.out.seen if "listening at" in line]
        for line, where in zip(
            said,
            [
                f"http://127.0.0.1:{port_of(listener)}/",
                f"http://[::1]:{port_of(six)}/",
                f"unix:{path}",
                f"unix:@{name[1:]}",
            ],
            strict=True,
        ):
            assert line.endswith(f"listening at {where}, opened by the service manager")
        assert ask(port_of(listener), "/").status == 200
        with Client(port_of(six), "::1") as client:
            assert client.ask("/").status == 200
        for each in (path, name):
            assert ask_unix(each).startswith(b"HTTP/1.1 200 OK\r\n")
            server.out.wait_for(r"connection unix: closed: answered")
            server.out.wait_for(r'^unix: - - .*"GET / HTTP/1\.1" 200 9 ')
        assert not proc.listens(unused)
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
    assert Path(path).is_socket()  # it belongs to the service manager


def test_unix_socket_serves_a_large_file(site: Path) -> None:
    data = os.urandom(3_000_000)
    (site / "index.html").write_bytes(data)
    path = str(site.with_name("socket"))
    with unix_listener(path) as listener, activated(site, listener):
        assert ask_unix(path).partition(b"\r\n\r\n")[2] == data


def test_reload_keeps_the_passed_sockets(site: Path, listener: socket.socket) -> None:
    with activated(site, listener) as server, Load(port_of(listener), 2, retry=True) as load:
        config = site.with_name("site.yaml")
        config.write_text(config.read_text().replace("threads: 2", "threads: 1") + "port: 1\n")
        load.more(20)
        done = run("-c", config, "reload")
        remark = (
            "port has changed in the configuration; the sockets of the service manager are used"
        )
        assert (done.returncode, done.stderr) == (0, f"phttpd: {remark} instead\n")
        server.out.wait_for("2 workers of 1 loops")
        load.more(20)
        server.err.wait_for(f"warning supervisor.*: {remark}")
        server.err.seen.clear()
    assert load.failed == []


def test_restart_under_load_fails_no_request(site: Path, listener: socket.socket) -> None:
    """A client that connects between two servers waits, and is neither refused nor reset."""
    with Load(port_of(listener), 6, retry=True) as load:
        for _ in range(3):
            with activated(site, listener):
                load.more(300)
        with activated(site, listener):
            load.more(100)
            load.end()  # while there is a server
    assert load.failed == []


def test_connection_between_two_servers_is_served_by_the_next(
    site: Path, listener: socket.socket
) -> None:
    with activated(site, listener):
        silent = Client(port_of(listener))  # before and after, it has sent nothing
    between = Client(port_of(listener))
    between.send(request("/"))
    with activated(site, listener), silent, between:
        assert between.response().status == 200
        assert silent.ask("/").status == 200


def test_stop_ends_while_clients_go_on_asking(site: Path, listener: socket.socket) -> None:
    with ExitStack() as stack:
        load = stack.enter_context(Load(port_of(listener), 8, retry=True))
        with activated(site, listener) as server:
            load.more(100)
            server.signal(signal.SIGTERM)
            assert server.process.wait(SOON) == 0
        stack.enter_context(activated(site, listener))
        load.end()
    assert load.failed == []


def test_daemon_uses_passed_sockets(site: Path, listener: socket.socket) -> None:
    server = Daemon(site)
    with passed(listener) as (prefix, fds):
        subprocess.run(
            [*prefix, *PHTTPD, "-c", str(server.config)],
            pass_fds=fds,
            cwd=ROOT,
            env=environment(),
            timeout=DEADLINE,
            check=True,
        )
    with Process(server.pid) as supervisor:
        assert ask(port_of(listener), "/").status == 200
        assert not proc.listens(server.port)
        assert server.run("stop").returncode == 0
        supervisor.wait()
    assert proc.listens(port_of(listener))


# ---------------------------------------------------------------- what cannot be used


def refusal(site: Path, *files: socket.socket | int, more: Sequence[str] = ()) -> str:
    """Return why a server does not start with these descriptors."""
    with passed(*files) as (prefix, fds):
        done = subprocess.run(
            [*prefix, *PHTTPD, "--foreground", "--base", str(site), *more],
            pass_fds=fds,
            cwd=ROOT,
            env=environment({"LISTEN_FDNAMES": "first:second"}),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    assert done.returncode == CONFIG, done
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("; a listening stream socket of TCP or Unix is expected\n")
    return done.stderr


def test_passed_descriptor_that_does_not_listen_is_refused(
    site: Path, listener: socket.socket
) -> None:
    with socket.socket() as idle:
        assert "descriptor 4 (second) that was passed does not listen" in refusal(
            site, listener, idle
        )
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagram:
        assert "descriptor 3 (first) that was passed is AF_INET6 SOCK_DGRAM" in refusal(
            site, datagram
        )
    with (site / "index.html").open() as file:
        assert "is none (Socket operation on non-socket)" in refusal(site, file.fileno())


@pytest.mark.parametrize("pid", ["", "1", "x"])
def test_sockets_for_another_process_are_not_used(site: Path, pid: str) -> None:
    with foreground(site, env={"LISTEN_PID": pid, "LISTEN_FDS": "5"}, workers=1) as server:
        assert ask(server.port, "/").status == 200
