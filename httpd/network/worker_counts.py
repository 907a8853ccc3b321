"""What a worker has counted: read from the tallies, and published at the ticks of its loops."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from httpd.observe.counts import BYTES, REQUESTS, CountTable, Key
from httpd.observe.scoreboard import Column, Scoreboard
from httpd.protocol.tally import Tallies


class WorkerCounts:
    """The counts of a worker, which all its loops share.

    A worker that replaces a dead one goes on where that has last published.

    Args:
        worker: number of the worker.
        board: gets the sums.
        table: gets each count; None where nobody reads them.
    """

    def __init__(self, worker: int, board: Scoreboard, table: CountTable | None = None) -> None:
        self.tallies = Tallies()
        """Of the worker."""
        row = worker * board.threads
        self._requests = board.column(Column.REQUESTS)[row : row + 1]
        self._sent = board.column(Column.SENT)[row : row + 1]
        self._before = self._requests[0], self._sent[0]
        self._cells = table.row(worker) if table else memoryview(b"").cast("Q")
        self._places = {key: place for place, key in enumerate(table.keys)} if table else {}
        self._counts = Counter(
            {key: count for key, place in self._places.items() if (count := self._cells[place])}
        )
        self._published: dict[object, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._second = -1

    def add(self, counts: Mapping[Key, int]) -> None:
        """Publish what a loop has counted by itself since the last time.

        Args:
            counts: by key.
        """
        with self._lock:
            for key, count in counts.items():
                self._add(key, count)

    def publish(self, second: int) -> None:
        """Publish what was counted, unless another loop has done that in the same second.

        Args:
            second: of the monotonic clock.
        """
        if second != self._second:
            self._second = second
            self.publish_all()

    def publish_all(self) -> None:
        """Publish what was counted."""
        with self._lock:
            requests, sent = self._before
            for site in tuple(self.tallies.by_site.values()):
                for tally in tuple(site.by_status.values()):
                    counted = tally.requests, tally.sent
                    requests, sent = requests + counted[0], sent + counted[1]
                    before = self._published.get(tally, (0, 0))
                    if counted != before:
                        self._published[tally] = counted
                        self._add((REQUESTS, tally.site, str(tally.status)), counted[0] - before[0])
                        self._add((BYTES, tally.site), counted[1] - before[1])
            self._requests[0], self._sent[0] = requests, sent

    def _add(self, key: Key, count: int) -> None:
        self._counts[key] += count
        if key in self._places:
            self._cells[self._places[key]] = self._counts[key]
