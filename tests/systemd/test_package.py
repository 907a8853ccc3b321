"""The Debian package: what it is like, and what it does to a machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import require
from tests.support.raw import ask
from tests.support.server import DEADLINE
from tests.systemd.machine import Machine
from tests.systemd.service import Service


def test_lintian_has_nothing_to_say(package: Path) -> None:
    lintian = require.command("lintian", "lintian")
    done = subprocess.run(
        [lintian, "--allow-root", "--fail-on=error,warning", str(package)],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def installed(machines: None, package: Path) -> Iterator[Service]:
    """A machine of the test's own with the package installed and running."""
    with Machine.booted() as machine:
        machine.install(package)
        yield Service(machine)


def test_installing_starts_it_now_and_at_boot(installed: Service) -> None:
    machine = installed.machine
    assert installed.show("ActiveState") == "active"
    machine.power_off()
    machine.boot()
    assert machine.run("systemctl", "is-system-running").strip() == "running"
    with machine.network():
        assert b"phttpd serves" in installed.fetch().body


def test_purging_leaves_nothing_but_what_the_operator_made(machines: None, package: Path) -> None:
    with Machine.booted() as machine:
        before = machine.find("phttpd")
        machine.install(package)
        with machine.network():
            assert ask(80, "/").status == 200
        machine.path("/srv/phttpd/mine.html").write_text("mine\n")
        machine.run("dpkg", "--purge", "phttpd")
        assert machine.find("phttpd") - before == {"/srv/phttpd", "/srv/phttpd/mine.html"}
        assert machine.status("getent", "passwd", "phttpd") != 0
        assert machine.status("systemctl", "cat", "phttpd") != 0
