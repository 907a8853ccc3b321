"""phttpd.socket: systemd listens, and the service comes and goes without a client noticing."""

from __future__ import annotations

import re

import pytest

from tests.process.load import Load
from tests.support import require
from tests.systemd.service import ROOT, Service

LOCKED = (ROOT / "systemd/socket-activated.conf").read_text()


@pytest.fixture(params=["open", "locked"])
def activated(service: Service, request: pytest.FixtureRequest) -> Service:
    """The service behind its socket, not running yet; with a network of its own, and without."""
    if request.param == "locked":
        service.drop_in(LOCKED)
    service.machine.run("systemctl", "start", "phttpd.socket")
    return service


def test_socket_starts_the_service_at_the_first_request(activated: Service) -> None:
    assert activated.show("ActiveState") == "inactive"
    assert activated.fetch().status == 200
    activated.until_active()
    assert activated.journal("--priority=warning") == []


def test_check_takes_the_sockets_of_systemd_for_the_own_ones(activated: Service) -> None:
    """The config file names the port that phttpd.socket holds."""
    assert activated.machine.run("phttpd", "--check").startswith("OK: ")
    activated.fetch()
    activated.until_active()
    assert activated.machine.run("phttpd", "--check").startswith("OK: ")


def test_socket_activated_service_is_locked_down(service: Service) -> None:
    service.drop_in(LOCKED)
    service.machine.run("systemctl", "start", "phttpd.socket")
    assert service.fetch().status == 200
    level = service.machine.run("systemd-analyze", "security", service.name)
    assert float(re.findall(r"exposure level for \S+: ([0-9.]+)", level)[0]) <= 0.8
    for pid in service.processes():
        status = service.machine.path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
        links = (f"/proc/{pid}/ns/net", "/proc/1/ns/net")
        own, machines = (service.machine.run("readlink", link) for link in links)
        assert own != machines


def test_socket_serves_after_a_stop(activated: Service) -> None:
    for _ in range(3):
        assert activated.fetch().status == 200
        activated.stop()


def test_reload_with_a_socket_keeps_serving(activated: Service) -> None:
    activated.fetch()
    activated.until_active()
    activated.configure(threads=2)
    activated.machine.run("systemctl", "reload", activated.name)
    assert activated.fetch().status == 200
    assert {len(worker["loops"]) for worker in activated.report()["workers"]} == {2}


def test_upgrade_with_a_socket_keeps_serving(activated: Service) -> None:
    activated.fetch()
    activated.until_active()
    before = activated.pid
    activated.machine.run("phttpd", "upgrade")
    assert activated.pid != before
    assert activated.fetch().status == 200
    activated.stop()
    assert activated.fetch().status == 200


def test_restarts_with_a_socket_under_load_fail_no_request(activated: Service) -> None:
    with Load(80, 8, retry=True) as load:
        for _ in range(4):  # more are too many starts for StartLimitBurst=
            load.more(100)
            activated.machine.run("systemctl", "restart", activated.name)
        load.more(100)
    assert load.failed == []


@pytest.mark.debian("wrk")
def test_restarts_with_a_socket_under_wrk_fail_no_request(activated: Service) -> None:
    require.command("wrk", "wrk")
    machine = activated.machine
    assert activated.fetch().status == 200
    with machine.start("wrk", "-t1", "-c16", "-d3s", "http://127.0.0.1/") as wrk:
        for _ in range(3):
            machine.run("systemctl", "restart", activated.name)
        out, _ = wrk.communicate(timeout=30)
    assert int(re.findall(r"(\d+) requests in", out)[0]) > 100
    assert "Socket errors" not in out, out
    assert "Non-2xx" not in out, out
