"""The counters of a running server, as plain data for programs that show them.

`read_counters` reads the memory of a supervisor, and needs nothing of the server.  A reader
goes through `FAMILIES` and takes the values by name, so that it shows a family that is added later
without a change of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from httpd.observe.counts import (
    ACCEPTED,
    BYTES,
    CLOSED,
    REFUSED,
    REQUESTS,
    Key,
    read_tables,
)
from httpd.observe.ledger import read_ledger

BOUNDS = (0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 600.0)
"""Upper bounds of the buckets of a histogram of durations, in seconds; one more has no bound."""
Labels = tuple[str, ...]
"""The values of the labels of a family, in their order."""


class Family(NamedTuple):
    """Counters of one kind, which differ in their labels.

    Args:
        name: what Prometheus calls the counters, after the prefix ``phttpd_``.
        labels: the names of the labels; none if there is one counter only.
        help: what is counted, as a sentence.
    """

    name: str
    labels: Labels
    help: str


FAMILIES = (
    Family(REQUESTS, ("site", "code"), "Responses sent."),
    Family(BYTES, ("site",), "Bytes of responses sent, heads included."),
    Family(ACCEPTED, (), "Connections accepted."),
    Family(REFUSED, ("reason",), "Clients that were not served."),
    Family(CLOSED, ("reason",), "Connections closed."),
    Family("worker_restarts_total", (), "Workers that died and were replaced."),
    Family("reloads_total", ("outcome",), "Reloads that have ended."),
)
"""All families, in the order in which to show them."""


_MOST_LOOKS = 1000


class Histogram(NamedTuple):
    """How long requests took, from the first byte of the request to the last of the response.

    Args:
        buckets: requests in each bucket, which are not added up: one for each of `BOUNDS`, and one
            for those that took longer.
        seconds: the sum of all durations.
    """

    buckets: tuple[int, ...]
    seconds: float


class Counters(NamedTuple):
    """All counters of a server at one moment.

    Args:
        values: by the name of the family, and then by labels; a counter that is 0 may be missing.
        durations: by site; empty unless durations are counted.
    """

    values: Mapping[str, Mapping[Labels, int]]
    durations: Mapping[str, Histogram]

    def total(self, name: str) -> int:
        """Return the sum of a family over all labels.

        Args:
            name: of the family.
        """
        return sum(self.values.get(name, {}).values())


def read_counters(pid: int) -> Counters:
    """Return the counters of a running server, of which none is ever less than at an earlier call.

    A server counts on through reloads and upgrades, and when a worker dies.  The counters are those
    of the last tick of each worker, a second ago at the most.

    Args:
        pid: of its supervisor.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process, or it is just starting.
    """
    for _ in range(_MOST_LOOKS):
        entries = read_ledger(pid)
        if entries is None:
            break
        tables = read_tables(pid)
        if entries.running <= tables.keys():
            counts = [tables[number].values() for number in entries.running]
            return _sort([entries.values, *counts])
        os.sched_yield()  # a generation has ended meanwhile, and the ledger has its counts
    raise ProcessLookupError(f"the server {pid} is just starting or ending")


def _sort(counts: Iterable[Mapping[Key, int]]) -> Counters:
    """Add counts up, and sort them by family."""
    values: dict[str, dict[Labels, int]] = {family.name: {} for family in FAMILIES}
    for count in counts:
        for (name, *labels), value in count.items():
            of_family = values.setdefault(name, {})
            of_family[tuple(labels)] = of_family.get(tuple(labels), 0) + value
    return Counters(values, {})
