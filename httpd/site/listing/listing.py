"""The listing of a directory as the body of a response."""

from __future__ import annotations

import os

from httpd.files.memory import UNCLAIMED, Claim, ClaimMoreMemory, grant
from httpd.files.open_file import SMALL_FILE
from httpd.protocol.messages import HTTPError

_CLAIM = 64 * 1024
"""Bytes of memory that a listing claims ahead while it grows."""


class Listing:
    """The listing of a directory, which never changes once it is finished.

    A large listing is a file in memory (memfd_create(2)).  Such a file needs no directory that the
    server may write to, writing to it never waits for a disk, and the file ends with the process,
    however that ends.

    Args:
        name: the path of the request, for the log.
        media_type: the Content-Type.
        claim_memory: claims the memory that the listing takes.

    Attributes:
        content: the whole of a small listing, or None.
        fd: an open descriptor where `content` is None, or -1.  The descriptor is closed with the
            last response that refers to the listing.
        etag: a strong entity tag; the same listing has the same entity tag everywhere.
        second: the second in which the directory was read.

    Raises:
        OSError: descriptors or memory have run out.
    """

    __slots__ = (
        "__weakref__",
        "_claim_memory",
        "_claimed",
        "_claims",
        "content",
        "etag",
        "fd",
        "media_type",
        "name",
        "second",
        "size",
    )
    is_snapshot = True

    def __init__(self, name: bytes, media_type: str, claim_memory: ClaimMoreMemory = grant) -> None:
        self.fd = -1  # should there be no descriptor left
        self.name = name
        self.second = 0
        self.fd = os.memfd_create("listing", os.MFD_CLOEXEC)
        self.content: bytes | None = None
        self.size = 0
        self.media_type = media_type
        self.etag = ""
        self._claim_memory = claim_memory
        self._claims: list[Claim] = []
        self._claimed = 0  # bytes of them

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def is_intact(self, part: range, *, is_last: bool) -> bool:  # noqa: ARG002
        """Return True: nobody else can write to the listing."""
        return True

    def append(self, text: str) -> None:
        """Add text to a listing that is not finished.

        Raises:
            HTTPError: 503 if there is no memory, since too many listings are being sent.
        """
        piece = text.encode()
        self._claim(len(piece))
        self.size += len(piece)
        while piece:
            piece = piece[os.write(self.fd, piece) :]

    def _claim(self, size: int) -> None:
        missing = self.size + size - UNCLAIMED - self._claimed
        if missing > 0:
            claim = self._claim_memory(missing + _CLAIM, self._claimed)
            if claim is None:
                detail = "Too many listings are being sent. Please try again."
                raise HTTPError(503, detail, (("Retry-After", "1"),))
            self._claims.append(claim)
            self._claimed += missing + _CLAIM

    def finish(self) -> None:
        """Finish the listing: nothing is added any more."""
        if self.size <= SMALL_FILE:
            self.content = os.pread(self.fd, SMALL_FILE, 0)
            os.close(self.fd)
            self.fd = -1
