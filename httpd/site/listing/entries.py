"""What is in a directory, in the order that a client asks for; used by
`httpd.site.listing.listings`.

A directory may hold hundreds of thousands of entries, so they are read in steps.  Each becomes a
few dozen bytes, laid out so that the order of the bytes is the order of the entries.  They are
sorted in runs of bounded length, and the runs are merged while the entries are being used: no step,
and no call that keeps the other threads waiting, takes longer because the directory is larger.
"""

from __future__ import annotations

import heapq
import os
import stat
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from zlib import adler32, crc32

from httpd.files.docroot import Docroot
from httpd.files.faults import FORBIDDEN, MISSING
from httpd.files.hidden import is_hidden
from httpd.protocol.dates import EARLIEST, LATEST
from httpd.site.listing.natural_order import natural_key

STEP = 64
"""Entries that are read in one step."""
_RUN = 1024
"""Entries from which on a run is sorted and packed."""

# A record: what the order goes by, the key of the name, a NUL, which is below every byte of a
# longer key, the name, another NUL, and what there is to say.
_HEAD = struct.Struct(">?Q")
_TAIL = struct.Struct(">?Qq")
_LENGTH = struct.Struct(">H")


class Order(NamedTuple):
    """By what the entries are sorted: `key` is ``name``, ``size`` or ``modified``.

    Directories come first either way.  What is equal is sorted by name, and names are sorted as
    people look for them (`httpd.site.listing.natural_order`).
    """

    key: str = "name"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a directory.

    Args:
        count: number of entries.
        size: bytes of all files in it, without those in directories below.
        fingerprint: a number of 64 bits that differs where any entry does, in whatever order the
            directory was read.
        entries: in the order that was asked for; to be taken once.
    """

    count: int
    size: int
    fingerprint: int
    entries: Iterator[Entry]


class Entry(NamedTuple):
    """A file or directory; `modified` is in seconds since the epoch, the size of a directory is
    0.
    """

    name: bytes
    is_directory: bool
    size: int
    modified: int


def parse_order(query: bytes) -> Order:
    """Return the order that a query asks for, or the default where it makes no sense.

    Args:
        query: that of a request, with its question mark, such as ``?sort=size&order=desc``.
    """
    given = dict(part.partition(b"=")[::2] for part in query[1:].split(b"&"))
    key = given.get(b"sort", b"name")
    direction = given.get(b"order", b"asc")
    if key not in (b"name", b"size", b"modified") or direction not in (b"asc", b"desc"):
        return Order()
    return Order(key.decode(), direction == b"desc")


def read_entries(
    docroot: Docroot, directory: int, depth: int, order: Order
) -> Generator[None, None, Contents]:
    """Read a directory in steps: all that a request could get, and that is not hidden.

    Args:
        docroot: decides which symbolic links are followed.
        directory: the descriptor of a directory, which must stay open until the last step.
        depth: how many directories its entries are below the docroot.
        order: of the entries that are returned.

    Raises:
        OSError: the directory cannot be read.
    """
    count = size = fingerprint = 0
    runs: list[bytes] = []
    records: list[bytes] = []
    with os.scandir(directory) as found:
        while step := list(islice(found, STEP)):
            for item in step:
                if entry := _look_at(docroot, directory, depth, item):
                    records.append(_make_record(entry, order))
                    count += 1
                    size += entry.size
                    fingerprint += _fingerprint(entry)
            if len(records) >= _RUN:
                runs.append(_pack(records, order))
                records.clear()
            yield
    runs.append(_pack(records, order))
    merged = heapq.merge(*map(_unpack, runs), reverse=order.descending)
    return Contents(count, size, fingerprint % 2**64, map(_read_record, merged))


def _fingerprint(entry: Entry) -> int:
    """Return a checksum; two different ones make it unlikely that two changes cancel out."""
    record = entry.name + _TAIL.pack(*entry[1:])
    return (crc32(record) << 32) + adler32(record)


def _look_at(docroot: Docroot, directory: int, depth: int, item: os.DirEntry[str]) -> Entry | None:
    name = os.fsencode(item.name)
    if is_hidden(name, depth):
        return None
    status: os.stat_result | None
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as error:
        if error.errno in MISSING or error.errno in FORBIDDEN:
            return None  # it was deleted, or nothing in this directory can be reached
        raise  # a listing without the entry would say that it does not exist
    if stat.S_ISLNK(status.st_mode):
        status = docroot.stat(name, directory)
        if status is None:
            return None
    modified = min(max(status.st_mtime_ns // 1_000_000_000, EARLIEST), LATEST)
    if stat.S_ISDIR(status.st_mode):
        return Entry(name, True, 0, modified)
    if stat.S_ISREG(status.st_mode):
        return Entry(name, False, status.st_size, modified)
    return None


def _make_record(entry: Entry, order: Order) -> bytes:
    key = {"name": 0, "size": entry.size, "modified": entry.modified - EARLIEST}[order.key]
    head = _HEAD.pack(entry.is_directory is order.descending, key)
    return b"%b%b\0%b\0%b" % (
        head,
        natural_key(entry.name),
        entry.name,
        _TAIL.pack(*entry[1:]),
    )


def _read_record(record: bytes) -> Entry:
    name = record[_HEAD.size : -_TAIL.size - 1].rpartition(b"\0")[2]
    return Entry(name, *_TAIL.unpack_from(record, len(record) - _TAIL.size))


def _pack(records: list[bytes], order: Order) -> bytes:
    """Sort a run and make one object of it, a third as large as the many."""
    records.sort(reverse=order.descending)
    return b"".join(_LENGTH.pack(len(record)) + record for record in records)


def _unpack(run: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(run):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(run, position)[0]
        yield run[start:position]
