"""phttpd.service from start to stop, with everything that may happen in between."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from signal import Signals

import pytest

from tests.process.events import until
from tests.process.load import Load
from tests.support import require
from tests.support.raw import Client, request
from tests.systemd.service import CONFIG, Service

MIB = 1024**2
TIMEOUT = 2
"""Seconds after which systemd ends a stop or a start that asks for no more."""


@pytest.fixture
def running(service: Service) -> Service:
    service.start()
    return service


def test_service_starts_and_stops(running: Service) -> None:
    response = running.fetch()
    assert response.status == 200
    assert b"phttpd serves" in response.body
    assert running.show("ActiveState") == "active"
    running.stop()
    assert running.show("ActiveState") == "inactive"
    assert running.show("Result") == "success"
    assert running.processes() == []
    assert not running.machine.path("/run/phttpd").exists()


def test_service_start_returns_when_it_serves(service: Service) -> None:
    for _ in range(5):
        service.machine.run("systemctl", "restart", service.name)
        assert service.fetch().status == 200


def test_service_has_no_process_of_root(running: Service) -> None:
    user = running.machine.run("id", "-u", "phttpd").strip()
    shown = running.machine.run(
        "ps", "-o", "uid=,pid=", "-p", ",".join(map(str, running.processes()))
    )
    assert {line.split()[0] for line in shown.splitlines()} == {user}
    assert len(shown.splitlines()) == 1 + len(running.workers())


def test_systemctl_status_shows_live_figures(running: Service) -> None:
    with Client(80) as first, Client(80) as second:
        assert first.ask("/").status == second.ask("/").status == 200
        until(lambda: re.search(r"\b2 connections", running.show("StatusText")), "two connections")
    until(lambda: re.search(r"\b(0|no) connections", running.show("StatusText")), "no connection")
    assert running.show("StatusText") in running.machine.run("systemctl", "status", running.name)


def test_journal_of_the_service_is_clean(running: Service) -> None:
    running.fetch()
    running.machine.run("systemctl", "reload", running.name)
    running.fetch("/nothing")
    running.stop()
    assert running.journal("--priority=warning") == []
    assert [line for line in running.journal("_COMM=phttpd") if "rror" in line] == []


def test_reload_of_the_service_takes_the_new_config(running: Service) -> None:
    before = running.pid
    running.configure(port=8081)
    running.machine.run("systemctl", "reload", running.name)
    with Client(8081) as client:
        assert client.ask("/").status == 200
    assert running.pid == before
    assert running.show("ActiveState") == "active"


def test_reload_of_a_bad_config_changes_nothing(running: Service) -> None:
    running.configure(port="x")
    assert running.machine.status("systemctl", "reload", running.name) != 0
    assert running.show("ActiveState") == "active"
    assert running.fetch().status == 200
    assert any(f"{CONFIG}" in line and "port" in line for line in running.journal())


def test_start_with_a_bad_config_fails_with_the_reason(service: Service) -> None:
    """No restart can help, so there is none."""
    service.configure(port="x")
    assert service.machine.status("systemctl", "start", service.name) != 0
    assert service.show("ExecMainStatus") == "78"
    assert service.show("ActiveState") == "failed"
    assert service.show("NRestarts") == "0"
    assert any("port" in line and "'x'" in line for line in service.journal())


def test_start_before_the_docroot_is_there_waits_for_it(service: Service) -> None:
    """As on a file system that is mounted late."""
    service.configure(docroot="/srv/late")
    service.start()
    response = service.fetch()
    assert (response.status, response["Retry-After"]) == (503, "5")
    what = "the docroot /srv/late cannot be read"
    until(lambda: any(what in line for line in service.journal()), "a warning in the journal")
    service.machine.run("cp", "-r", "/srv/phttpd", "/srv/late")
    assert service.fetch().status == 200
    service.machine.run("rm", "-r", "/srv/late")
    assert service.fetch().status == 503
    assert service.show("NRestarts") == "0"


def test_start_before_the_config_is_there_is_tried_again(service: Service) -> None:
    run = service.machine.run
    service.drop_in("[Service]\nRestartSec=2s\n")
    run("mv", CONFIG, f"{CONFIG}.away")
    assert service.machine.status("systemctl", "start", service.name) != 0
    assert service.show("ExecMainStatus") == "66"
    run("mv", f"{CONFIG}.away", CONFIG)
    service.until_active()
    assert service.fetch().status == 200
    assert service.show("NRestarts") != "0"


def test_start_with_a_port_that_is_taken_fails_with_the_reason(service: Service) -> None:
    """It may be free in a moment, so there are restarts, but not for ever."""
    service.drop_in("[Service]\nRestartSec=100ms\n")
    with socket.create_server(("", 80)):
        assert service.machine.status("systemctl", "start", service.name) != 0
        until(
            lambda: any("repeated too quickly" in line for line in service.journal()),
            "the last start",
        )
    assert service.show("ActiveState") == "failed"
    assert service.show("ExecMainStatus") == "69"
    assert len([line for line in service.journal() if "status=69" in line]) == 5
    service.machine.run("systemctl", "reset-failed", service.name)
    service.start()
    assert service.fetch().status == 200


def test_service_survives_a_process_killed_for_want_of_memory(
    running: Service,
) -> None:
    assert running.show("OOMPolicy") == "continue"


def test_stop_lets_a_slow_download_finish_beyond_its_timeout(service: Service) -> None:
    service.configure(shutdown_timeout="0s")  # which is for the shutdown of the machine
    service.drop_in(f"[Service]\nTimeoutStopSec={TIMEOUT}s\n")
    service.put("large.bin", 16 * MIB)
    service.start()
    with Client(80, receive_buffer=65536) as client:
        client.send(request("/large.bin"))
        head = client.head()
        assert head["Content-Length"] == str(16 * MIB)
        service.machine.run("systemctl", "stop", "--no-block", service.name)
        slow_until = time.monotonic() + 2 * TIMEOUT
        received = 0
        while time.monotonic() < slow_until:
            received += len(client.body(65536))
            time.sleep(0.05)  # a client this slow is what the test is about
        assert service.show("ActiveState") == "deactivating"
        client.body(16 * MIB - received)
    until(lambda: service.show("ActiveState") == "inactive", "the end of the service")
    assert service.show("Result") == "success"


def test_killed_worker_is_replaced(running: Service) -> None:
    pid = running.pid
    killed = running.workers()[0]
    running.kill(killed, Signals.SIGKILL)
    until(lambda: 0 not in running.workers() and killed not in running.workers(), "another worker")
    assert running.pid == pid
    assert running.fetch().status == 200


def test_killed_supervisor_is_replaced(running: Service) -> None:
    before = running.pid
    running.kill(before, Signals.SIGKILL)
    until(lambda: running.show("NRestarts") == "1", "a restart")
    running.until_active()
    assert running.pid != before
    assert running.fetch().status == 200
    assert len(running.processes()) == 1 + len(running.workers())


@pytest.mark.parametrize("who", ["supervisor", "worker"])
def test_watchdog_ends_a_service_with_a_stuck_process(service: Service, who: str) -> None:
    service.drop_in("[Service]\nWatchdogSec=1s\n")
    service.start()
    service.kill(service.pid if who == "supervisor" else service.workers()[1], Signals.SIGSTOP)
    until(lambda: service.show("NRestarts") == "1", "a restart")
    service.until_active()
    assert service.fetch().status == 200
    assert any("Watchdog timeout" in line for line in service.journal())


def until_fed(service: Service) -> None:
    """Wait until the watchdog has been fed again."""
    before = service.show("WatchdogTimestampMonotonic")
    until(lambda: service.show("WatchdogTimestampMonotonic") != before, "food for the watchdog")


def test_watchdog_leaves_a_busy_service_alone(service: Service) -> None:
    service.drop_in("[Service]\nWatchdogSec=1s\n")
    service.start()
    with Load(80, 4) as load:
        for _ in range(4):
            until_fed(service)
    assert load.failed == []
    assert service.show("NRestarts") == "0"


def test_reloads_under_load_fail_no_request(running: Service) -> None:
    descriptors = running.descriptors()
    with Load(80, 8, retry=True) as load:
        for turn in range(20):
            running.configure(threads=2 + turn % 3, expires=f"{turn}s")
            running.machine.run("systemctl", "reload", running.name)
            load.more(50)
    assert load.failed == []
    workers = running.workers()
    until(lambda: len(running.processes()) == 1 + len(workers), "no worker left behind")
    until(lambda: running.descriptors() == descriptors, "no descriptor left open")
    assert running.show("NRestarts") == "0"


def test_upgrades_under_load_fail_no_request(running: Service) -> None:
    descriptors = running.descriptors()
    with Load(80, 8, retry=True) as load:
        for _ in range(5):
            before = running.pid
            running.machine.run("phttpd", "upgrade")
            assert running.pid != before
            load.more(50)
    assert load.failed == []
    assert running.show("ActiveState") == "active"
    assert running.show("NRestarts") == "0"
    workers = running.workers()
    until(lambda: len(running.processes()) == 1 + len(workers), "no process left behind")
    until(lambda: running.descriptors() == descriptors, "no descriptor left open")
    running.stop()
    assert running.show("Result") == "success"


def test_instances_serve_beside_each_other(service: Service) -> None:
    run = service.machine.run
    config = service.machine.path("/etc/phttpd/lab2.yaml")
    config.write_text("port: 8082\ndocroot: /srv/phttpd\n")
    service.start()
    run("systemctl", "start", "phttpd@lab2.service")
    with Client(8082) as client:
        assert client.ask("/").status == 200
    assert service.fetch().status == 200
    run("systemctl", "reload", "phttpd@lab2.service")
    status = json.loads(run("phttpd", "--config", "/etc/phttpd/lab2.yaml", "status", "--json"))
    assert status["pid"] == int(run("systemctl", "show", "--value", "-p", "MainPID", "phttpd@lab2"))
    run("systemctl", "stop", "phttpd@lab2.service")
    assert service.fetch().status == 200


def test_check_finds_what_keeps_the_service_from_working(service: Service) -> None:
    """The unit's user cannot read the docroot, and root who checks can."""
    check = service.machine.run
    service.start()
    assert check("phttpd", "--check").startswith("OK: "), "the port is its own"
    service.configure(docroot="/opt/site", access_log="/srv/access.log", max_connections=5000)
    service.drop_in("[Service]\nLimitNOFILE=1000\n")
    service.machine.run("install", "-d", "--mode=0700", "/opt/site")
    lines = check("phttpd", "--check").splitlines()
    found = [line.partition("phttpd.yaml:")[2].partition(": ")[2] for line in lines[:-1]]
    assert [line.partition(":")[0] for line in found] == [
        "access_log",
        "docroot",
        "max_connections",
    ]
    assert "does not let the service write /srv/access.log; choose a path below" in found[0]
    assert "as the user phttpd: the docroot /opt/site cannot be read" in found[1]
    assert "LimitNOFILE=1000 of phttpd.service" in found[2]


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.debian("logrotate")
def test_logrotate_under_load_loses_no_line(service: Service) -> None:
    """Every response has its line, in one file or the other, and no line is torn."""
    require.command("logrotate", "logrotate")
    log = "/var/log/phttpd/access.log"
    run = service.machine.run
    service.configure(access_log=log)
    service.start()
    before = service.report()["requests"]
    with Load(80, 8) as load:
        for _ in range(3):
            load.more(200)
            until(lambda: size(service.machine.path(log)), "lines; an empty log is not rotated")
            run("logrotate", "--force", "/etc/logrotate.d/phttpd")
            run("test", "-e", f"{log}.1")
            until(lambda: service.machine.path(log).exists(), "a new log file")
        load.more(200)
    assert load.failed == []
    service.stop()
    text = run("sh", "-c", "zcat -f /var/log/phttpd/access.log*")
    requests = [line for line in text.splitlines() if '"GET / HTTP/1.1" 200 ' in line]
    assert len(requests) == load.answered + before
    for line in requests:
        assert re.fullmatch(r'127\.0\.0\.1 .*"GET / HTTP/1\.1" 200 .*', line), line


@pytest.mark.debian("logrotate")
def test_logrotate_of_a_daemon_that_root_started_works(service: Service) -> None:
    require.command("logrotate", "logrotate")
    machine, logs = service.machine, ("/var/log/phttpd.log", "/var/log/phttpd-access.log")
    service.configure(access_log=logs[1])
    machine.run("phttpd", "start", "--verbose")
    try:
        assert service.fetch("/before").status == 404
        until(lambda: all(size(machine.path(log)) for log in logs), "lines in both")
        machine.run("logrotate", "--force", "/etc/logrotate.d/phttpd")
        for log in logs:
            until(machine.path(log).exists, "a new log file")
        assert service.fetch("/after").status == 404
    finally:
        machine.run("phttpd", "stop")
    for log in logs:
        old, new = (machine.path(name).read_text() for name in (f"{log}.1", log))
        machine.run("sh", "-c", f"rm {log}*")
        assert '"GET /before HTTP/1.1" 404 ' in old + new  # it may have been on its way
        assert '"GET /after HTTP/1.1" 404 ' in new


def test_settings_without_effect_in_a_service_are_said_in_the_journal(service: Service) -> None:
    service.configure(user="www-data", log_file="/var/log/phttpd/phttpd.log")
    service.start()
    warnings = [line for line in service.journal() if "no effect" in line]
    assert len(warnings) == 2
    assert "user: www-data has no effect unless root starts phttpd" in warnings[0]
    assert "log_file: /var/log/phttpd/phttpd.log has no effect" in warnings[1]


def test_reload_that_fails_is_explained_in_the_journal_once(service: Service) -> None:
    service.start()
    service.configure(threads="many", port="x")
    assert service.machine.status("systemctl", "reload", "phttpd") != 0
    lines = [line for line in service.journal() if "threads: " in line or "port: " in line]
    assert len(lines) == 2
