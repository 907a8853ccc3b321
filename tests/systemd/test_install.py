"""`make install` and `make uninstall` from a checkout, on a machine without the package."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.support import require
from tests.support.raw import ask
from tests.systemd.machine import Machine
from tests.systemd.service import ROOT

CHECKOUT = "/root/phttpd"


@pytest.fixture
def bare(machines: None) -> Iterator[Machine]:
    """A machine with nothing of phttpd but a checkout."""
    require.command("make", "make")
    with Machine.booted() as machine:
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        copy = ["cp", "--parents", "-t", str(machine.path(CHECKOUT))]
        machine.path(CHECKOUT).mkdir()
        subprocess.run(["xargs", "-0", *copy], cwd=ROOT, input=files, check=True)
        yield machine


def test_make_install_and_uninstall_leave_the_machine_as_it_was(bare: Machine) -> None:
    before = bare.find("phttpd")
    bare.run("sh", "-c", f"umask 077 && make -C {CHECKOUT} install")
    assert bare.run("systemd-analyze", "verify", "phttpd.service", "phttpd.socket") == ""
    assert bare.run("phttpd", "--version").startswith("phttpd ")
    bare.run("phttpd", "--check")
    bare.run("systemctl", "enable", "--now", "phttpd")
    with bare.network():
        assert b"phttpd serves" in ask(80, "/").body
    bare.run("man", "-w", "phttpd")
    config = bare.path("/etc/phttpd/phttpd.yaml")
    config.write_text(f"{config.read_text()}# mine\n")
    bare.run("make", "-C", CHECKOUT, "install")
    assert config.read_text().endswith("# mine\n")
    bare.run("make", "-C", CHECKOUT, "uninstall")
    assert bare.find("phttpd") - before == {
        "/etc/phttpd",
        "/etc/phttpd/phttpd.yaml",
        "/srv/phttpd",
        "/srv/phttpd/index.html",
        "/var/log/phttpd",
    }
