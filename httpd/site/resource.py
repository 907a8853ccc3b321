"""Opened files, kept for a while: what `Docroot` finds, with all that answers need to know of
it.
"""

from __future__ import annotations

import os
import stat
import time
from binascii import crc32
from collections.abc import Mapping
from typing import NamedTuple

from httpd.protocol.dates import format_date
from httpd.protocol.messages import HTTPError
from httpd.protocol.negotiation import IDENTITY
from httpd.protocol.target import decode_segments
from httpd.site.docroot import Docroot, OpenedFile, OutOfDescriptorsError, explain
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
_SECOND_NS = 1_000_000_000
CODINGS: Mapping[str, bytes] = {"br": b".br", "zstd": b".zst", "gzip": b".gz"}
"""Content codings, the best one first, and the file names that they are found by."""
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

    With a `coding`, it is the precompressed form of `original`, of whose type it is.

    `content` is the whole of a small file.  A large one has `content` None and an open `fd`, which
    is closed when the last answer or download that holds the resource lets go of it.
    """

    __slots__ = (
        "_checkable",
        "_status_changed_ns",
        "coding",
        "content",
        "etag",
        "fd",
        "identity",
        "last_modified",
        "media_type",
        "modified",
        "name",
    )

    def __init__(
        self,
        opened: OpenedFile,
        date: int,
        coding: str = IDENTITY,
        original: Resource | None = None,
    ) -> None:
        self.fd, self.name, is_only_choice = opened
        self.coding = coding
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
        named = original or self
        self.media_type = guess_media_type(named.name.rpartition(b"/")[2])

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
        if self.coding != IDENTITY:
            etag += f"-{self.coding}"
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


class Variants(NamedTuple):
    """What there is at a path: a file, and the precompressed forms of it that lie beside it."""

    original: Resource
    coded: Mapping[str, Resource]

    def all(self) -> tuple[Resource, ...]:
        """Return the original and its other forms."""
        return self.original, *self.coded.values()

    def count_open(self) -> int:
        """Return the number of descriptors that they hold."""
        return sum(resource.content is None for resource in self.all())


class Resources:
    """The resources that a loop has used lately, by path; bounded in bytes, descriptors and time.

    The dictionary is in the order of the last check, so what is unused stands first.

    Args:
        docroot: where they are.
        budget: bytes that they may take.
        precompressed: whether to look for precompressed forms.
    """

    def __init__(self, docroot: Docroot, budget: int, *, precompressed: bool) -> None:
        self._docroot = docroot
        self._budget = budget
        self._codings = CODINGS if precompressed else {}
        self._used = 0
        self._open_files = 0
        self._kept: dict[bytes, tuple[int, Variants]] = {}
        self.tick(0, 0)

    def find(self, path: bytes) -> Variants | None:
        """Return what there is at a path, checked against the disk within this second.

        Large files are checked at once: if one has changed, its download would only break.

        Args:
            path: the path of a request, percent-encoded.

        Returns:
            The same object as long as nothing changes; None for a folder whose path lacks its
            slash.

        Raises:
            HTTPError: see `Docroot.open` and `decode_segments`.
        """
        checked, variants = self._kept.get(path, (0, None))
        if variants is None:
            return self._open(path)
        if checked == self._now and not variants.count_open():
            return variants
        self._forget(path)
        if self._is_current(variants):
            self._keep(path, variants)
            return variants
        return self._open(path)

    def _open(self, path: bytes) -> Variants | None:
        opened = self._docroot.open(decode_segments(path))
        if opened is None:
            return None
        original = Resource(opened, self._date)
        coded = {coding: self._open_coded(original, coding) for coding in self._codings}
        found = {coding: resource for coding, resource in coded.items() if resource is not None}
        variants = Variants(original, found)
        self._keep(path, variants)
        return variants

    def _is_current(self, variants: Variants) -> bool:
        original = variants.original
        if not original.is_current(self._docroot):
            return False
        return all(
            resource.is_current(self._docroot)
            if (resource := variants.coded.get(coding))
            else not self._has_coded(original, coding)
            for coding in self._codings
        )

    def _has_coded(self, original: Resource, coding: str) -> bool:
        """Tell whether there is a precompressed form that was not made of an earlier version."""
        name = original.name + CODINGS[coding]
        # Mostly there is none, which can be said before all the care that a file needs.
        status = self._docroot.stat(name) if os.access(name, os.F_OK) else None
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        # Some tools give it the time of the original, cut to seconds.
        second = original.identity.modified_ns // _SECOND_NS * _SECOND_NS
        return status.st_mtime_ns == second or status.st_mtime_ns >= original.identity.modified_ns

    def _open_coded(self, original: Resource, coding: str) -> Resource | None:
        if not self._has_coded(original, coding):
            return None
        try:
            opened = self._docroot.open_name(original.name + CODINGS[coding])
            return Resource(opened, self._date, coding, original) if opened else None
        except OutOfDescriptorsError:
            raise
        except HTTPError:
            return None

    def _keep(self, path: bytes, variants: Variants) -> None:
        self._kept[path] = (self._now, variants)
        self._used += _cost(path, variants)
        self._open_files += variants.count_open()
        while self._used > self._budget or self._open_files > MAX_OPEN_FILES // 2:
            self._forget(next(iter(self._kept)))

    def _forget(self, path: bytes) -> None:
        _, variants = self._kept.pop(path)
        self._used -= _cost(path, variants)
        self._open_files -= variants.count_open()

    def tick(self, now: int, date: int) -> None:
        """Begin a second: everything is to be checked again, and what nobody asks for is let go.

        Args:
            now: seconds of the monotonic clock.
            date: seconds since the epoch, as answers of this second say.
        """
        self._now = now
        self._date = date
        self._docroot.release()
        while self._kept:
            path, (checked, _) = next(iter(self._kept.items()))
            if checked > now - KEPT_SECONDS:
                break
            self._forget(path)

    def clear(self) -> None:
        """Let go of everything, to free descriptors."""
        while self._kept:
            self._forget(next(iter(self._kept)))
        self._docroot.release()


def _cost(path: bytes, variants: Variants) -> int:
    return len(path) + sum(
        len(resource.name) + len(resource.content or b"") + _OVERHEAD for resource in variants.all()
    )
