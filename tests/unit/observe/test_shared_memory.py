"""Memory that the processes of a server share: how it is made, found and opened."""

from __future__ import annotations

import mmap
import os
import sys

import pytest

from httpd.observe.shared_memory import (
    CELL,
    create_memory,
    find_generations,
    find_kind,
    open_memory,
)

MAGIC = 0x7068747470649999


def fill(memory: mmap.mmap) -> None:
    memory[:CELL] = MAGIC.to_bytes(CELL, sys.byteorder)


def test_memory_is_found_by_kind_and_generation() -> None:
    memory = create_memory("phttpd.tests.8000001", 4096, fill)
    other = create_memory("phttpd.tests", 4096, fill)
    pid = os.getpid()
    path = find_kind(pid, "phttpd.tests.")[8_000_001]
    assert find_generations(pid)["phttpd.tests.8000001"] == (8_000_001, path)
    assert "phttpd.tests" not in find_generations(pid)
    assert 8_000_001 not in find_kind(pid, "phttpd.")
    opened = open_memory(path, MAGIC, writable=True)
    assert opened is not None
    opened[CELL : 2 * CELL] = b"modified"
    assert memory[CELL : 2 * CELL] == b"modified"
    for each in (memory, other, opened):
        each.close()


def test_memory_that_is_opened_to_read_cannot_be_written() -> None:
    memory = create_memory("phttpd.tests.8000002", 4096, fill)
    opened = open_memory(find_kind(os.getpid(), "phttpd.tests.")[8_000_002], MAGIC)
    assert opened is not None
    with pytest.raises(TypeError):
        opened[0] = 1
    opened.close()
    memory.close()


def test_memory_of_another_kind_is_not_opened() -> None:
    memory = create_memory("phttpd.tests.8000003", 4096, fill)
    assert open_memory(find_kind(os.getpid(), "phttpd.tests.")[8_000_003], MAGIC + 1) is None
    memory.close()


def test_memory_is_not_found_before_it_is_filled() -> None:
    paths = []

    def look(memory: mmap.mmap) -> None:
        fill(memory)
        paths.append(find_kind(os.getpid(), "phttpd.tests.")[8_000_004])
        assert open_memory(paths[0], MAGIC) is None

    create_memory("phttpd.tests.8000004", 4096, look).close()
    assert paths
