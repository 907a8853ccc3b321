"""The listing of a directory: made a step at a time beside other clients, and then sent like a
file.

The steps are for whoever runs an event loop; nothing here waits, but for the disk.
"""

from __future__ import annotations

import os
import re
from binascii import crc32
from collections.abc import Callable, Generator
from weakref import WeakValueDictionary

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import explain
from httpd.files.memory import UNCLAIMED, Claim, ClaimMoreMemory, grant
from httpd.files.open_file import SMALL_FILE
from httpd.protocol.messages import HTTPError
from httpd.protocol.negotiation import MAX_ELEMENTS
from httpd.protocol.target import has_straight_slashes
from httpd.site.listing.entries import Contents, Order, read_entries
from httpd.site.listing.formats import LAYOUT, render_html, render_json

HTML = "text/html; charset=utf-8"
JSON = "application/json"
STEP = 8 * 1024
"""Characters that are rendered in one step."""
_CLAIM = 64 * 1024
"""Bytes of memory that a listing claims ahead while it grows."""

# quoted-string (RFC 9110 §5.6.4); one without an end goes on to the end of the field.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?')
# qvalue (RFC 9110 §12.4.2)
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class Listing:
    """A listing, which is never changed once it is finished.

    `content` is the whole of a small one.  A large one has `content` None and an open `fd`, which
    is closed when the last answer that holds the listing lets go of it.  That is of a file in
    memory: it needs no directory that the server may write to, writing to it never waits for a
    disk, and nothing is left of it when the process ends, however it does.  `second` is the one in
    which the directory was last read for it.  `etag` is a strong entity tag: that of the same
    listing is the same everywhere.
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
        """Tell that it is what it was: nobody else can write to it."""
        return True

    def append(self, text: str) -> None:
        """Add to a listing that is not finished.

        Raises:
            HTTPError: 503, while so many others are being sent that there is no memory for it.
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
        """Say that nothing is to be added any more."""
        if self.size <= SMALL_FILE:
            self.content = os.pread(self.fd, SMALL_FILE, 0)
            os.close(self.fd)
            self.fd = -1


Known = Callable[[str], "Listing | str | None"]
"""Given the entity tag of a listing, returns what makes it unnecessary to make one, or None."""


def list_directory(
    docroot: Docroot,
    directory: FoundDirectory,
    path: bytes,
    order: Order,
    claim_memory: ClaimMoreMemory = grant,
    *,
    as_json: bool,
    known: Known = lambda _: None,
) -> Generator[None, None, Listing | str]:
    """List a directory in steps of about a millisecond.

    The first step opens all that is needed, and raises what speaks against it.  Closing the
    generator closes everything.

    Args:
        docroot: where the directory is.
        directory: what the lookup of `path` found.
        path: that of the request, percent-encoded.
        order: of the entries.
        claim_memory: for the memory that the listing takes.
        as_json: true for JSON, false for HTML.
        known: asked once the directory is read, before anything is sorted together and rendered.

    Returns:
        The listing, or what `known` returned.

    Raises:
        HTTPError: see `Docroot.open_directory`.
        FileSystemError: see `Docroot.open_directory`.
    """
    is_straight = as_json or has_straight_slashes(path, directory.path)
    fd = docroot.open_directory(directory)
    try:
        listing = Listing(path, JSON if as_json else HTML, claim_memory=claim_memory)
        contents = yield from read_entries(docroot, fd, directory.path.count(b"/") - 1, order)
    except OSError as error:
        raise explain(error) from None
    finally:
        os.close(fd)
    listing.etag = _make_etag(contents, order, as_json, is_straight)
    if (instead := known(listing.etag)) is not None:
        return instead
    if as_json:
        texts = render_json(contents.entries)
    else:
        texts = render_html(directory.path, order, contents, is_straight=is_straight)
    step = ""
    for text in texts:
        step += text
        if len(step) >= STEP:
            listing.append(step)
            step = ""
            yield
    listing.append(step)
    listing.finish()
    return listing


def _make_etag(contents: Contents, *details: object) -> str:
    """Return an entity tag that costs no more than reading the directory.

    Args:
        contents: of the directory.
        details: what else the listing depends on, beside the directory's path.
    """
    layout = crc32(repr((LAYOUT, *details)).encode())
    return f'"{contents.count:x}-{contents.fingerprint:x}-{layout:x}"'


_Key = tuple[bytes, Order, bool, bool]


class Listings:
    """The listings that a loop has made within this second, and those that are still being sent.

    Only one is made at a time, and one that has not changed is not held twice, however many clients
    ask for it.  That bounds the memory that a large directory can take.

    Args:
        docroot: where the directories are.
        budget: bytes that the listings of one second may take while nobody is being sent them.
        claim_memory: for the memory that listings take.
    """

    def __init__(
        self, docroot: Docroot, budget: int, claim_memory: ClaimMoreMemory = grant
    ) -> None:
        self._claim_memory = claim_memory
        self._docroot = docroot
        self._budget = budget
        self._is_busy = False
        self._made: WeakValueDictionary[_Key, Listing] = WeakValueDictionary()
        self._second = 0
        self.tick()

    def tick(self) -> None:
        """Begin a second, in which directories may have changed."""
        self._second += 1
        self._tags: dict[_Key, str] = {}  # of what was read in this second
        self._kept: list[Listing] = []  # while nobody is being sent them
        self._room = self._budget

    def make(
        self,
        directory: FoundDirectory,
        path: bytes,
        order: Order,
        *,
        as_json: bool,
        is_unmodified: Callable[[str], bool] = lambda _: False,
    ) -> Generator[None, None, Listing | str]:
        """Return a listing of this second or a later one, or make one; see `list_directory`.

        Args:
            directory: what the lookup of `path` found.
            path: that of the request, percent-encoded.
            order: of the entries.
            as_json: true for JSON, false for HTML.
            is_unmodified: given an entity tag, tells whether the client needs no listing; may raise
                HTTPError.

        Returns:
            The listing; its entity tag where the client needs no more.
        """
        # A path can be written in any number of ways, which must not mean as many listings.
        is_straight = as_json or has_straight_slashes(path, directory.path)
        key = (directory.path, order, as_json, is_straight)
        asked = self._second
        if (etag := self._tags.get(key)) is not None and is_unmodified(etag):
            return etag
        while (made := self._made.get(key)) is None or made.second < asked:
            if not self._is_busy:
                break
            yield
        else:
            return made.etag if is_unmodified(made.etag) else made

        begun = self._second

        def known(etag: str) -> Listing | str | None:
            made = self._made.get(key)
            is_same = made is not None and made.etag == etag
            if begun == self._second:
                self._tags[key] = etag
            return etag if is_unmodified(etag) else made if is_same else None

        self._is_busy = True
        try:
            listing = yield from list_directory(
                self._docroot,
                directory,
                path,
                order,
                self._claim_memory,
                as_json=as_json,
                known=known,
            )
        finally:
            self._is_busy = False
        if isinstance(listing, str):
            return listing
        listing.second = begun
        self._made[key] = listing
        if listing.size <= self._room:
            self._room -= listing.size
            self._kept.append(listing)
        return listing


def wants_json(accept: str | None) -> bool:
    """Tell whether a client would rather have JSON than HTML (RFC 9110 §12.5.1).

    What it likes equally well it gets as JSON only if it names that, or a wildcard for it, more
    precisely than HTML.  Elements that are malformed count for nothing, and so do parameters other
    than a quality.

    Args:
        accept: the field value, None without the field.
    """
    ranges: dict[str, float] = {}
    for element in _QUOTED.sub("", accept or "").lower().split(",", MAX_ELEMENTS)[:MAX_ELEMENTS]:
        media_range, *parameters = (part.strip(" \t") for part in element.split(";"))
        quality = "1"
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = parameter[2:]
        if _QUALITY.fullmatch(quality):
            ranges[media_range] = max(float(quality), ranges.get(media_range, 0.0))
    json = _preference(ranges, "*/*", "application/*", "application/json")
    return json[0] > 0 and json > _preference(ranges, "*/*", "text/*", "text/html")


def _preference(ranges: dict[str, float], *names: str) -> tuple[float, int]:
    """Return the quality of the most precise range that is there, and how precise that is."""
    known = [(ranges[name], precision) for precision, name in enumerate(names) if name in ranges]
    return known[-1] if known else (0.0, -1)
