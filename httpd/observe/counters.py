"""The counters of a running server, as plain data for programs that show them.

`read_counters` reads the scoreboards of a supervisor, and needs nothing of the server.  A reader
goes through `FAMILIES` and takes the values by name, so that it shows a family that is added later
without a change of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from httpd.observe.scoreboard import Column, Scoreboard, read_all

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
    Family("http_requests_total", (), "Responses sent."),
    Family("http_response_bytes_total", (), "Bytes of responses sent, heads included."),
)
"""All families, in the order in which to show them."""


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
    """Return the counters of a running server.

    Args:
        pid: of its supervisor.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process.
    """
    return _add_up(read_all(pid))


def _add_up(boards: list[Scoreboard]) -> Counters:
    columns = {
        "http_requests_total": Column.REQUESTS,
        "http_response_bytes_total": Column.SENT,
    }
    values: dict[str, dict[Labels, int]] = {
        name: {(): sum(board.total(column) for board in boards)} for name, column in columns.items()
    }
    return Counters(values, {})
