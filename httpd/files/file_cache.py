"""The files that a worker has served lately, by path, each with the answers that were made of it.

A file is kept from the second request of a minute on: most of what a crawler or a backup asks for
is not asked for again soon, and would drive out what is.

The store is shared by all loops of a worker.  Looking something up takes no lock; whoever puts
something in or takes it out does, and makes no system call meanwhile, but to close what nobody
sends any more.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice, takewhile

from httpd.files.memory import Claim, Claims
from httpd.files.open_file import OpenFile
from httpd.files.precompressed import PlainDirectories
from httpd.files.resolver import DirectoryState
from httpd.protocol.response import JOINED, Response

KEPT_SECONDS = 60
"""How long an unused file is kept in memory."""
OPEN_SECONDS = 10
"""How long an unused file is kept open, if it is no snapshot; a deleted file's disk space is free
after that."""
MAX_OPEN_FILES = 512
"""Descriptors that a worker keeps open for files that nobody downloads."""
_MOST_RESPONSES = 64
"""Answers of one file that are remembered: forms, ranges and conditions in every combination."""
_MOVE_SECONDS = 4
"""How much later a check must be to change the place in the order."""
_MOST_DROPPED = 1024
"""Unused files that a loop lets go of in a second, since others wait meanwhile; more than
`MAX_OPEN_FILES`, some of which stay."""
_OVERHEAD = 1024
_MARK_SHARE = 2048
"""Bytes of the budget for each mark: a file that is kept takes no less."""
_MOST_MARKS = 1 << 17


class CachedFile:
    """What there is at a path: a file, and the precompressed forms of it that lie beside it.

    `path` is where it is kept: a canonical one, or None for a file that has none.  `is_kept` tells
    that it ever was, and `is_fragile` that something of what is kept is.
    `bare` is the state of their directory if it has no other forms, not even unusable ones.
    `checked` is the second in which all was last held against the disk.  `responses` are those that
    were made of it, by what selects them.
    """

    __slots__ = (
        "bare",
        "checked",
        "claimed",
        "coded",
        "cost",
        "is_fragile",
        "is_kept",
        "moved",
        "open_files",
        "original",
        "path",
        "responses",
        "size",
    )

    def __init__(
        self,
        path: bytes | None,
        original: OpenFile,
        coded: Mapping[str, OpenFile],
        bare: DirectoryState | None,
        checked: int,
    ) -> None:
        self.path = path
        self.original = original
        self.coded = coded
        self.bare = bare
        self.checked = self.moved = checked
        self.responses: dict[bytes, Response] = {}
        self.is_kept = self.is_fragile = False
        self.cost = self.size = self.claimed = self.open_files = 0

    def is_in_place(self) -> bool:
        """Tell whether what somebody may have changed is still there, and what it was."""
        return not self.is_fragile or all(
            resource.is_in_place()
            for resource in (self.original, *self.coded.values())
            if resource.is_fragile
        )

    def be_kept(self) -> None:
        """Work out what is of interest from now on; to be called once."""
        self.is_kept = True
        for resource in (self.original, *self.coded.values()):
            self.size += len(resource.name) + _OVERHEAD
            self.claimed += resource.claim.size if resource.claim else 0
            self.open_files += resource.content is None
            if resource.is_fragile:
                self.is_fragile = True
            else:
                self.size += resource.size
        self.cost = self.size


class FileCache:
    """Bounded in bytes, descriptors and time.

    The dictionaries are in the order of the last check, but for some seconds, so what is unused
    stands first.

    What is not kept counts as well, as long as anything holds it.  That may be half of the budget,
    so that slow clients cannot drive out everything that others ask for.

    Args:
        budget: bytes that all of it may take, but for the marks, which take 1 MiB at the most.
        on_evicted: told of bytes that were evicted for want of room, while a lock is held.
    """

    def __init__(self, budget: int, on_evicted: Callable[[int], None] = lambda _: None) -> None:
        # Ordered ones find their first key at once, however many have been deleted before it.
        self.kept: OrderedDict[bytes, CachedFile] = OrderedDict()
        self.plain_directories = PlainDirectories()
        self._open: OrderedDict[bytes, CachedFile] = OrderedDict()  # that hold descriptors
        self._marks = array("q", bytes(8 * min(1 + budget // _MARK_SHARE, _MOST_MARKS)))
        self._minute = 0
        self._budget = budget
        self._used = 0
        self._claims = Claims()
        self._claimed = 0  # bytes of the claims that files have which are kept
        self._open_files = 0
        self._on_evicted = on_evicted
        self._lock = threading.Lock()

    def was_asked_for(self, path: bytes | None) -> bool:
        """Tell whether somebody has asked for a path in this minute, and note that somebody does.

        Each path has a place for its mark, and the last one that came to a place is known by it.
        """
        mark = hash(path) ^ self._minute
        place = mark % len(self._marks)
        if self._marks[place] == mark:
            return True
        self._marks[place] = mark
        return False

    def claim(self, size: int, own: int = -1) -> Claim | None:
        """Claim memory for something that is not kept, or not yet.

        Args:
            size: bytes.
            own: for what cannot be sent without a claim, the bytes that it has claimed already: as
                long as nothing else is claimed, it gets what it needs.

        Returns:
            None if there is no memory left.
        """
        with self._lock:
            unkept = self._unkept()
            is_alone = unkept == own
            if unkept + size > self._budget // 2 and not is_alone:
                return None
            if size > self._room():
                self._evict(size - self._room())
                if size > self._room() and not is_alone:  # what was evicted is still being sent
                    return None
            return self._claims.make(size)

    def keep(self, cached: CachedFile) -> None:
        """Take in what there is at a path, in the place of what was."""
        path = cached.path
        if path is None:
            return
        cached.be_kept()
        with self._lock:
            self._drop(path)
            self.kept[path] = cached
            self._used += cached.cost
            self._claimed += cached.claimed
            if cached.open_files:
                self._open[path] = cached
                self._open_files += cached.open_files
            self._shrink()

    def takes(self, size: int) -> bool:
        """Tell whether something of so many bytes may be kept without driving out all the rest."""
        return size <= self._budget // 16

    def note_check(self, cached: CachedFile, second: int) -> None:
        """Take note that files are still what they were in a second."""
        if second - cached.moved >= _MOVE_SECONDS:
            cached.moved = second
            with self._lock:
                if path := self._path_of(cached):
                    self.kept.move_to_end(path)
                    if cached.open_files:
                        self._open.move_to_end(path)
        cached.checked = second

    def forget(self, cached: CachedFile) -> None:
        """Let go of what was at a path."""
        with self._lock:
            if path := self._path_of(cached):
                self._drop(path)

    def remember(self, cached: CachedFile, variant_key: bytes, response: Response) -> None:
        """Let `response` be the one to requests with a selector, as long as the files stay, unless
        there is one: then another loop was quicker, or the request could not be recalled.
        """
        with self._lock:
            if not self._path_of(cached) or variant_key in cached.responses:
                return
            cost = len(variant_key) + _cost(response)
            if cost > self._budget // 8:
                return
            if len(cached.responses) >= _MOST_RESPONSES:
                self._forget_responses(cached)
            cached.responses[variant_key] = response
            cached.cost += cost
            self._used += cost
            if response.claim is not None:
                cached.claimed += response.claim.size
                self._claimed += response.claim.size
            self._shrink()

    def tick(self, second: int) -> None:
        """Let go of what nobody has asked for lately."""
        # What is asked for less often than it would be kept gains nothing by it.
        self._minute = second // KEPT_SECONDS
        with self._lock:
            for path, cached in _find_unused(self._open, second - OPEN_SECONDS):
                if cached.is_fragile:
                    self._drop(path)
            for path, _ in _find_unused(self.kept, second - KEPT_SECONDS):
                self._drop(path)

    def clear(self) -> None:
        """Let go of everything, to free descriptors."""
        with self._lock:
            self.kept.clear()
            self._open.clear()
            self._used = self._claimed = self._open_files = 0

    def _path_of(self, cached: CachedFile) -> bytes | None:
        """Return where files are kept, if they still are."""
        path = cached.path
        return path if path is not None and self.kept.get(path) is cached else None

    def _unkept(self) -> int:
        """Return the claimed bytes of what is not kept."""
        return self._claims.total() - self._claimed

    def _room(self) -> int:
        """Return the bytes that are left of the budget, which may be less than none."""
        return self._budget - self._used - self._unkept()

    def _shrink(self) -> None:
        self._evict(-self._room())
        while self._open_files > MAX_OPEN_FILES:
            self._drop(next(iter(self._open)))

    def _evict(self, size: int) -> None:
        """Drop what takes so many bytes, once: what is still being sent does not free them yet."""
        used = self._used
        while self.kept and used - self._used < size:
            self._drop(next(iter(self.kept)))
        self._on_evicted(used - self._used)

    def _drop(self, path: bytes) -> None:
        cached = self.kept.pop(path, None)
        if cached is not None:
            self._used -= cached.cost
            self._claimed -= cached.claimed
            if cached.open_files:
                del self._open[path]
                self._open_files -= cached.open_files

    def _forget_responses(self, cached: CachedFile) -> None:
        for response in cached.responses.values():
            if response.claim is not None:
                cached.claimed -= response.claim.size
                self._claimed -= response.claim.size
        cached.responses = {}
        self._used -= cached.cost - cached.size
        cached.cost = cached.size


def _find_unused(kept: OrderedDict[bytes, CachedFile], last: int) -> list[tuple[bytes, CachedFile]]:
    """Return what was not checked after a second, or the oldest of very much."""
    oldest = islice(kept.items(), _MOST_DROPPED)
    return list(takewhile(lambda item: item[1].checked <= last, oldest))


def _cost(response: Response) -> int:
    """Return the bytes that an answer takes beside the content of the file that it was made of."""
    cost = len(response.wire) + _OVERHEAD
    if response.source and response.body is response.source.content and len(response.body) > JOINED:
        return cost
    return cost + len(response.body)
