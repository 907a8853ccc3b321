"""As many descriptors as there may be, and room for them, in children."""

from __future__ import annotations

import os
import resource

import pytest

from httpd.process.descriptors import make_room, raise_descriptor_limit
from tests.process import proc
from tests.unit.process.children import run_in_child


def test_limit_of_descriptors_is_raised() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def lower_and_raise() -> tuple[int, tuple[int, int]]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        return (raise_descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))

    assert run_in_child(lower_and_raise) == str((hard, (hard, hard)))


@pytest.mark.parametrize(("number", "limit", "room"), [(3000, 4000, 3000), (3000, 2000, 2000)])
def test_table_of_descriptors_is_enlarged(number: int, limit: int, room: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def look() -> tuple[bool, bool]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        before = os.listdir("/proc/self/fd")
        make_room(number)
        (size,) = proc.status(os.getpid(), "FDSize")
        return (room <= int(size) < 2 * room, os.listdir("/proc/self/fd") == before)

    assert run_in_child(look) == str((True, True))
