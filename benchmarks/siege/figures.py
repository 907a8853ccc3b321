"""The values of a Siege report, and their JSON; times are in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

SEQUENTIAL = "sequential"
PHTTPD = "phttpd"

CLOSE = "close"
KEEP_ALIVE = "keep-alive"


class FiguresError(Exception):
    """Something is no Siege report, or no output of Siege; the text says what is missing."""


@dataclass(frozen=True)
class Figures:
    """What Siege says at its end, under the names of its JSON and with its hundredths."""

    transactions: int
    availability: float
    """Percent of transactions that did not fail."""
    elapsed_time: float
    data_transferred: float
    """MB of 2**20 bytes; so is `throughput`, per second."""
    response_time: float
    transaction_rate: float
    throughput: float
    concurrency: float
    """Transactions under way at a time, on average."""
    successful_transactions: int
    failed_transactions: int
    longest_transaction: float
    shortest_transaction: float

    @property
    def mean_ms(self) -> float | None:
        """The response time in milliseconds, finer than Siege says it; None if nothing came.

        Little's law: the number under way is the rate times the time of each.  Siege takes both of
        the same sum of times, so this is the same mean, but without its rounding.
        """
        if not self.transaction_rate:
            return None
        return 1000 * self.concurrency / self.transaction_rate


def total(every: Sequence[Figures]) -> Figures:
    """Return the figures of several Sieges that ran at the same time, as if they were one."""
    if len(every) == 1:
        return every[0]
    elapsed = max(one.elapsed_time for one in every)
    busy = sum(one.concurrency * one.elapsed_time for one in every)
    count = sum(one.transactions for one in every)
    failed = sum(one.failed_transactions for one in every)
    data = sum(one.data_transferred for one in every)
    return Figures(
        transactions=count,
        availability=round(100 * ratio(count, count + failed), 2),
        elapsed_time=elapsed,
        data_transferred=round(data, 2),
        response_time=round(ratio(busy, count), 2),
        transaction_rate=round(ratio(count, elapsed), 2),
        throughput=round(ratio(data, elapsed), 2),
        concurrency=round(ratio(busy, elapsed), 2),
        successful_transactions=sum(one.successful_transactions for one in every),
        failed_transactions=failed,
        longest_transaction=max(one.longest_transaction for one in every),
        shortest_transaction=min(one.shortest_transaction for one in every),
    )


def ratio(part: float, whole: float) -> float:
    """Return 0 for nothing of nothing, as Siege does."""
    return part / whole if whole else 0.0


@dataclass(frozen=True)
class Cell:
    """One run of Siege: so many users for so long."""

    users: int
    figures: Figures | None
    """None where Siege came to no end."""
    server_cpu: float = 0.0
    """CPU seconds per second that the server used, all its processes together."""
    siege_cpu: float = 0.0
    reps: int | None = None
    """How often each user loaded the page, where Siege ended by that and not by the time."""
    errors: dict[str, int] = field(default_factory=dict)
    """Siege's messages and how often each came."""
    breakdown: str = ""
    """Why larger numbers of users were not tried; empty if all went well."""


@dataclass(frozen=True)
class Series:
    """Runs with growing numbers of users against one server."""

    server: str
    connection: str
    """CLOSE or KEEP_ALIVE."""
    users: tuple[int, ...]
    """What was planned."""
    cells: tuple[Cell, ...]
    said: str = ""
    """What the server wrote, which ought to be nothing."""

    @property
    def measured(self) -> dict[int, Figures]:
        """The figures by number of users, where there are some."""
        return {
            cell.users: cell.figures
            for cell in self.cells
            if cell.figures is not None and cell.figures.transactions
        }

    @property
    def sound(self) -> dict[int, Figures]:
        """Like `measured`, without the run that broke down."""
        broken = self.broken.users if self.broken else None
        return {users: one for users, one in self.measured.items() if users != broken}

    @property
    def broken(self) -> Cell | None:
        """The run in which the server, or Siege, broke down."""
        return next((cell for cell in self.cells if cell.breakdown), None)


@dataclass(frozen=True)
class Report:
    """All that the document is made from."""

    date: str
    seconds: int
    """Time of each run."""
    machine: dict[str, str]
    versions: dict[str, str]
    page: str
    page_bytes: int
    series: tuple[Series, ...]

    def of(self, server: str, connection: str) -> Series | None:
        wanted = (server, connection)
        return next((one for one in self.series if (one.server, one.connection) == wanted), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def figures_from(values: dict[str, Any]) -> Figures:
    """Pick the figures out of what Siege wrote as JSON.

    Raises:
        FiguresError: one is missing or no number.
    """
    found = {}
    for name, kind in number_fields():
        value = values.get(name)
        if not isinstance(value, int | float) or value < 0:
            raise FiguresError(f"{name} is {value!r} and should be a number")
        found[name] = kind(value)
    return Figures(**found)


def number_fields() -> Iterator[tuple[str, type]]:
    """Yield the name and type of each figure."""
    for one in fields(Figures):
        yield one.name, int if one.type == "int" else float


def report_from(text: str) -> Report:
    """Read back what `Report.to_json` wrote.

    Raises:
        FiguresError: the text is something else.
    """
    try:
        content = json.loads(text)
        series = [series_from(values) for values in content.pop("series")]
        return Report(**content, series=tuple(series))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FiguresError(f"this is no Siege report: {type(error).__name__}: {error}") from None


def series_from(values: dict[str, Any]) -> Series:
    cells = []
    for cell in values.pop("cells"):
        figures = cell.pop("figures")
        cells.append(Cell(**cell, figures=figures and figures_from(figures)))
    return Series(**values | {"users": tuple(values["users"])}, cells=tuple(cells))
