"""The ledger: what a server has counted beyond the generations of workers that run.

The supervisor adds to it what a generation has counted when all workers of that have ended, and
names the generations that are still to be added.  So a reader gets sums that never fall, whenever
it looks: it reads the ledger first, and then the tables of the generations that the ledger names.
If one of them is gone, its counts are in the ledger by now, which is read again.

A checksum tells whether the text was read while it was written.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Collection, Mapping
from typing import NamedTuple
from zlib import crc32

from httpd.observe.counts import Key
from httpd.observe.shared_memory import create_memory, find_memory, open_memory

_MAGIC = 0x7068747470640301
_HEADER = struct.Struct("=QQQ")
"""Magic number, and length and checksum of the text."""
_SIZE = 16 * 1024 * 1024
"""Bytes of the memory, which is sparse: the text of all counters of a thousand sites takes an
eighth."""
_NAME = "phttpd.ledger"
_MOST_LOOKS = 1000


class Entries(NamedTuple):
    """What is in a ledger.

    Args:
        running: the numbers of the generations whose counts are not in `values`.
        values: the counts of all others, by key.
    """

    running: frozenset[int]
    values: Mapping[Key, int]


class Ledger:
    """The memory of a ledger.

    Args:
        memory: see `Ledger.create`.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    @classmethod
    def create(cls) -> Ledger:
        """Make an empty ledger.

        Raises:
            OSError: when there is no memory or descriptor for it.
        """
        return cls(create_memory(_NAME, _SIZE, lambda memory: cls(memory).write((), {})))

    def write(self, running: Collection[int], values: Mapping[Key, int]) -> None:
        """Write all entries; see `Entries`."""
        entries = [sorted(running), [[key, value] for key, value in values.items()]]
        text = json.dumps(entries).encode()
        self._memory[_HEADER.size : _HEADER.size + len(text)] = text
        _HEADER.pack_into(self._memory, 0, _MAGIC, len(text), crc32(text))

    def read(self) -> Entries:
        """Return all entries.

        Raises:
            ValueError: when they are not written to the end.
        """
        for _ in range(_MOST_LOOKS):
            _, length, check = _HEADER.unpack_from(self._memory)
            text = self._memory[_HEADER.size : _HEADER.size + min(length, _SIZE)]
            if crc32(text) == check:
                running, values = json.loads(text)
                return Entries(frozenset(running), {tuple(key): value for key, value in values})
            os.sched_yield()
        raise ValueError("the ledger is not written to its end")

    def close(self) -> None:
        """Close it in a process that has inherited it and has nothing to do with it."""
        self._memory.close()


def read_ledger(pid: int) -> Entries | None:
    """Return the entries of the ledger of a running supervisor, if it has one.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process.
        ValueError: the ledger is not written to its end.
    """
    path = dict(find_memory(pid)).get(_NAME)
    memory = open_memory(path, _MAGIC) if path else None
    if memory is None:
        return None
    ledger = Ledger(memory)
    try:
        return ledger.read()
    finally:
        ledger.close()
