"""Entries as a few dozen bytes each, which compare as the order of the listing wants.

A directory may contain hundreds of thousands of entries.  They are sorted in runs of bounded
length, and the runs are merged while the entries are rendered.  So no call that keeps the other
threads waiting takes longer because the directory is larger.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import adler32, crc32

from httpd.protocol.dates import EARLIEST
from httpd.site.listing.entries import Entry
from httpd.site.listing.natural_order import natural_key
from httpd.site.listing.order import Order

# A record is: the key (whether the entry is in the second half, and what is sorted by), the natural
# key of the name, a NUL, which is below every byte of a longer key, the name, another NUL, and the
# tail (all of the entry except the name).
_KEY = struct.Struct(">?Q")
_TAIL = struct.Struct(">?Qq")
_LENGTH = struct.Struct(">H")


def make_record(entry: Entry, order: Order) -> bytes:
    """Return an entry as bytes that compare as the order wants."""
    key = {"name": 0, "size": entry.size, "modified": entry.modified - EARLIEST}[order.key]
    key_bytes = _KEY.pack(entry.is_directory is order.descending, key)
    return b"%b%b\0%b\0%b" % (
        key_bytes,
        natural_key(entry.name),
        entry.name,
        _TAIL.pack(*entry[1:]),
    )


def read_record(record: bytes) -> Entry:
    """Return the entry that a record was made of."""
    name = record[_KEY.size : -_TAIL.size - 1].rpartition(b"\0")[2]
    return Entry(name, *_TAIL.unpack_from(record, len(record) - _TAIL.size))


def pack_run(records: list[bytes], order: Order) -> bytes:
    """Sort a run of records and join it into one object, a third as large as the records."""
    records.sort(reverse=order.descending)
    return b"".join(_LENGTH.pack(len(record)) + record for record in records)


def unpack_run(run: bytes) -> Iterator[bytes]:
    """Yield the records of a run in their order."""
    position = 0
    while position < len(run):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(run, position)[0]
        yield run[start:position]


def checksum(entry: Entry) -> int:
    """Return a number that changes with the entry.

    Two different checksums make it unlikely that the changes of two entries cancel each other out.
    """
    record = entry.name + _TAIL.pack(*entry[1:])
    return (crc32(record) << 32) + adler32(record)
