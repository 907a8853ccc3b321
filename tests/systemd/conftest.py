"""What the tests under systemd share: the built package, and a machine that has it installed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import require
from tests.systemd.machine import Machine
from tests.systemd.service import ROOT, Service


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, as `make deb` builds it."""
    require.packages("debhelper", "dh-python", "dpkg-dev", "fakeroot")
    directory = tmp_path_factory.mktemp("package")
    build(ROOT, directory)
    (path,) = directory.glob("*.deb")
    return path


def build(checkout: Path, directory: Path) -> None:
    """Build the Debian package of a checkout into a directory."""
    done = subprocess.run(
        [str(checkout / "etc/debian/build"), str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def machines() -> None:
    """What every machine needs."""
    require.root()
    require.command("systemd-nspawn", "systemd-container")
    require.command("nsenter", "util-linux")
    require.packages("python3-daemon", "python3-yaml", "dbus")


@pytest.fixture(scope="session")
def machine(machines: None, package: Path) -> Iterator[Machine]:
    """A machine with the package installed, for all tests; they leave it as they found it."""
    with Machine.booted() as machine:
        machine.install(package)
        yield machine


@pytest.fixture
def service(machine: Machine) -> Iterator[Service]:
    """The service, stopped and as installed; this test's sockets are the machine's."""
    service = Service(machine)
    service.reset()
    with machine.network():
        yield service
