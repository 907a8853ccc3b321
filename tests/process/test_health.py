"""Readiness, and the time between it and a drain, as a balancer sees them."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.process.events import Process, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    daemon,
    environment,
    foreground,
    free_port,
)
from tests.process.load import Load
from tests.process.manager import Manager
from tests.support.raw import ask
from tests.support.require import command
from tests.support.server import DEADLINE

HOUR = "1h"


def check(server: Daemon) -> tuple[int, str]:
    """Return status and first word of a health check."""
    response = ask(server.port, "/readyz")
    assert response["Connection"] == "close"
    return response.status, response.body.decode().split("\n")[0]


def test_health_check_follows_the_state_of_the_server(site: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with daemon(site, health="/readyz", drain_delay=HOUR, access_log=str(log)) as server:
        assert check(server) == (200, "ready")
        done = server.run("unready")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("phttpd is unready, since ")
        assert check(server) == (503, "unready")
        assert ask(server.port, "/").status == 200
        for change in ("reload", "upgrade"):
            assert server.run(change).returncode == 0
            assert {check(server) for _ in range(5)} == {(503, "unready")}
        assert server.run("ready").stdout == "phttpd is ready\n"
        assert check(server) == (200, "ready")
        assert server.run("pause").returncode == 0
        assert check(server) == (503, "paused")
        assert server.run("resume").returncode == 0
        assert json.loads(server.run("status", "--json").stdout)["requests"] == 1

        with Process(server.pid) as supervisor, Process(server.workers()[0]) as worker:
            supervisor.signal(signal.SIGTERM)
            until(lambda: check(server) == (503, "draining"), "a drain")
            worker.signal(signal.SIGKILL)
            worker.wait()
            until(lambda: len({*server.workers()} - {worker.pid}) == 2, "a new worker")
            assert {check(server) for _ in range(5)} == {(503, "draining")}
            assert ask(server.port, "/").status == 200
            stop = subprocess.Popen(
                [*PHTTPD, "stop", "-c", str(server.config)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=environment(),
            )
            assert stop.stdout is not None
            assert stop.stdout.readline().startswith("not ready, and serving until 20")
            supervisor.signal(signal.SIGTERM)
            supervisor.wait()
            stop.communicate(timeout=DEADLINE)
            assert stop.returncode == 0
        assert "readyz" not in log.read_text()
        assert log.read_text().count("GET / ") == 2


def test_server_is_ready_through_reloads_and_upgrades(site: Path) -> None:
    with daemon(site, health="/readyz", workers=1) as server:
        with Load(server.port, 2, target="/readyz") as load:
            for change in ("reload", "upgrade", "reload"):
                load.more(20)
                assert server.run(change).returncode == 0
            load.more(20)
        assert load.failed == []
        assert server.run("stop").returncode == 0


def test_delay_is_asked_of_the_service_manager(site: Path, tmp_path: Path) -> None:
    with (
        Manager(str(tmp_path / "notify")) as manager,
        foreground(site, env={"NOTIFY_SOCKET": manager.address}, drain_delay=HOUR) as server,
    ):
        manager.wait_for("^READY=1$")
        server.signal(signal.SIGTERM)
        manager.wait_for("^STOPPING=1$")
        delay = int(manager.wait_for(r"^STATUS=not ready, draining in (\d+) s$")[1])
        assert 3000 < delay <= 3600
        seconds = int(manager.wait_for(r"^EXTEND_TIMEOUT_USEC=(\d+)$")[1]) / 1e6
        assert seconds > delay
        server.signal(signal.SIGTERM)
        manager.wait_for("^STATUS=draining: ")


@pytest.mark.debian("haproxy")
def test_stop_behind_haproxy_fails_no_request(site: Path, tmp_path: Path) -> None:
    """The balancer of the how-to page learns of a stop before it could be refused."""
    haproxy = command("haproxy", "haproxy")
    port, stats = free_port(), tmp_path / "stats"
    other = site.with_name("other")
    shutil.copytree(site, other)
    with (
        foreground(site, workers=1, health="/readyz", drain_delay="4s") as one,
        foreground(other, workers=1, health="/readyz") as two,
    ):
        config = tmp_path / "haproxy.cfg"
        config.write_text(f"global\n    stats socket {stats}\n{recipe(port, one.port, two.port)}")
        with subprocess.Popen([haproxy, "-f", config]) as proxy:
            try:
                until(stats.exists, "a proxy")
                until(lambda: figures(stats)["two"]["status"] == "UP", "a balancer")
                with Load(port, 3) as load:
                    load.more(100)
                    one.signal(signal.SIGTERM)
                    assert one.wait() == 0
                    load.more(100)
                assert load.failed == []
                found = figures(stats)
                assert [found[name]["status"] for name in ("one", "two")] == ["DOWN", "UP"]
                # Retries would hide that clients had been refused.
                assert (found["BACKEND"]["wretr"], found["BACKEND"]["wredis"]) == ("0", "0")
                assert int(found["one"]["hrsp_2xx"]) > 0
            finally:
                proxy.terminate()


def recipe(port: int, *servers: int) -> str:
    """Return the configuration of the how-to page, with ports of this test."""
    page = DOCS / "how-to" / "behind-a-proxy.md"
    (text,) = [block.text for block in blocks(page) if "option httpchk" in block.text]
    ports = {f"10.0.0.1{number}:8080": own for number, own in enumerate(servers, 1)}
    for address, own in {":8000": port, **ports}.items():
        assert text.count(address) == 1
        text = text.replace(address, f"127.0.0.1:{own}")
    return text


def figures(stats: Path) -> dict[str, dict[str, str]]:
    """Return what HAProxy says about its servers, by name."""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(stats))
        end.sendall(b"show stat\n")
        text = end.makefile().read()
    rows = csv.DictReader(text.removeprefix("# ").splitlines())
    return {row["svname"]: row for row in rows}
