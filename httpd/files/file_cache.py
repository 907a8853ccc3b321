"""The files that a worker has opened lately, by path, each with the responses that were made of it.

Admission: a file enters the cache on its second request within a minute, so that scans (crawlers,
backups) do not evict the working set.

All loops of a worker share the cache.  A lookup takes no lock.  A thread that changes it takes the
lock, and makes no system call meanwhile, except to close files that no client is being sent.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice, takewhile
from types import MappingProxyType

from httpd.files.memory import Claim, Claims
from httpd.files.open_file import OpenFile
from httpd.files.precompressed import PlainDirectories
from httpd.files.resolver import DirectoryState
from httpd.protocol.response import JOINED, Response

LIFETIME = 60
"""Seconds for which an unused file stays in the cache."""
OPEN_LIFETIME = 10
"""Seconds for which an unused file stays open, if it is no snapshot.  The disk space of a deleted
file is free after that."""
MAX_OPEN_FILES = 512
"""Descriptors that a worker holds for files that no client is being sent."""
_MAX_RESPONSES = 64
"""Responses that are stored with one file: codings, ranges and conditions in every combination."""
_MOVE_SECONDS = 4
"""Seconds after which a validation moves a file to the end of the order of eviction."""
_MAX_DROPPED = 1024
"""Unused files that a loop drops in a second, since clients wait meanwhile; more than
`MAX_OPEN_FILES`, some of which stay."""
_OVERHEAD = 1024
_BYTES_PER_MARK = 2048
"""Bytes of the budget for each mark of a request: a cached file takes no less."""
_MAX_MARKS = 1 << 17


NO_FORMS: Mapping[str, OpenFile] = MappingProxyType({})
"""For a file without precompressed forms."""


class CachedFile:
    """What is served at a path: a file, the precompressed forms of it, and the responses.

    Args:
        path: the canonical path behind the key of the site, which is the key in the cache; None if
            the path of the request has no canonical spelling.
        original: the file.
        no_precompressed: the state of the directory if it contains no precompressed forms of the
            file, not even unusable ones; else None.
        validated_at: the second of the monotonic clock in which all files were last compared with
            the disk.
        coded: the precompressed forms by content coding.

    Attributes:
        responses: the responses that were made of the files, by variant key.
        was_admitted: whether the cache ever took the files in.
        may_change: whether a file can be changed in place, which is known once it is admitted.
    """

    __slots__ = (
        "claimed",
        "coded",
        "cost",
        "may_change",
        "moved_at",
        "no_precompressed",
        "open_files",
        "original",
        "path",
        "responses",
        "size",
        "validated_at",
        "was_admitted",
    )

    def __init__(
        self,
        path: bytes | None,
        original: OpenFile,
        no_precompressed: DirectoryState | None,
        validated_at: int,
        coded: Mapping[str, OpenFile] = NO_FORMS,
    ) -> None:
        self.path = path
        self.original = original
        self.coded = coded
        self.no_precompressed = no_precompressed
        self.validated_at = self.moved_at = validated_at
        self.responses: dict[bytes, Response] = {}
        self.was_admitted = self.may_change = False

    def __repr__(self) -> str:
        path = "uncached" if self.path is None else os.fsdecode(self.path)
        forms = " ".join(self.coded) or "no forms"
        return f"<CachedFile {path}, {forms}, {len(self.responses)} responses>"

    def is_in_place(self) -> bool:
        """Tell whether the files that can change in place are at their names, unchanged."""
        return not self.may_change or all(
            file.is_in_place() for file in (self.original, *self.coded.values()) if file.may_change
        )

    def measure(self) -> None:
        """Add up what the files take; to be called once, when the cache admits them."""
        self.was_admitted = True
        self.size = self.claimed = self.open_files = 0
        for file in (self.original, *self.coded.values()):
            self.size += len(file.name) + _OVERHEAD
            self.claimed += file.claim.size if file.claim else 0
            self.open_files += file.content is None
            if file.may_change:
                self.may_change = True
            else:
                self.size += file.size
        self.cost = self.size


class FileCache:
    """Opened files by path, bounded in bytes, descriptors and time.

    What holds memory without being cached counts as well, as long as anything refers to it.  That
    may be half of the budget, so that slow clients cannot drive out what all others ask for.

    Args:
        budget: bytes that the cache may take, except for the marks of requests, which take 1 MiB at
            the most.
        on_evicted: called with the bytes that were evicted for want of room, while the lock is
            held.

    A site has a key that no other one has: empty, or without a slash.  A canonical path begins with
    a slash.  So the two together are the key of a file and of no other.

    Attributes:
        by_path: the cached files by the key of their site and the canonical path, in the order of
            their last validation, give or take some seconds; so unused files come first.
        marks: see `note_request`.
        minute: of the monotonic clock.
    """

    def __init__(self, budget: int, on_evicted: Callable[[int], None] = lambda _: None) -> None:
        # Ordered ones find their first key at once, however many have been deleted before it.
        self.by_path: OrderedDict[bytes, CachedFile] = OrderedDict()
        self.plain_directories = PlainDirectories()
        self._open: OrderedDict[bytes, CachedFile] = OrderedDict()  # those that hold descriptors
        self.marks = array("q", bytes(8 * min(1 + budget // _BYTES_PER_MARK, _MAX_MARKS)))
        self.minute = 0
        self._budget = budget
        self._used = 0
        self._claims = Claims()
        self._claimed = 0  # bytes of the claims of cached files
        self._open_files = 0
        self._on_evicted = on_evicted
        self._lock = threading.Lock()

    def note_request(self, path: bytes | None) -> bool:
        """Tell whether a path has been requested in this minute, and note that it is now.

        Each path has a place for its mark, which it shares with others: the last path that came to
        a place is known by it.
        """
        mark = hash(path) ^ self.minute
        place = mark % len(self.marks)
        if self.marks[place] == mark:
            return True
        self.marks[place] = mark
        return False

    def claim(self, size: int, own: int = -1) -> Claim | None:
        """Claim memory for something that is not cached, or not yet.

        Args:
            size: bytes.
            own: for what cannot be sent without a claim, the bytes that it has claimed already: as
                long as nothing else is claimed, it gets what it needs.

        Returns:
            None if there is no memory left.
        """
        with self._lock:
            uncached = self._uncached()
            is_alone = uncached == own
            if uncached + size > self._budget // 2 and not is_alone:
                return None
            if size > self._room():
                self._evict(size - self._room())
                if size > self._room() and not is_alone:  # what was evicted is still being sent
                    return None
            return self._claims.make(size)

    def accepts(self, size: int) -> bool:
        """Tell whether a file of so many bytes may be cached without driving out all the rest."""
        return size <= self._budget // 16

    def admit(self, cached: CachedFile) -> None:
        """Take files in, in place of those that had the same path."""
        path = cached.path
        if path is None:
            return
        cached.measure()
        with self._lock:
            self._drop(path)
            self.by_path[path] = cached
            self._used += cached.cost
            self._claimed += cached.claimed
            if cached.open_files:
                self._open[path] = cached
                self._open_files += cached.open_files
            self._shrink()

    def note_validation(self, cached: CachedFile, second: int) -> None:
        """Note that files were found unchanged in a second of the monotonic clock."""
        if second - cached.moved_at >= _MOVE_SECONDS:
            cached.moved_at = second
            with self._lock:
                if path := self._path_of(cached):
                    self.by_path.move_to_end(path)
                    if cached.open_files:
                        self._open.move_to_end(path)
        cached.validated_at = second

    def remove(self, cached: CachedFile) -> None:
        """Drop files, since the disk has others now."""
        with self._lock:
            if path := self._path_of(cached):
                self._drop(path)

    def add_response(self, cached: CachedFile, variant_key: bytes, response: Response) -> None:
        """Store a response with the files that it was made of, as long as they stay.

        A response that is there already stays: another loop was quicker, or a request came in a way
        in which stored responses are not looked up.
        """
        with self._lock:
            if not self._path_of(cached) or variant_key in cached.responses:
                return
            cost = len(variant_key) + _cost(response)
            if cost > self._budget // 8:
                return
            if len(cached.responses) >= _MAX_RESPONSES:
                self._drop_responses(cached)
            response.owner = cached
            cached.responses[variant_key] = response
            cached.cost += cost
            self._used += cost
            if response.body.claim is not None:
                cached.claimed += response.body.claim.size
                self._claimed += response.body.claim.size
            self._shrink()

    def begin_second(self, second: int) -> None:
        """Drop what has not been used lately.

        Args:
            second: of the monotonic clock.
        """
        # A mark older than the cache's lifetime is useless: the file would have expired anyway.
        self.minute = second // LIFETIME
        with self._lock:
            for path, cached in _find_unused(self._open, second - OPEN_LIFETIME):
                if cached.may_change:
                    self._drop(path)
            for path, _ in _find_unused(self.by_path, second - LIFETIME):
                self._drop(path)

    def clear(self) -> None:
        """Drop everything, to free descriptors."""
        with self._lock:
            for path in list(self.by_path):
                self._drop(path)

    def _path_of(self, cached: CachedFile) -> bytes | None:
        """Return the key of files, if they are in the cache."""
        path = cached.path
        return path if path is not None and self.by_path.get(path) is cached else None

    def _uncached(self) -> int:
        """Return the claimed bytes of what is not cached."""
        return self._claims.total() - self._claimed

    def _room(self) -> int:
        """Return the bytes that are left of the budget, which may be less than none."""
        return self._budget - self._used - self._uncached()

    def _shrink(self) -> None:
        self._evict(-self._room())
        while self._open_files > MAX_OPEN_FILES:
            self._drop(next(iter(self._open)))

    def _evict(self, size: int) -> None:
        """Drop what takes so many bytes, once: what is still being sent does not free them yet."""
        used = self._used
        while self.by_path and used - self._used < size:
            self._drop(next(iter(self.by_path)))
        self._on_evicted(used - self._used)

    def _drop(self, path: bytes) -> None:
        cached = self.by_path.pop(path, None)
        if cached is not None:
            self._used -= cached.cost
            self._claimed -= cached.claimed
            for response in cached.responses.values():
                response.owner = None  # also, a cycle of references would delay the end of both
            if cached.open_files:
                del self._open[path]
                self._open_files -= cached.open_files

    def _drop_responses(self, cached: CachedFile) -> None:
        for response in cached.responses.values():
            response.owner = None
            if response.body.claim is not None:
                cached.claimed -= response.body.claim.size
                self._claimed -= response.body.claim.size
        cached.responses = {}
        self._used -= cached.cost - cached.size
        cached.cost = cached.size


def _find_unused(
    files: OrderedDict[bytes, CachedFile], last: int
) -> list[tuple[bytes, CachedFile]]:
    """Return the files that were not validated after a second, or the oldest of very many."""
    oldest = islice(files.items(), _MAX_DROPPED)
    return list(takewhile(lambda item: item[1].validated_at <= last, oldest))


def _cost(response: Response) -> int:
    """Return the bytes that a response takes beside the content of the file it was made of."""
    content, _, source, _ = response.body
    cost = len(response.head) + _OVERHEAD
    if source and content is source.content and len(content) > JOINED:
        return cost
    return cost + len(content)
