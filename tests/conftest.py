"""What a test may need of the machine, said by markers and enforced here (see README.md).

`root`, `debian`, `network` and `slow` keep a test out of `make test`.  `alone` keeps others waiting
while a test runs that takes much of the machine or is disturbed by others.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import require

# No deadlines: a slow machine is no error.  `make test` takes the profile `quick`.
for name, max_examples in (("quick", 50), ("whole", 200)):
    settings.register_profile(
        name,
        deadline=None,
        database=None,
        max_examples=max_examples,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile("whole")

# A test that runs make is no part of the make that runs the tests: not of its variables either.
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(name, None)

LEVELS = {
    "browser": [pytest.mark.debian("chromium", "chromium-driver")],
    "systemd": [
        pytest.mark.debian("dbus", "systemd", "systemd-container"),
        pytest.mark.debian("debhelper", "dh-python", "dpkg-dev", "fakeroot"),
        pytest.mark.debian("python3-daemon", "python3-yaml"),
    ],
}
"""What all tests of a directory need."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        level = item.path.relative_to(Path(__file__).parent).parts[0]
        for mark in LEVELS.get(level, []):
            item.add_marker(mark)
        if "machines" in getattr(item, "fixturenames", ()):  # of tests/systemd
            item.add_marker("root")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, and tell `require` which packages its markers name."""
    packages = {name for mark in item.iter_markers("debian") for name in mark.args}
    needs_root = item.get_closest_marker("root") is not None
    require.declare(packages, root=needs_root)
    if needs_root:
        require.root()
    if item.get_closest_marker("network"):
        require.network()


@pytest.fixture(autouse=True)
def machine_is_shared_or_not(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Let tests run side by side, but one that is marked as `alone` have the machine for itself."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    directory = tmp_path_factory.getbasetemp().parent  # common to all processes of this run
    with ExitStack() as stack:
        # A test that is marked as `alone` holds the first lock while it waits for the second, so
        # that no other test begins meanwhile.
        with locked(directory / "next", alone=alone):
            stack.enter_context(locked(directory / "running", alone=alone))
        yield


@contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
