"""The unit files say what they should, and let the service do no more than it must."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import require
from tests.support.server import DEADLINE
from tests.systemd.service import ROOT, Service

UNITS = ROOT / "systemd"


def exposure(unit: Path) -> float:
    """Return the overall exposure level that systemd sees, from 0 (safe) to 10."""
    analyze = require.command("systemd-analyze", "systemd")
    done = subprocess.run(
        [analyze, "security", "--offline=true", str(unit)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level, done
    return float(level[1])


def test_units_with_a_port_of_their_own_have_little_exposure() -> None:
    assert exposure(UNITS / "phttpd.service") <= 1.6
    assert exposure(UNITS / "phttpd@.service") <= 1.6


def test_units_with_sockets_of_systemd_have_less_exposure(tmp_path: Path) -> None:
    unit = tmp_path / "phttpd.service"
    drop_in = (UNITS / "socket-activated.conf").read_text()
    unit.write_text((UNITS / "phttpd.service").read_text() + drop_in)
    assert exposure(unit) <= 0.8


def test_units_of_instances_are_like_the_service() -> None:
    service = (UNITS / "phttpd.service").read_text().partition("[Unit]")[2]
    instance = (UNITS / "phttpd@.service").read_text().partition("[Unit]")[2]
    for ours, theirs in (
        ("static files", "static files (%i)"),
        ("/etc/phttpd/phttpd.yaml", "/etc/phttpd/%i.yaml --pidfile /run/phttpd-%i/phttpd.pid"),
        ("RuntimeDirectory=phttpd", "RuntimeDirectory=phttpd-%i"),
    ):
        assert ours in service
        service = service.replace(ours, theirs)
    assert instance == service


@pytest.mark.parametrize("name", ["phttpd.service", "phttpd@.service"])
def test_units_have_a_limit_of_starts_that_can_be_reached(name: str) -> None:
    """Else a service that cannot start is started for ever."""
    text = (UNITS / name).read_text()
    interval, burst, pause = (
        int(re.findall(rf"^{key}=(\d+)(?:min|s|)$", text, re.MULTILINE)[0])
        for key in ("StartLimitIntervalSec", "StartLimitBurst", "RestartSec")
    )
    assert "StartLimitIntervalSec=1min" in text
    assert 2 * burst * pause <= 60 * interval


@pytest.mark.parametrize("units", [["phttpd.service", "phttpd.socket"], ["phttpd@lab2.service"]])
def test_units_pass_systemd_analyze_verify(service: Service, units: list[str]) -> None:
    assert service.machine.run("systemd-analyze", "verify", *units) == ""
