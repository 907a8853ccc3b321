"""The listeners of a plan, by endpoint, and its access logs."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from httpd.network.listener import Listener
from httpd.network.settings import ListenSettings
from httpd.process.log_files import LogFile, open_log_file
from httpd.process.plan import PASSED, Endpoint, Plan, close_plan
from tests.unit.network.running import make_frontend

FRONTEND = make_frontend(Path("/"))
LISTEN = ListenSettings(tcp_nodelay=False, backlog=7)
FIRST, SECOND = Endpoint(("127.0.0.1",), 8080), Endpoint(("::1",), 8443)


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]


def make_plan(sockets: Mapping[Endpoint, Sequence[socket.socket]]) -> Plan:
    listeners = {
        endpoint: [Listener(one, FRONTEND) for one in listed]
        for endpoint, listed in sockets.items()
    }
    return Plan(worker=cast(Any, None), listeners=listeners, listen=LISTEN, facts={})


def test_plan_sockets_of_all_endpoints_have_a_fixed_order(sockets: list[socket.socket]) -> None:
    plan = make_plan({FIRST: sockets[:2], SECOND: sockets[2:]})
    assert plan.sockets == sockets
    assert plan.own_sockets == sockets
    assert plan.own_endpoints == [FIRST, SECOND]
    assert [listener.frontend for listener in plan.all_listeners] == [FRONTEND] * 3


def test_plan_sockets_of_a_service_manager_are_not_own_ones(sockets: list[socket.socket]) -> None:
    plan = make_plan({PASSED: sockets})
    assert plan.sockets == sockets
    assert plan.own_sockets == []
    assert plan.own_endpoints == []


def test_close_plan_keeps_those_of_the_other_plan(sockets: list[socket.socket]) -> None:
    old = make_plan({FIRST: sockets[:2]})
    new = make_plan({SECOND: sockets[1:]})
    close_plan(old, keep=new)
    assert [one.fileno() == -1 for one in sockets] == [True, False, False]
    close_plan(new)
    assert all(one.fileno() == -1 for one in sockets)


def test_close_plan_closes_an_access_log_once_and_never_the_console(tmp_path: Path) -> None:
    files = [LogFile(open_log_file(str(tmp_path / name)), is_console=False) for name in "ab"]
    console = LogFile(os.dup(2), is_console=True)
    old = replace(make_plan({}), access_logs={"a": files[0], "stdout": console})
    new = replace(make_plan({}), access_logs={"a": files[0], "b": files[1]})
    close_plan(new, keep=old)
    assert [file.is_open for file in (*files, console)] == [True, False, True]
    os.dup2(console.fd, files[1].fd)  # the kernel has given the number to another file
    close_plan(new)
    close_plan(old)
    for fd in (console.fd, files[1].fd):
        os.close(fd)


@pytest.mark.parametrize(("endpoint", "backlog"), [(FIRST, 7), (PASSED, 5)])
def test_plan_sets_all_options_but_the_backlog_of_a_service_manager(
    endpoint: Endpoint, backlog: int
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=5) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        make_plan({endpoint: [listener]}).set_options()
        assert not listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        # tcp(7): of a listening socket, tcpi_sacked is the length of its queue.
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert struct.unpack_from("=I", info, 28)[0] == backlog
