"""The Debian package: what it is like, and what it does to a machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.load import Load
from tests.support import require
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE
from tests.systemd.conftest import build
from tests.systemd.machine import Machine
from tests.systemd.service import CONFIG, ROOT, Service


@pytest.mark.debian("lintian")
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


@pytest.fixture(scope="session")
def newer(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a later version."""
    checkout = tmp_path_factory.mktemp("newer")
    left_out = shutil.ignore_patterns(".*", "__pycache__", "logs", "tests", "www")
    shutil.copytree(ROOT, checkout, ignore=left_out, dirs_exist_ok=True)
    init = checkout / "httpd/__init__.py"
    init.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0"', init.read_text()))
    build(checkout, checkout / "dist")
    (path,) = (checkout / "dist").glob("*.deb")
    return path


def test_package_starts_the_service_now_and_at_boot(installed: Service) -> None:
    machine = installed.machine
    assert installed.show("ActiveState") == "active"
    machine.power_off()
    machine.boot()
    assert machine.run("systemctl", "is-system-running").strip() == "running"
    with machine.network():
        assert b"phttpd serves" in installed.fetch().body


def test_shutdown_of_the_machine_waits_for_a_drain_only_for_a_moment(installed: Service) -> None:
    machine = installed.machine
    log = "/var/log/phttpd/phttpd.log"
    installed.configure(shutdown_timeout="1s")
    installed.drop_in(
        f"[Service]\nExecStart=\nExecStart=/usr/bin/phttpd --foreground --log-file {log} "
        f"--config {CONFIG}\n"
    )
    installed.put("large.bin", 64 << 20)
    machine.run("systemctl", "restart", installed.name)
    with machine.network(), Client(80, receive_buffer=65536) as client:
        client.send(request("/large.bin"))
        assert client.head().status == 200
        machine.power_off()
    cut = machine.files.joinpath(log[1:]).read_text()
    assert "/srv/phttpd/large.bin to 127.0.0.1:" in cut
    assert "bytes were left to send: drain timeout" in cut
    machine.boot()


def test_upgrade_keeps_the_config_and_refuses_nobody(installed: Service, newer: Path) -> None:
    installed.configure(threads=3)
    config = installed.machine.path(CONFIG).read_text()
    installed.machine.run("systemctl", "reload", installed.name)
    with installed.machine.network(), Load(80, 4, retry=True) as load:
        load.more(100)
        installed.machine.install(newer)
        load.more(100)
    assert load.failed == []
    assert installed.machine.path(CONFIG).read_text() == config
    assert installed.report()["version"] == "99.0"
    assert installed.show("ActiveState") == "active"


def test_package_purged_leaves_only_what_the_operator_made(machines: None, package: Path) -> None:
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
