"""Downloads as a person sees them: the transfers of one file to one client are one download.

A client may ask for parts of a file at the same time, or go on after an interruption.  So a
download is what client, user, site, path and entity tag have in common, and its progress is the
union of the byte ranges that the client has acknowledged.

Everything here is made from values that are passed in; `httpd.observe.transfers` has them.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from httpd.observe.transfers import State, Transfer

FORGET_SECONDS = 3600.0
"""How long after its last byte a download may be resumed as the same one."""
WINDOW = 5.0
"""Seconds over which a rate is measured."""
_LEAST_CHANGE = 2.0
_LEAST_PART = 0.1
"""The time left is shown anew if it is wrong by more than so many seconds and this part of it;
otherwise it counts down."""

_Key = tuple[bytes, bytes, bytes, bytes, int]
_Version = tuple[int, int]
_TransferId = tuple[Hashable, int, int]


class Outcome(enum.StrEnum):
    """What has become of a download."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """No transfer runs, but the client may resume it."""
    COMPLETE = "complete"
    ABANDONED = "abandoned"
    """It was interrupted, and not resumed within `FORGET_SECONDS`."""
    REPLACED = "replaced"
    """The client has gone on with another version of the file."""


class Look(NamedTuple):
    """The transfers of one table at one moment.

    Args:
        source: tells the tables apart.
        running: transfers that run.
        ended: transfers that have ended since the last look.
    """

    source: Hashable
    running: Iterable[Transfer]
    ended: Iterable[Transfer]


class Ranges:
    """A set of bytes, as the least number of ranges in ascending order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.size = 0
        """Bytes in the set."""

    def __iter__(self) -> Iterator[range]:
        return map(range, self._starts, self._stops)

    def add(self, part: range) -> None:
        """Add the bytes of a range, which is not empty; those that are there already do not count
        twice.
        """
        starts, stops = self._starts, self._stops
        first = bisect_left(stops, part.start)  # of the ranges that it overlaps or touches
        last = bisect_right(starts, part.stop)
        start, stop = part.start, part.stop
        if first < last:
            start, stop = min(start, starts[first]), max(stop, stops[last - 1])
        before = sum(stops[first:last]) - sum(starts[first:last])
        starts[first:last], stops[first:last] = [start], [stop]
        self.size += stop - start - before


class Rate:
    """How fast a number grows.

    Args:
        started: when the number was 0, in seconds.
    """

    def __init__(self, started: float) -> None:
        self._samples = deque([(started, 0)])

    def add(self, now: float, number: int) -> None:
        """Take note of the number at a time."""
        samples = self._samples
        if now <= samples[-1][0]:
            return
        samples.append((now, number))
        while len(samples) > 2 and samples[1][0] <= now - WINDOW:
            samples.popleft()

    def per_second(self) -> float:
        """Return the growth over the last `WINDOW` seconds; at first, since the beginning."""
        (first, before), (last, number) = self._samples[0], self._samples[-1]
        return (number - before) / (last - first) if last > first else 0.0


@dataclass(slots=True, eq=False)
class Download:
    """A file on its way to a client.

    Args:
        client: address of the client.
        user: who has logged in; empty if no one has.
        site: name of the site; empty for the one of all other names.
        path: of the requests.
        size: bytes of the representation.
        started: when the first request arrived, in seconds of the monotonic clock.
        changed: when the last byte was acknowledged or a transfer has begun or ended.
        loop: of the last transfer: the generation, and the index in its scoreboard.
    """

    client: bytes
    user: bytes
    site: bytes
    path: bytes
    size: int
    started: float
    changed: float
    source: Hashable = None
    loop: int = 0
    covered: Ranges = field(default_factory=Ranges)
    sent: int = 0
    """Bytes that were acknowledged, those that came twice included."""
    running: int = 0
    """Transfers that run now."""
    parts: int = 0
    """The most transfers that ran at the same time."""
    resumes: int = 0
    """Transfers that began in the middle of the file when none ran and the last one was cut."""
    is_replaced: bool = False
    is_forgotten: bool = False
    is_reported: bool = False
    """Whether it is over: a further transfer belongs to a download of its own."""
    seconds_left: float | None = None
    """How long the rest takes at the current rate; None if nothing moves."""
    rate: Rate = field(init=False)
    _was_cut: bool = False
    _left_at: float = 0.0

    def __post_init__(self) -> None:
        self.rate = Rate(self.started)

    @property
    def unique(self) -> int:
        """Bytes of the representation that the client has acknowledged."""
        return self.covered.size

    @property
    def outcome(self) -> Outcome:
        """What has become of it so far."""
        if self.running:
            return Outcome.RUNNING
        if self.unique >= self.size:
            return Outcome.COMPLETE
        if self.is_replaced:
            return Outcome.REPLACED
        return Outcome.ABANDONED if self.is_forgotten else Outcome.INTERRUPTED

    def bytes_per_second(self) -> float:
        """Return the current rate, or the mean one of a download that does not run."""
        if self.running:
            return self.rate.per_second()
        duration = self.changed - self.started
        return self.sent / duration if duration > 0 else 0.0

    def begin(self, transfer: Transfer) -> None:
        """Count a transfer that begins."""
        starts_in_middle = any(start for _, start, _ in transfer.ranges)
        if not self.running and self._was_cut and starts_in_middle:
            self.resumes += 1
        self.running += 1
        self.parts = max(self.parts, self.running)
        self.changed = max(self.changed, transfer.started)

    def end(self, now: float, *, was_cut: bool) -> None:
        """Count a transfer that has ended."""
        self.running -= 1
        self._was_cut = was_cut
        self.changed = max(self.changed, now)

    def add(self, transfer: Transfer, new: int) -> None:
        """Count what was acknowledged of a transfer.

        Args:
            transfer: as it is now.
            new: bytes of its body since the last call.
        """
        self.sent += new
        for part in transfer.received():
            if part := part[: max(0, self.size - part.start)]:
                self.covered.add(part)

    def measure(self, now: float) -> None:
        """Bring rate and time left up to date."""
        self.rate.add(now, self.sent)
        rate = self.rate.per_second()
        left = (self.size - self.unique) / rate if rate and self.running else None
        if left is not None and self.seconds_left is not None:
            expected = max(0.0, self.seconds_left - (now - self._left_at))
            if abs(left - expected) <= max(_LEAST_CHANGE, _LEAST_PART * expected):
                left = expected
        self.seconds_left, self._left_at = left, now


@dataclass(slots=True, eq=False)
class _Part:
    """A transfer that was seen, and the download that it belongs to."""

    download: Download
    acknowledged: int = 0
    is_running: bool = True


class Downloads:
    """The downloads of a server, folded from one look after another."""

    def __init__(self) -> None:
        self._open: dict[tuple[_Key, _Version], Download] = {}
        self._newest: dict[_Key, tuple[float, _Version]] = {}
        self._parts: dict[_TransferId, _Part] = {}
        self._closed: list[Download] = []

    def all(self) -> list[Download]:
        """Return the downloads that run, may be resumed, or were completed in the last hour."""
        return list(self._open.values())

    def take_closed(self) -> list[Download]:
        """Return the downloads that are over since the last call."""
        closed, self._closed = self._closed, []
        return closed

    def fold(self, now: float, looks: Iterable[Look]) -> None:
        """Bring all downloads up to date.

        Args:
            now: the monotonic clock, in seconds.
            looks: one at each table; a transfer of a table that is missing has ended.
        """
        seen: set[_TransferId] = set()
        events: list[tuple[float, int, _TransferId, Transfer]] = []
        for look in looks:
            for transfer in (*look.running, *look.ended):
                name = (look.source, transfer.loop, transfer.number)
                if name not in seen and name not in self._parts:
                    events.append((transfer.started, _BEGIN, name, transfer))
                seen.add(name)
                if transfer.state is State.RUNNING:
                    events.append((transfer.changed, _GO_ON, name, transfer))
                else:
                    is_late = transfer.changed > transfer.started
                    kind = _END if is_late else _END_AT_ONCE
                    events.append((max(transfer.changed, transfer.started), kind, name, transfer))
        for at, kind, name, transfer in sorted(events, key=lambda event: event[:2]):
            self._apply(at, kind, name, transfer)
        self._end_vanished(now, seen)
        for download in self._open.values():
            download.measure(now)
        self._close(now)

    def _apply(self, at: float, kind: int, name: _TransferId, transfer: Transfer) -> None:
        part = self._parts.get(name)
        if part is None:
            if kind != _BEGIN:
                return  # it has ended, and was read as a running one just before
            part = self._parts[name] = _Part(self._find(transfer, name))
            part.download.begin(transfer)
        elif not part.is_running:  # it was out of sight
            part.is_running = True
            part.download.running += 1
        download = part.download
        if (new := transfer.acknowledged - part.acknowledged) > 0:
            part.acknowledged = transfer.acknowledged
            download.add(transfer, new)
            download.changed = max(download.changed, transfer.changed)
        if kind in (_END, _END_AT_ONCE):
            download.end(at, was_cut=transfer.state is State.CUT)
            del self._parts[name]

    def _find(self, transfer: Transfer, name: _TransferId) -> Download:
        """Return the download that a new transfer belongs to."""
        key = (
            transfer.client,
            transfer.user,
            transfer.site,
            transfer.path,
            transfer.path_check,
        )
        version = (transfer.etag, transfer.size)
        download = self._open.get((key, version))
        if download is not None and download.is_reported:
            download = None  # it was complete, and the client begins anew
        if download is None:
            download = self._open[key, version] = Download(
                *key[:4], transfer.size, transfer.started, transfer.started
            )
        download.source, download.loop = name[:2]
        self._replace(key, version, transfer.started)
        return download

    def _replace(self, key: _Key, version: _Version, started: float) -> None:
        """Mark the download of an older version of the file, if there is one."""
        before = self._newest.get(key)
        if before is None or before[1] == version:
            self._newest[key] = (started, version)
            return
        older = version if started < before[0] else before[1]
        if older != version:
            self._newest[key] = (started, version)
        if (replaced := self._open.get((key, older))) is not None:
            replaced.is_replaced = True
        if (current := self._open.get((key, self._newest[key][1]))) is not None:
            current.is_replaced = False

    def _end_vanished(self, now: float, seen: set[_TransferId]) -> None:
        """End the transfers that are neither running nor ended, as those of a killed worker."""
        for name, part in self._parts.items():
            if part.is_running and name not in seen:
                part.is_running = False
                part.download.end(min(now, part.download.changed), was_cut=True)

    def _close(self, now: float) -> None:
        """Report the downloads that are over, and forget old ones."""
        for name, download in list(self._open.items()):
            if download.running:
                continue
            download.is_forgotten = now - download.changed >= FORGET_SECONDS
            if download.outcome is not Outcome.INTERRUPTED and not download.is_reported:
                download.is_reported = True
                self._closed.append(download)
            if download.is_forgotten or download.outcome is Outcome.REPLACED:
                del self._open[name]
                if download.is_forgotten and self._newest[name[0]][1] == name[1]:
                    del self._newest[name[0]]
        self._parts = {
            name: part
            for name, part in self._parts.items()
            if part.is_running or now - part.download.changed < FORGET_SECONDS
        }


_END, _BEGIN, _GO_ON, _END_AT_ONCE = range(4)
"""The order of events at the same time."""
