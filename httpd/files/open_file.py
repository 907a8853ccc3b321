"""Files that were opened by `Docroot`, with all that a response needs to know of them."""

from __future__ import annotations

import os
import stat
import time
from binascii import crc32
from collections.abc import Callable
from copy import copy
from operator import attrgetter

from httpd.files.descriptor import Descriptor, close_quietly
from httpd.files.docroot import OpenResult
from httpd.files.faults import explain, not_found
from httpd.files.fingerprint import Fingerprint, enclose
from httpd.files.media_types import BUILT_IN, MPEG_TS_HEAD, UNDECIDED_TS, MediaTypes, check_ts
from httpd.files.memory import UNCLAIMED, Claim, ClaimMemory, grant
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
_ATTEMPTS = 3
"""How often a file that changes meanwhile is read."""


identify: Callable[[os.stat_result], tuple[int, int, int, int]] = attrgetter(
    "st_dev", "st_ino", "st_size", "st_mtime_ns"
)
"""Returns what changes in the status of a file when its content does."""


class OpenFile:
    """One file as it was when it was opened.  An open file never changes.

    A response to a new request is made from the file that the name leads to (`is_in_place`,
    `is_current`).  The body of a response that is being sent comes from the descriptor, whatever
    the name leads to meanwhile (`is_intact`).

    Args:
        opened: what `Docroot` returned; the descriptor is closed in any case.
        date: seconds since the epoch, as the responses of this second say.
        coding: the content coding of a precompressed form.
        original: the file that a precompressed form was made of.
        claim_memory: claims the memory for a small file.
        media_types: of the site.

    Attributes:
        content: the whole of a small file that is in memory, or None.
        fd: an open descriptor where `content` is None, or -1.  The descriptor is closed with the
            last response or download that refers to the open file.
        is_snapshot: whether `fd` is a copy in memory, which nobody can change.
        claim: the claim to the memory that the content takes, if that is much.
        last_modified: the Last-Modified field, which is always sent.
        modified: what conditions with dates are compared with, in seconds since the epoch; None for
            a time that says nothing about the content, one of `FIXED_TIMES`.
        etag: a strong entity tag, in which neither host, time zone nor restart have a part.

    Raises:
        HTTPError: 404 for what is no regular file any more, 403 for a file that has no fixed
            content, 503 for one that is being written.
        FileSystemError: the file cannot be read.
    """

    __slots__ = (
        "__weakref__",
        "_checkable",
        "_descriptor",
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
        claim_memory: ClaimMemory = grant,
        media_types: MediaTypes = BUILT_IN,
    ) -> None:
        self.fd, self.name, status, is_only_choice = opened
        self.claim: Claim | None = None
        self.coding = coding
        self.is_snapshot = False
        try:
            self._read(status)
            if original is not None:
                media_type = original.media_type
            else:
                media_type = media_types.of_name(self.name.rpartition(b"/")[2])
                if media_type == UNDECIDED_TS:
                    media_type = check_ts(self._read_head(MPEG_TS_HEAD))
            self.media_type: str = media_type
            self._finish(claim_memory)
        except BaseException:
            close_quietly(self.fd)
            raise
        self._descriptor = Descriptor(self.fd) if self.content is None else None
        modified_ns = self.modified_ns
        self._checkable = is_only_choice and time.time_ns() - modified_ns > SETTLED_NS
        # A date in the future must not be sent (RFC 9110 §8.8.2.1), one before the year 1 cannot.
        modified = min(max(modified_ns // 1_000_000_000, EARLIEST), date)
        self.last_modified = format_date(modified)
        self.modified = None if modified in FIXED_TIMES else modified

    def __repr__(self) -> str:
        place = "on disk" if self.may_change else "in memory"
        return f"<OpenFile {os.fsdecode(self.name)!r}, {self.size} bytes {place}, {self.etag}>"

    @property
    def may_change(self) -> bool:
        """Whether somebody may change what is sent, as of a file that is just open."""
        return self.content is None and not self.is_snapshot

    def _read(self, status: os.stat_result) -> None:
        """Read all of a small file, or samples of a large one.

        A large file that is being written to all the time is taken as it is found.  If that is a
        log or a recording, what it contained before stays; if not, its downloads are ended.

        Args:
            status: that of the file just before.
        """
        for _ in range(_ATTEMPTS):
            self._identity = _, _, self.size, self.modified_ns = identify(status)
            self._status_changed_ns = status.st_ctime_ns
            try:
                if self.size > SMALL_FILE:
                    self.content: bytes | None = None
                    self._fingerprint: Fingerprint | None = Fingerprint(self.fd, status)
                    is_whole = self._fingerprint.is_whole
                else:
                    self._fingerprint = None
                    self.content = content = os.pread(self.fd, self.size + 1, 0)
                    is_whole = len(content) == self.size
                status = os.fstat(self.fd)
            except BlockingIOError:
                raise _wrong_size() from None
            except OSError as error:
                raise explain(error) from None
            if is_whole and identify(status) == self._identity:
                return
            if not stat.S_ISREG(status.st_mode):
                raise not_found()
        if not is_whole and status.st_size == self.size:
            raise _wrong_size()
        if self.content is not None or not is_whole or status.st_size < self.size:
            raise _being_written()

    def _finish(self, claim_memory: ClaimMemory) -> None:
        """Make the entity tag, and close the file if its content stays in memory.

        The checksum tells files apart that have the same time and size: that of all of a small
        file, or of samples of a large one.
        """
        content = self.content
        if content is not None:
            checksum = crc32(content)
        else:
            assert self._fingerprint is not None
            checksum = self._fingerprint.checksum
        coding = "" if self.coding == IDENTITY else f"-{self.coding}"
        numbers = b"%x-%x-%x" % (self.modified_ns, self.size, checksum)  # half an f-string's time
        self.etag = f'"{numbers.decode()}{coding}"'
        if content is None:
            return
        if self.size > UNCLAIMED:
            self.claim = claim_memory(self.size)
            if self.claim is None:
                self._send_from_disk()
                return
        try:
            os.close(self.fd)
        except OSError:
            pass  # as in `close_quietly`
        self.fd = -1

    def _send_from_disk(self) -> None:
        """Treat a small file as a large one, since memory is short."""
        try:
            self._fingerprint = Fingerprint(self.fd, os.fstat(self.fd))
            is_same = identify(os.fstat(self.fd)) == self._identity
        except OSError as error:
            raise explain(error) from None
        if not is_same:
            raise _being_written()
        self.content = None

    def _read_head(self, size: int) -> bytes:
        """Return the first bytes of the file, or all of a shorter one."""
        if self.content is not None:
            return self.content[:size]
        try:
            return os.pread(self.fd, size, 0)
        except OSError as error:
            raise explain(error) from None

    def snapshot(self, claim_memory: ClaimMemory = grant) -> OpenFile | None:
        """Return the same file with its content copied into memory, where nobody can change it.

        Args:
            claim_memory: claims the memory for the copy.

        Returns:
            None if the file has changed, or there is no memory or descriptor left.
        """
        claim = claim_memory(self.size)
        if claim is None:
            return None
        try:
            fd = os.memfd_create("snapshot", os.MFD_CLOEXEC)
        except OSError:
            return None
        same = copy(self)
        same.fd = fd
        same._descriptor = Descriptor(fd)
        same.claim = claim
        same.is_snapshot = True
        same._fingerprint = None
        try:
            copied = 0
            while sent := os.sendfile(fd, self.fd, copied, self.size - copied):
                copied += sent
            is_whole = copied == self.size and identify(os.fstat(self.fd)) == self._identity
        except OSError:
            return None
        return same if is_whole else None

    def read(self, segments: tuple[bytes | range, ...]) -> bytes | None:
        """Read a few ranges of a large file into memory.

        Args:
            segments: of a body: ranges of the file, and the bytes that stand between them.

        Returns:
            None if the file has changed or cannot be read.
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
        """Tell whether a new request would find this file at its name, unchanged.

        Content that a download has found changed is no longer this file's, whatever the status is.
        """
        fingerprint = self._fingerprint
        try:
            return identify(os.stat(self.name)) == self._identity and not (
                fingerprint and fingerprint.has_changed
            )
        except OSError:
            return False

    def is_intact(self, part: range, *, is_last: bool) -> bool:
        """Tell whether a part of the file is still what it was when the file was opened.

        Args:
            part: what a client was promised, in bytes of the file.
            is_last: whether the client has all of the part before the next call.

        Raises:
            OSError: the status or the content of the file cannot be read.
        """
        fingerprint = self._fingerprint
        return fingerprint is None or fingerprint.is_intact(part, is_last=is_last)

    def is_current(self, status: os.stat_result | None) -> bool:
        """Tell whether a new request for the same name would surely find this very content.

        A change of the status counts as well: this process may not be allowed to read the file any
        more.

        Args:
            status: what `Docroot.revalidate` returned for the name.
        """
        return (
            status is not None
            and self._checkable
            and status.st_ctime_ns == self._status_changed_ns
            and identify(status) == self._identity
        )


def _being_written() -> HTTPError:
    return HTTPError(503, "This file is being written. Please try again.", (("Retry-After", "1"),))


def _wrong_size() -> HTTPError:
    """Return the error for a file without fixed content, such as those of procfs and sysfs.

    To ask again would not help.
    """
    return HTTPError(403, "This file cannot be served: its size is not that of its content.")
