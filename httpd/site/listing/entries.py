"""What a directory contains: its entries, and their totals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Entry(NamedTuple):
    """A file or directory in the directory that is listed.

    Args:
        name: the bytes of its name.
        is_directory: whether it is a directory, or a link to one.
        size: bytes; 0 for a directory.
        modified: seconds since the epoch.
    """

    name: bytes
    is_directory: bool
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a directory contains.

    Args:
        count: the number of entries.
        size: bytes of all files in the directory, without those in directories below.
        fingerprint: a number of 64 bits that differs when any entry does, whatever the order in
            which the directory was read.
        entries: the entries in the order that was asked for, which can be iterated once.
    """

    count: int
    size: int
    fingerprint: int
    entries: Iterator[Entry]
