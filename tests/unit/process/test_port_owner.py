"""The owner of a port, as messages name it: the process, or at least its user."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from httpd.process import port_owner
from httpd.process.others import user_name
from httpd.process.port_owner import describe_owner
from tests.support.server import DEADLINE

LISTEN = """if True:
    import os, socket, sys
    listener = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]))
    with open("/proc/self/comm", "w") as comm:
        comm.write(sys.argv[3])
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    print(listener.getsockname()[1], flush=True)
    os.wait()
    """


@contextmanager
def listener(
    host: str = "127.0.0.1", family: int = socket.AF_INET, name: str = "somebody"
) -> Iterator[tuple[int, int]]:
    """Run a process with a child that share a listener; yield the pid and the port."""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, host, str(int(family)), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize("wanted", ["127.0.0.1:{}", "0.0.0.0:{}", "[::]:{}"])
def test_owner_of_an_address_is_the_parent_of_those_who_share_it(wanted: str) -> None:
    with listener() as (pid, port):
        assert describe_owner(wanted.format(port)) == f" by somebody (pid {pid})"


@pytest.mark.parametrize("wanted", ["127.0.0.1:{}", "[::1]:{}"])
def test_owner_of_every_address_owns_each(wanted: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with listener("::", socket.AF_INET6) as (pid, port):
        assert describe_owner(wanted.format(port)) == f" by somebody (pid {pid})"


def test_owner_of_another_address_is_not_named() -> None:
    with listener("127.0.0.2") as (pid, port):
        assert describe_owner(f"127.0.0.1:{port}") == ""
        assert describe_owner(f"127.0.0.2:{port}") == f" by somebody (pid {pid})"


def test_owner_that_may_not_be_looked_at_is_named_by_its_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port_owner, "_has_open", lambda *_: False)
    user = user_name(os.geteuid())
    with listener() as (_, port):
        assert describe_owner(f"127.0.0.1:{port}") == f" by a process of the user {user}"


def test_owner_whose_name_has_control_characters_gives_no_orders() -> None:
    with listener(name="a\x1b[31m") as (pid, port):
        assert describe_owner(f"127.0.0.1:{port}") == f" by a\\x1b[31m (pid {pid})"


@pytest.mark.parametrize("address", ["no.such.host", "", "127.0.0.1:1"])
def test_owner_of_a_free_address_is_empty(address: str) -> None:
    assert describe_owner(address) == ""


def test_user_without_a_name_is_a_number() -> None:
    assert user_name(3_999_999_999) == "3999999999"
