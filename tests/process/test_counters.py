"""The counters of a server: through reloads and upgrades, and when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from httpd.observe.counters import read_counters
from tests.process.events import Process, until
from tests.process.launch import Daemon, daemon
from tests.support.raw import Client, request

REQUESTS = "http_requests_total"
BYTES = "http_response_bytes_total"
ACCEPTED = "connections_accepted_total"
CLOSED = "connections_closed_total"


@pytest.fixture
def server(site: Path) -> Iterator[Daemon]:
    sites: Any = [{"name": "one.example", "docroot": str(site)}]
    with daemon(site, workers=2, threads=2, sites=sites) as server:
        yield server
        server.run("stop")  # also a successor


class Asker:
    """A client that waits for every response, and counts what it has got."""

    def __init__(self, server: Daemon) -> None:
        self.server = server
        self.requests: Counter[tuple[str, ...]] = Counter()

    def ask(self) -> None:
        """Ask for what is there and what is not, of each site."""
        for host, site in (("localhost", "-"), ("one.example", "one.example")):
            for target, line in (("/", ""), ("/", "Connection: close"), ("/none", "A: b")):
                with Client(self.server.port) as client:
                    client.send(request(target, *([line] if line else []), host=host))
                    self.requests[site, str(client.response().status)] += 1

    def is_counted(self) -> bool:
        """Tell whether the server has counted exactly what this client has got."""
        counters = read_counters(self.server.pid)
        connections = sum(self.requests.values())
        return (
            counters.values[REQUESTS] == self.requests
            and counters.total(ACCEPTED) == counters.total(CLOSED) == connections
            and counters.values[CLOSED]["answered",] == connections // 3
        )


@contextmanager
def never_falling(server: Daemon) -> Iterator[None]:
    """Read the counters all the time, and see that none falls."""
    is_over = threading.Event()
    fallen: list[Any] = []

    def read() -> None:
        before: dict[Any, int] = {}
        while not is_over.is_set():
            with suppress(ProcessLookupError, ValueError, FileNotFoundError):
                values = read_counters(server.pid).values
                seen = {(name, key): n for name in values for key, n in values[name].items()}
                fallen.extend(item for item in before.items() if seen.get(item[0], 0) < item[1])
                before = seen

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        is_over.set()
        reader.join()
    assert fallen == []


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_counters_are_exact_through_reloads_and_upgrades(server: Daemon, rounds: int) -> None:
    asker = Asker(server)
    with never_falling(server):
        for command in rounds * ["reload", "reload", "upgrade", "reload", "reload"]:
            asker.ask()
            assert server.run(command).returncode == 0
    asker.ask()
    until(asker.is_counted, "the same counts")
    counters = read_counters(server.pid)
    assert counters.values["reloads_total"] == {("success",): 4 * rounds}
    report = json.loads(server.run("status", "--json").stdout)
    assert report["requests"] == sum(asker.requests.values())
    assert report["sent"] == counters.total(BYTES) > 0


def test_counters_go_on_when_a_worker_is_killed(server: Daemon) -> None:
    asker = Asker(server)
    for number in range(1, 4):
        asker.ask()
        until(asker.is_counted, "a tick after the last response")
        before = server.workers()
        with never_falling(server), Process(before[0]) as worker:
            worker.signal(signal.SIGKILL)
            worker.wait()
            until(lambda: len({*server.workers()} - {before[0]}) == 2, "another worker")  # noqa: B023
        restarts = read_counters(server.pid).values["worker_restarts_total"]
        assert restarts == {(): number}
        assert asker.is_counted()


def test_counters_of_a_predecessor_that_still_sends_are_among_those_of_its_successor(
    site: Path, server: Daemon
) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(8 << 20)
    with Client(server.port, receive_buffer=4096) as client:
        client.send(request("/large", "Connection: close"))
        client.head()
        first = server.pid
        with Process(first) as predecessor, never_falling(server):
            assert server.run("upgrade").returncode == 0
            assert os.path.exists(f"/proc/{first}")
            assert read_counters(server.pid).total(REQUESTS) == 0
            client.rest()
            predecessor.wait()
            until(lambda: read_counters(server.pid).total(BYTES) > 8 << 20, "all that was sent")
        assert read_counters(server.pid).values[REQUESTS] == {("-", "200"): 1}
