"""Opened files: what `Docroot` finds, with all that answers need to know of it."""

from __future__ import annotations

import os
import stat
import time
from binascii import crc32
from copy import copy

from httpd.files.docroot import OpenResult
from httpd.files.faults import explain, not_found
from httpd.files.fingerprint import Fingerprint, enclose
from httpd.files.media_types import MPEG_TS, MPEG_TS_HEAD, check_ts, guess_media_type
from httpd.files.memory import UNCLAIMED, Claim, Hold, grant
from httpd.files.resolver import SETTLED_NS
from httpd.protocol.dates import EARLIEST, format_date
from httpd.protocol.messages import HTTPError
from httpd.protocol.negotiation import IDENTITY

SMALL_FILE = 128 * 1024
"""Bytes up to which a file is read into memory."""
MEDIUM_FILE = 1024 * 1024
"""Bytes up to which a file that is asked for again is copied, so that nobody can change it."""
FIXED_TIMES = frozenset({0, 1, 315_532_800, 499_162_500})
"""Modification times, in seconds since the epoch, that tools write into every file: ostree, Nix,
reproducible archives (1980-01-01, the earliest date in a ZIP file) and npm."""


def _identify(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what changes when the content does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class OpenFile:
    """One file as it was when it was opened, at `date`; never changed afterwards.

    With a `coding`, it is the precompressed form of `original`, of whose type it is.

    `content` is the whole of a small file.  A larger one has `content` None and an open `fd`, which
    is closed when the last answer or download that holds the resource lets go of it.  That may be a
    `snapshot`: a copy of the file in memory, which stays as it is.  What is in memory is claimed by
    `claim`; where memory is short, a small file has an open `fd` as well.

    `last_modified` is always sent.  `modified` is what conditions with dates are compared with, in
    seconds since the epoch; it is None for a time that says nothing about the content, one of
    `FIXED_TIMES`.

    A new request is for what the name leads to (`is_in_place`, `is_current`); what is being sent
    comes from the descriptor, whatever has become of the name (`is_intact`).
    """

    __slots__ = (
        "__weakref__",
        "_checkable",
        "_fingerprint",
        "_identity",
        "_status_changed_ns",
        "claim",
        "coding",
        "content",
        "etag",
        "fd",
        "is_snapshot",
        "last_modified",
        "media_type",
        "modified",
        "modified_ns",
        "name",
        "size",
    )

    def __init__(
        self,
        opened: OpenResult,
        date: int,
        coding: str = IDENTITY,
        original: OpenFile | None = None,
        hold: Hold = grant,
    ) -> None:
        self.fd, self.name, status, is_only_choice = opened
        self.claim: Claim | None = None
        self.coding = coding
        self.is_snapshot = False
        self._read(status)
        age = time.time_ns() - self.modified_ns
        self._checkable = is_only_choice and age > SETTLED_NS
        # A date in the future must not be sent (RFC 9110 §8.8.2.1), one before the year 1 cannot.
        modified = min(max(self.modified_ns // 1_000_000_000, EARLIEST), date)
        self.last_modified = format_date(modified)
        self.modified = None if modified in FIXED_TIMES else modified
        self.etag = self._make_etag()
        self.media_type: str = guess_media_type(self.name.rpartition(b"/")[2])
        if original is not None:
            self.media_type = original.media_type
        elif self.media_type == MPEG_TS:
            self.media_type = check_ts(self._read_head(MPEG_TS_HEAD))
        if self.content is not None:
            self._keep_content(self.content, hold)

    def __del__(self) -> None:
        if self.fd >= 0:
            self._close()

    def _close(self) -> None:
        """Close the file once: afterwards its number may be that of another file."""
        fd, self.fd = self.fd, -1
        try:
            os.close(fd)
        except OSError:
            pass  # nothing was written that could be lost

    @property
    def is_fragile(self) -> bool:
        """Whether somebody may change what is sent, as of a file that is just open."""
        return self.content is None and not self.is_snapshot

    def _read(self, status: os.stat_result) -> None:
        """Fill in what comes from the file, whose status was `status` just before.

        A large file that is being written to all the time is taken as it is found: if that is a log
        or a recording, what it had before stays, and if it is not, its downloads are ended.
        """
        for _ in range(3):
            self._identity = _, _, self.size, self.modified_ns = _identify(status)
            self._status_changed_ns = status.st_ctime_ns
            is_whole = self._read_content(status)
            try:
                status = os.fstat(self.fd)
            except OSError as error:
                raise explain(error) from None
            if is_whole and _identify(status) == self._identity:
                break
            if not stat.S_ISREG(status.st_mode):
                raise not_found()
        else:
            if not is_whole and status.st_size == self.size:
                raise _size_is_wrong()
            if self.content is not None or not is_whole or status.st_size < self.size:
                raise _is_being_written()

    def _read_content(self, status: os.stat_result) -> bool:
        """Read all of a small file, or samples of a large one.

        Returns:
            Whether the file has as many bytes as its status says.
        """
        try:
            if self.size > SMALL_FILE:
                self.content: bytes | None = None
                self._fingerprint: Fingerprint | None = Fingerprint(self.fd, status)
                return self._fingerprint.is_whole
            self._fingerprint = None
            self.content = content = os.pread(self.fd, self.size + 1, 0)
            return len(content) == self.size
        except BlockingIOError:
            raise _size_is_wrong() from None
        except OSError as error:
            raise explain(error) from None

    def _make_etag(self) -> str:
        """Return an entity tag that neither host, time zone nor restart have a part in.

        A checksum tells apart what has the same time and size: of all of a small file, and of
        samples of a large one.
        """
        if self.content is not None:
            checksum = crc32(self.content)
        else:
            assert self._fingerprint is not None
            checksum = self._fingerprint.checksum
        etag = f"{self.modified_ns:x}-{self.size:x}-{checksum:x}"
        if self.coding != IDENTITY:
            etag += f"-{self.coding}"
        return f'"{etag}"'

    def _keep_content(self, content: bytes, hold: Hold) -> None:
        """Keep a small file in memory; where that is short, send it as a large one."""
        if len(content) > UNCLAIMED:
            self.claim = hold(len(content))
            if self.claim is None:
                self._send_from_file()
                return
        self._close()

    def _send_from_file(self) -> None:
        try:
            self._fingerprint = Fingerprint(self.fd, os.fstat(self.fd))
            is_same = _identify(os.fstat(self.fd)) == self._identity
        except OSError as error:
            raise explain(error) from None
        if not is_same:
            raise _is_being_written()
        self.content = None

    def _read_head(self, size: int) -> bytes:
        """Return so many bytes from the beginning, or all there are."""
        if self.content is not None:
            return self.content[:size]
        try:
            return os.pread(self.fd, size, 0)
        except OSError as error:
            raise explain(error) from None

    def snapshot(self, hold: Hold = grant) -> OpenFile | None:
        """Return the same with a copy of a file of medium size; None where that cannot be had."""
        claim = hold(self.size)
        if claim is None:
            return None
        try:
            fd = os.memfd_create("snapshot", os.MFD_CLOEXEC)
        except OSError:
            return None
        same = copy(self)
        same.fd = fd
        same.claim = claim
        same.is_snapshot = True
        same._fingerprint = None
        try:
            copied = 0
            while sent := os.sendfile(fd, self.fd, copied, self.size - copied):
                copied += sent
            is_whole = copied == self.size and _identify(os.fstat(self.fd)) == self._identity
        except OSError:
            return None
        return same if is_whole else None

    def read(self, segments: tuple[bytes | range, ...]) -> bytes | None:
        """Read a few parts of a large file into memory.

        Args:
            segments: ranges of the file, and bytes that stand between them.

        Returns:
            None where the file has changed, or cannot be read.
        """
        try:
            body = b"".join(
                [
                    os.pread(self.fd, len(part), part.start) if isinstance(part, range) else part
                    for part in segments
                ]
            )
            is_whole = len(body) == sum(map(len, segments))
            return body if is_whole and self.is_intact(enclose(segments), is_last=True) else None
        except OSError:
            return None

    def is_in_place(self) -> bool:
        """Tell whether a new request would find this file at its name, as it was.

        A content that a download has found changed is another one, whatever the status says.
        """
        fingerprint = self._fingerprint
        try:
            return _identify(os.stat(self.name)) == self._identity and not (
                fingerprint and fingerprint.has_changed
            )
        except OSError:
            return False

    def is_intact(self, part: range, *, is_last: bool) -> bool:
        """Tell whether a part of what is being sent is still what it was.

        Args:
            part: what a client was promised, in bytes of the file.
            is_last: whether no other look comes before the client has all of it.

        Raises:
            OSError: of the file.
        """
        fingerprint = self._fingerprint
        return fingerprint is None or fingerprint.is_intact(part, is_last=is_last)

    def is_current(self, status: os.stat_result | None) -> bool:
        """Tell whether a new request for the same name would surely find this very content.

        A change of status counts as well: somebody may have forbidden us to read the file.

        Args:
            status: what `Docroot.revalidate` returned for the name.
        """
        return (
            status is not None
            and self._checkable
            and status.st_ctime_ns == self._status_changed_ns
            and _identify(status) == self._identity
        )


def _is_being_written() -> HTTPError:
    return HTTPError(503, "This file is being written. Please try again.", (("Retry-After", "1"),))


def _size_is_wrong() -> HTTPError:
    """Return what a client is told of a file that has no fixed content, as those of procfs and
    sysfs: to ask again would not help.
    """
    return HTTPError(403, "This file cannot be served: its size is not that of its content.")
