"""The package on a fresh minimal Debian 12, which has nothing of what it needs."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import require
from tests.support.raw import ask
from tests.support.server import DEADLINE
from tests.systemd.machine import Machine

MINUTE = 60.0


def carry_out(*command: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=10 * MINUTE,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def debian() -> Iterator[Path]:
    """A directory on the disk for some hundred megabytes, which do not outlive the test."""
    with tempfile.TemporaryDirectory(prefix="phttpd-debian-") as directory:
        yield Path(directory)


@pytest.mark.debian("debootstrap")
@pytest.mark.network
def test_package_on_a_minimal_debian_installs_serves_and_is_purged(
    machines: None, package: Path, debian: Path
) -> None:
    debootstrap = require.command("debootstrap", "debootstrap")
    carry_out(debootstrap, "--variant=minbase", "--include=systemd-sysv,dbus", "bookworm", debian)
    (debian / "root/phttpd.deb").write_bytes(package.read_bytes())
    install = ("apt-get", "install", "--yes", "--no-install-recommends", "/root/phttpd.deb")
    # The machine has no way to the network, so what it will ask for is there already.
    carry_out("chroot", debian, *install, "--download-only")
    with Machine.booted(debian) as machine:
        before = machine.find("phttpd")
        machine.run(*install, timeout=4 * DEADLINE)
        assert machine.run("systemctl", "is-active", "phttpd.service").strip() == "active"
        with machine.network():
            assert b"phttpd serves" in ask(80, "/").body
        machine.run("systemctl", "reload", "phttpd.service")
        machine.run("apt-get", "purge", "--yes", "phttpd", timeout=4 * DEADLINE)
        assert machine.find("phttpd") == before
