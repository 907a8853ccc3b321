"""The monitor beside a running server: it is replaced, follows reloads and upgrades, and nothing
depends on it.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from httpd.monitor.events import STREAMS
from httpd.monitor.metrics import OPEN_TYPE, TEXT_TYPE
from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import Daemon, daemon, foreground, free_port, refused, run, write_config
from tests.process.unix_clients import UnixClient, ask_unix
from tests.support import require
from tests.support.raw import Client, Response, ask, request
from tests.support.server import DEADLINE

UNAVAILABLE, CONFIG = 69, 78
OF_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;"
    "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What Prometheus 2.42 accepts."""


@pytest.fixture
def server(site: Path, tmp_path: Path) -> Iterator[Daemon]:
    path = str(tmp_path / "run" / "monitor.sock")
    with daemon(site, workers=1, threads=2, verbose=True, monitor=path) as server:
        yield server
        server.run("stop")


def monitor_of(server: Daemon) -> int:
    """Return the pid of the monitor, once it runs."""
    return until(lambda: _find_monitor(server.pid), "a monitor")


def _find_monitor(supervisor: int) -> int:
    return next((pid for pid in proc.children(supervisor) if "monitor" in proc.name(pid)), 0)


def show(server: Daemon, target: str) -> Response:
    """Ask the monitor at its Unix socket, as soon as it listens."""
    return until(lambda: _try_to_show(server, target), f"{target} of the monitor")


def _try_to_show(server: Daemon, target: str) -> Response | None:
    with suppress(OSError):
        return ask_unix(Path(str(server.settings["monitor"])), target)
    return None


def status(server: Daemon) -> Any:
    """Return the figures, once the monitor has the memory of the server."""
    return until(lambda: _try_status(server), "the figures")


def _try_status(server: Daemon) -> Any:
    response = show(server, "/status.json")
    return json.loads(response.body) if response.status == 200 else None


def test_monitor_shows_what_the_command_shows(server: Daemon, tmp_path: Path) -> None:
    assert ask(server.port, "/").status == 200
    command = json.loads(server.run("status", "--json").stdout)
    shown = status(server)
    assert shown.keys() - command.keys() == {"downloads", "ended"}
    assert [shown[key] for key in ("pid", "phase", "docroot")] == [
        server.pid,
        "serving",
        *[str(server.docroot)],
    ]
    assert shown["monitor"] == f"unix:{tmp_path}/run/monitor.sock"
    assert (show(server, "/livez").body, show(server, "/readyz").body) == (b"live\n", b"ready\n")
    assert int(proc.status(monitor_of(server), "VmRSS")[0]) <= 25 * 1024
    assert (tmp_path / "run" / "monitor.sock").stat().st_mode & 0o777 == 0o660


def requests_shown(server: Daemon) -> int:
    """Return the responses of all sites that the metrics show."""
    samples = re.findall(
        rb"^phttpd_http_requests_total(?:\{.*\})? (\d+)$",
        show(server, "/metrics").body,
        re.MULTILINE,
    )
    return sum(map(int, samples))


def test_metrics_count_what_was_served(server: Daemon) -> None:
    for _ in range(3):
        assert ask(server.port, "/").status == 200
    until(lambda: requests_shown(server) == 3, "3 requests")
    assert show(server, "/metrics")["Content-Type"] == TEXT_TYPE
    with UnixClient(Path(str(server.settings["monitor"]))) as client:
        client.send(request("/metrics", f"Accept: {OF_PROMETHEUS}"))
        response = client.response()
    assert response["Content-Type"] == OPEN_TYPE
    assert response.body.endswith(b"\n# EOF\n")


@pytest.mark.debian("prometheus")
def test_promtool_finds_nothing_wrong_in_the_metrics(server: Daemon) -> None:
    done = subprocess.run(
        [require.command("promtool", "prometheus"), "check", "metrics"],
        input=show(server, "/metrics").body,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_events_go_to_as_many_clients_as_may_follow_and_end_with_the_server(
    server: Daemon,
) -> None:
    show(server, "/livez")
    path = Path(str(server.settings["monitor"]))
    with ExitStack() as opened:
        clients = [opened.enter_context(UnixClient(path)) for _ in range(STREAMS)]
        for client in clients:
            client.send(request("/events"))
            head = client.head()
            assert (head.status, head["Content-Type"]) == (200, "text/event-stream")
            assert (head["Connection"], head["Cache-Control"]) == ("close", "no-store")
        refused = show(server, "/events")
        assert (refused.status, refused["Retry-After"]) == (503, "2")
        head_only = opened.enter_context(UnixClient(path))
        head_only.send(request("/events", method="HEAD"))
        assert head_only.rest().endswith(b"\r\n\r\n")
        text = bytes(clients[0]._buffer)
        while text.count(b"\n\n") < 4:  # retry, a snapshot, and two deltas
            text += clients[0].socket.recv(65536)
        begins = [block.partition(b"\ndata: ")[0] for block in text.split(b"\n\n")]
        number = int(begins[1].rpartition(b" ")[2])
        assert begins[:2] == [b"retry: 2000", b"event: snapshot\nid: %d" % number]
        assert begins[2:4] == [b"event: delta\nid: %d" % (number + more) for more in (1, 2)]
        assert server.run("stop").returncode == 0
        for client in clients:
            client.rest()


def test_monitor_that_is_killed_is_replaced_and_the_workers_are_unaffected(server: Daemon) -> None:
    first, workers = monitor_of(server), set(server.workers())
    with Process(first) as monitor:
        monitor.signal(signal.SIGKILL)
        monitor.wait()
    assert ask(server.port, "/").status == 200
    second = until(lambda: _find_monitor(server.pid), "another monitor")
    assert show(server, "/readyz").status == 200
    assert set(server.workers()) - {second} == workers - {first}
    server.log.wait_for(rf"error .*the monitor \(pid {first}\) was killed by SIGKILL; starting")


def test_monitor_stays_through_a_reload_and_knows_the_new_workers(server: Daemon) -> None:
    monitor, workers = monitor_of(server), {worker["pid"] for worker in status(server)["workers"]}
    assert server.run("reload").returncode == 0
    assert monitor_of(server) == monitor
    until(
        lambda: {worker["pid"] for worker in status(server)["workers"]} != workers,
        "the new workers are shown",
    )
    assert status(server)["workers"][0]["pid"] in server.workers()


def test_reload_moves_removes_and_adds_the_monitor(server: Daemon, tmp_path: Path) -> None:
    show(server, "/livez")
    path = tmp_path / "run" / "monitor.sock"
    port = free_port()
    server.configure(monitor=f"127.0.0.1:{port}")
    assert server.run("reload").returncode == 0
    until(lambda: not refused(port) and ask(port, "/readyz").status == 200, "the new address")
    until(lambda: not path.exists(), "the file of the old socket is removed")
    del server.settings["monitor"]
    server.configure()
    assert server.run("reload").returncode == 0
    until(lambda: refused(port), "nothing listens any more")
    until(lambda: not _find_monitor(server.pid), "no monitor runs")
    server.configure(monitor=str(path))
    assert server.run("reload").returncode == 0
    assert show(server, "/readyz").status == 200


def test_reload_to_an_address_in_use_is_refused_and_the_monitor_stays(server: Daemon) -> None:
    monitor = monitor_of(server)
    path = server.settings["monitor"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server.configure(monitor=address)
        done = server.run("reload")
    assert done.returncode == UNAVAILABLE
    assert f"cannot listen on {address}: already in use" in done.stderr
    server.configure(monitor=path)
    assert show(server, "/readyz").status == 200
    assert monitor_of(server) == monitor


def test_upgrade_brings_a_monitor_of_its_own(server: Daemon) -> None:
    with Process(monitor_of(server)) as monitor:
        assert server.run("upgrade").returncode == 0
        monitor.wait()
    until(lambda: status(server)["pid"] == server.pid, "the monitor of the successor")
    assert _find_monitor(server.pid)


def test_monitor_ends_with_its_supervisor_and_the_next_start_takes_its_socket(
    site: Path, tmp_path: Path
) -> None:
    path = tmp_path / "monitor.sock"
    with daemon(site, workers=1, threads=1, monitor=str(path)) as server:
        show(server, "/livez")
        with Process(monitor_of(server)) as monitor:
            assert server.run("stop").returncode == 0
            monitor.wait()
        assert not path.exists()
        server.start()
        show(server, "/livez")
        with Process(monitor_of(server)) as monitor, Process(server.pid) as supervisor:
            supervisor.signal(signal.SIGKILL)
            monitor.wait()
        until(lambda: refused(server.port), "the workers have ended")
        server.start()
        assert show(server, "/readyz").status == 200
        assert server.run("stop").returncode == 0


def test_drain_is_shown_until_the_end(site: Path, tmp_path: Path) -> None:
    (site / "large").write_bytes(b"")
    with (site / "large").open("r+b") as file:
        file.truncate(1 << 30)
    with (
        daemon(site, workers=1, threads=1, monitor=str(tmp_path / "monitor.sock")) as server,
        Client(server.port) as client,
    ):
        client.send(request("/large"))
        client.head()
        with Process(server.pid) as supervisor:
            supervisor.signal(signal.SIGTERM)
        until(lambda: show(server, "/readyz").status == 503, "the drain")
        assert show(server, "/readyz").body.startswith(b"draining\n")
        assert show(server, "/livez").status == 200


def test_address_in_use_is_an_error_of_the_start_and_a_finding_of_the_check(
    site: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        config = write_config(
            tmp_path / "c.yaml", docroot=str(site), port=free_port(), monitor=address
        )
        start = run("-c", config, "--foreground")
        check = run("-c", config, "--check")
    assert start.returncode == UNAVAILABLE
    assert f"phttpd: cannot listen on {address}: already in use" in start.stderr
    assert check.returncode == 0
    assert f"monitor: {address} is already in use" in check.stderr


def test_address_of_other_machines_needs_its_clients_named(site: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", docroot=str(site), monitor="*:9180")
    done = run("-c", config, "--check")
    assert done.returncode == CONFIG
    assert f"{config}:2: monitor: *:9180 can be reached from other machines" in done.stderr


def test_foreground_server_takes_its_monitor_along(site: Path) -> None:
    with foreground(site, workers=1, monitor="127.0.0.1:0") as server:
        until(lambda: _find_monitor(server.pid), "a monitor")
