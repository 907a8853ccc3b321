"""Opened files, kept for a while: what `Docroot` finds, with all that answers need to know of
it.
"""

from __future__ import annotations

import os
import time
from binascii import crc32
from typing import NamedTuple

from httpd.protocol.dates import format_date
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_segments
from httpd.site.docroot import Docroot, OpenedFile, explain
from httpd.site.media_types import guess_media_type

SMALL_FILE = 128 * 1024
"""Bytes up to which a file is sent from memory."""
KEPT_SECONDS = 10
"""How long an unused resource is kept; a deleted file's disk space is free after that."""
MAX_OPEN_FILES = 512
"""Descriptors that one loop keeps open for files that nobody downloads: half of them here, and a
quarter in each generation of its memo."""
SETTLED_NS = 2_000_000_000
"""Age from which on a modification time tells two contents apart, on the coarsest of file
systems."""
_OVERHEAD = 1024


class Identity(NamedTuple):
    """What changes when the content does."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return the identity in the result of a `stat`."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Resource:
    """One file as it was when it was opened, at `date`; never changed afterwards.

    `content` is the whole of a small file.  A large one has `content` None and an open `fd`, which
    is closed when the last answer or download that holds the resource lets go of it.
    """

    __slots__ = (
        "_checkable",
        "_status_changed_ns",
        "content",
        "etag",
        "fd",
        "identity",
        "last_modified",
        "media_type",
        "modified",
        "name",
    )

    def __init__(self, opened: OpenedFile, date: int) -> None:
        self.fd, self.name, is_only_choice = opened
        status = os.fstat(self.fd)
        self.identity = Identity.of(status)
        self._status_changed_ns = status.st_ctime_ns
        self.content = self._read_content() if self.identity.size <= SMALL_FILE else None
        if self.content is not None:
            os.close(self.fd)
            self.fd = -1
        age = time.time_ns() - self.identity.modified_ns
        self._checkable = is_only_choice and age > SETTLED_NS
        # A date in the future must not be sent (RFC 9110 §8.8.2.1).
        self.modified = min(self.identity.modified_ns // 1_000_000_000, date)
        self.last_modified = format_date(self.modified)
        self.etag = self._make_etag()
        self.media_type = guess_media_type(self.name.rpartition(b"/")[2])

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def _read_content(self) -> bytes:
        for _ in range(3):
            try:
                content = os.pread(self.fd, SMALL_FILE + 1, 0)
            except OSError as error:
                raise explain(error) from None
            identity = Identity.of(os.fstat(self.fd))
            if identity == self.identity and len(content) == identity.size:
                return content
            self.identity = identity
        raise HTTPError(503, "This file is being written just now.", (("Retry-After", "1"),))

    def _make_etag(self) -> str:
        """Return an entity tag that neither host, time zone nor restart have a part in.

        Where the content is at hand, it tells apart what was written in the same instant.
        """
        etag = f"{self.identity.modified_ns:x}-{self.identity.size:x}"
        if self.content is not None:
            etag += f"-{crc32(self.content):x}"
        return f'"{etag}"'

    def is_intact(self) -> bool:
        """Tell whether the file is still what it was; a deleted one is as long as it is not
        written.
        """
        try:
            status = os.stat(self.name)
        except OSError:
            if self.fd < 0:
                return False
            status = os.fstat(self.fd)
        return Identity.of(status) == self.identity

    def is_current(self, docroot: Docroot) -> bool:
        """Tell whether a new request for the same name would surely find this very content.

        A change of status counts as well: somebody may have forbidden us to read the file.
        """
        status = docroot.stat(self.name) if self._checkable else None
        if status is None:
            return False
        unchanged = status.st_ctime_ns == self._status_changed_ns
        return unchanged and Identity.of(status) == self.identity


class Resources:
    """The resources that a loop has used lately, by path; bounded in bytes, descriptors and time.

    The dictionary is in the order of the last check, so what is unused stands first.
    """

    def __init__(self, docroot: Docroot, budget: int) -> None:
        self._docroot = docroot
        self._budget = budget
        self._used = 0
        self._open_files = 0
        self._kept: dict[bytes, tuple[int, Resource]] = {}
        self.tick(0, 0)

    def find(self, path: bytes) -> Resource | None:
        """Return the file at a path, checked against the disk within this second.

        A large one is checked at once: if it has changed, its download would only break.

        Args:
            path: the path of a request, percent-encoded.

        Returns:
            The resource, or None for a folder whose path lacks its slash.

        Raises:
            HTTPError: see `Docroot.open` and `decode_segments`.
        """
        checked, resource = self._kept.get(path, (0, None))
        if resource is None:
            return self._open(path)
        if checked == self._now and resource.content is not None:
            return resource
        self._forget(path)
        if resource.is_current(self._docroot):
            self._keep(path, resource)
            return resource
        return self._open(path)

    def _open(self, path: bytes) -> Resource | None:
        opened = self._docroot.open(decode_segments(path))
        if opened is None:
            return None
        resource = Resource(opened, self._date)
        self._keep(path, resource)
        return resource

    def _keep(self, path: bytes, resource: Resource) -> None:
        self._kept[path] = (self._now, resource)
        self._used += _cost(path, resource)
        self._open_files += resource.content is None
        while self._used > self._budget or self._open_files > MAX_OPEN_FILES // 2:
            self._forget(next(iter(self._kept)))

    def _forget(self, path: bytes) -> None:
        _, resource = self._kept.pop(path)
        self._used -= _cost(path, resource)
        self._open_files -= resource.content is None

    def tick(self, now: int, date: int) -> None:
        """Begin a second: everything is to be checked again, and what nobody asks for is let go.

        Args:
            now: seconds of the monotonic clock.
            date: seconds since the epoch, as answers of this second say.
        """
        self._now = now
        self._date = date
        while self._kept:
            path, (checked, _) = next(iter(self._kept.items()))
            if checked > now - KEPT_SECONDS:
                break
            self._forget(path)

    def clear(self) -> None:
        """Let go of everything, to free descriptors."""
        while self._kept:
            self._forget(next(iter(self._kept)))


def _cost(path: bytes, resource: Resource) -> int:
    return len(path) + len(resource.name) + len(resource.content or b"") + _OVERHEAD
