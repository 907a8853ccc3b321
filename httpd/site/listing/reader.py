"""Reads a directory in steps, so that the other clients of the loop do not wait for it."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Generator
from itertools import islice

from httpd.files.docroot import Docroot
from httpd.files.faults import FORBIDDEN, MISSING
from httpd.protocol.dates import EARLIEST, LATEST
from httpd.site.listing.entries import Contents, Entry
from httpd.site.listing.order import Order
from httpd.site.listing.records import checksum, make_record, pack_run, read_record, unpack_run

STEP = 64
"""Entries that are read in one step."""
_RUN = 1024
"""Entries from which on a run is sorted and packed."""


def read_entries(
    docroot: Docroot, directory: int, depth: int, order: Order
) -> Generator[None, None, Contents]:
    """Read a directory in steps: all entries that a request could get, and that are not hidden.

    Args:
        docroot: decides which names are hidden, and which symbolic links are followed.
        directory: the descriptor of the directory, which must stay open until the last step.
        depth: the number of directories between the docroot and the entries.
        order: the order of the entries in the result.

    Raises:
        OSError: the directory cannot be read.
    """
    count = size = fingerprint = 0
    runs: list[bytes] = []
    records: list[bytes] = []
    with os.scandir(directory) as found:
        while step := list(islice(found, STEP)):
            for item in step:
                if entry := _make_entry(docroot, directory, depth, item):
                    records.append(make_record(entry, order))
                    count += 1
                    size += entry.size
                    fingerprint += checksum(entry)
            if len(records) >= _RUN:
                runs.append(pack_run(records, order))
                records.clear()
            yield
    runs.append(pack_run(records, order))
    merged = heapq.merge(*map(unpack_run, runs), reverse=order.descending)
    return Contents(count, size, fingerprint % 2**64, map(read_record, merged))


def _make_entry(
    docroot: Docroot, directory: int, depth: int, item: os.DirEntry[str]
) -> Entry | None:
    """Return an entry; None if a request could not get what it stands for."""
    name = os.fsencode(item.name)
    if docroot.hidden.has(name, depth):
        return None
    status: os.stat_result | None
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as error:
        if error.errno in MISSING or error.errno in FORBIDDEN:
            return None  # it was deleted, or nothing in this directory can be reached
        raise  # without the entry, the listing would say that the file does not exist
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
