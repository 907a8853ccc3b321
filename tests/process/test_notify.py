"""What the service manager is sent: readiness, reloads, figures, watchdog, and time for a drain."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import until
from tests.process.launch import Foreground, foreground, run, write_config
from tests.process.manager import Manager
from tests.support.raw import Client, ask, request

NO_INPUT = 66


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(str(tmp_path / "notify")) as manager:
        yield manager


def told(manager: Manager, **more: str) -> dict[str, str]:
    """Return the variables by which a server notifies the manager."""
    return {"NOTIFY_SOCKET": manager.address, **more}


def config_of(site: Path) -> Path:
    return site.with_name(f"{site.name}.yaml")


def test_manager_is_notified_of_ready_and_stopping(site: Path, manager: Manager) -> None:
    with foreground(site, env=told(manager)) as server:
        message = manager.wait_for("^READY=1$").string
        assert f"MAINPID={server.pid}\n" in message
        assert "\nSTATUS=serving: 0 connections, 0 requests/s" in message
        assert len(server.workers()) == 2
        server.signal(signal.SIGTERM)
        manager.wait_for("^STOPPING=1\nSTATUS=draining")
        assert server.wait() == 0
    assert not [text for text in manager.said + manager.rest() if "WATCHDOG" in text]


def test_manager_at_an_abstract_socket_is_notified(site: Path) -> None:
    with (
        Manager(f"@phttpd-test-{os.getpid()}") as manager,
        foreground(site, env=told(manager), workers=1, threads=1),
    ):
        manager.wait_for("^READY=1$")


@pytest.mark.parametrize("address", ["", "/no/such/socket", "relative", "/" + "x" * 200])
def test_manager_that_does_not_listen_is_ignored(site: Path, address: str) -> None:
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "soon"}
    with foreground(site, env=environment, workers=1, threads=1) as server:
        assert ask(server.port, "/").status == 200


def test_manager_that_does_not_read_blocks_nothing(site: Path) -> None:
    with Manager(f"@phttpd-test-{os.getpid()}") as manager:
        pass  # its thread has ended
    idle = Manager(manager.address)
    with foreground(site, env=told(idle), workers=1, threads=1) as server:
        config = config_of(site)
        for _ in range(20):  # more than the kernel keeps for a socket that is not read
            assert run("-c", config, "reload").returncode == 0
        assert ask(server.port, "/").status == 200
    with idle:
        idle.wait_for("^READY=1$")


def test_reload_good_or_bad_ends_with_ready(site: Path, manager: Manager) -> None:
    with foreground(site, env=told(manager), errors="the reload failed") as server:
        manager.wait_for("^READY=1$")
        config = config_of(site)
        assert run("-c", config, "reload").returncode == 0
        manager.wait_for(r"\ARELOADING=1\nMONOTONIC_USEC=\d{6,}\Z")
        ready = manager.wait_for("^READY=1\nSTATUS=serving: .*$")
        assert "failed" not in ready[0]

        text = config.read_text()
        pidfile = str(site.with_name("site.pid"))
        write_config(config, docroot="/no/such/folder", pidfile=pidfile, port=server.port)
        assert run("-c", config, "reload").returncode == NO_INPUT
        manager.wait_for("^RELOADING=1$")
        manager.wait_for("^READY=1\nSTATUS=serving: .*; the last reload failed: .*/no/such/folder")
        config.write_text(text)
        assert run("-c", config, "reload").returncode == 0
        assert "failed" not in manager.wait_for("^READY=1\nSTATUS=.*").string
        assert ask(server.port, "/").status == 200


def test_status_has_live_figures(site: Path, manager: Manager) -> None:
    with foreground(site, env=told(manager)) as server, Client(server.port) as client:
        for _ in range(50):
            client.ask("/")
        manager.wait_for(r"^STATUS=serving: 1 connection, [1-9]\d* requests/s$")
        manager.wait_for(r"^STATUS=serving: 1 connection, 0 requests/s$")


# ---------------------------------------------------------------- the watchdog


def watched(manager: Manager, **more: str) -> dict[str, str]:
    return told(manager, WATCHDOG_USEC="500000", **more)


def test_watchdog_is_fed_until_a_loop_is_stuck(site: Path, manager: Manager) -> None:
    with foreground(site, env=watched(manager), errors="has not turned") as server:
        for _ in range(5):
            manager.wait_for("^WATCHDOG=1$")
        frozen = server.workers()[1]
        os.kill(frozen, signal.SIGSTOP)
        stuck = {server.err.wait_for(rf"loop (\S+) \(pid {frozen}\) has")[1] for _ in range(2)}
        assert len(stuck) == 2
        assert ask(server.port, "/").status == 200  # the others go on
        manager.rest()
        with pytest.raises(AssertionError, match="WATCHDOG"):
            manager.wait_for("^WATCHDOG=1$", timeout=1.0)
        os.kill(frozen, signal.SIGCONT)
        manager.wait_for("^WATCHDOG=1$")


def test_watchdog_of_another_process_is_not_fed(site: Path, manager: Manager) -> None:
    with foreground(site, env=watched(manager, WATCHDOG_PID="1")):
        manager.wait_for("^READY=1$")
    assert not [text for text in manager.said + manager.rest() if "WATCHDOG" in text]


def test_loops_that_ended_in_a_drain_are_not_stuck(site: Path, manager: Manager) -> None:
    """One download goes on in a worker whose other loops have nothing left to do."""
    with (
        foreground(site, env=watched(manager), workers=1, threads=3) as server,
        begin_download(server, site),
    ):
        assert run("-c", config_of(site), "reload").returncode == 0
        until(lambda: len(server.workers()) == 2, "the worker of before drains")
        until(lambda: any(len(proc.loops(pid)) == 1 for pid in server.workers()), "one loop")
        manager.rest()
        for _ in range(16):  # longer than a loop may be stuck
            manager.wait_for("^WATCHDOG=1$")


def test_loops_that_ended_in_a_worker_told_to_end_are_not_stuck(
    site: Path, manager: Manager
) -> None:
    with (
        foreground(site, env=watched(manager), workers=1, threads=3) as server,
        begin_download(server, site),
    ):
        (worker,) = server.workers()
        os.kill(worker, signal.SIGTERM)
        until(lambda: len(proc.loops(worker)) == 1, "one loop")
        manager.rest()
        for _ in range(16):  # longer than a loop may be stuck
            manager.wait_for("^WATCHDOG=1$")


# ---------------------------------------------------------------- a drain


def begin_download(server: Foreground, site: Path, size: int = 20_000_000) -> Client:
    with (site / "large").open("wb") as file:
        file.truncate(size)
    client = Client(server.port, receive_buffer=65536)
    client.send(request("/large"))
    client.head()
    return client


def test_drain_with_progress_asks_for_time(site: Path, manager: Manager) -> None:
    with (
        foreground(site, env=told(manager), drain_timeout="50s", send_timeout="20s") as server,
        begin_download(server, site) as client,
    ):
        server.signal(signal.SIGTERM)
        manager.wait_for("^STOPPING=1$")
        extension = manager.wait_for(r"^EXTEND_TIMEOUT_USEC=(\d+)$")
        assert int(extension[1]) == 25_000_000  # send_timeout and a little
        manager.wait_for(r"^STATUS=draining: waiting for 1 request, \S+ MB to send \(0 % done\)$")
        manager.rest()
        client.body(10_000_000)
        manager.wait_for(r"^EXTEND_TIMEOUT_USEC=(\d+)$")
        manager.wait_for(r"^STATUS=draining: .* to send \([1-9]\d % done\)$")
        client.body(10_000_000)
        assert server.wait() == 0


def test_drain_asks_for_no_more_than_its_timeout(site: Path, manager: Manager) -> None:
    with (
        foreground(site, env=told(manager), drain_timeout="3s", errors="was cut") as server,
        begin_download(server, site),
    ):
        server.signal(signal.SIGTERM)
        extension = manager.wait_for(r"^EXTEND_TIMEOUT_USEC=(\d+)$")
        assert server.wait() == 0
    later = re.findall(r"^EXTEND_TIMEOUT_USEC=(\d+)$", "\n".join(manager.rest()), re.MULTILINE)
    asked = [int(extension[1]), *map(int, later)]  # again if the kernel has taken more meanwhile
    assert all(0 < time <= 5_000_000 for time in asked)
    assert asked == sorted(asked, reverse=True)  # each asks until the same moment
