"""Runs all of Siege's runs, and stops a series where its server, or Siege, breaks down."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from benchmarks.environment import MeasurementError, allow_files
from benchmarks.siege import servers
from benchmarks.siege.attack import FAILURES, MOST, SiegeError, attack
from benchmarks.siege.figures import (
    CLOSE,
    KEEP_ALIVE,
    PHTTPD,
    SEQUENTIAL,
    Cell,
    Figures,
    Report,
    Series,
)
from benchmarks.siege.machine import machine, versions
from benchmarks.siege.reading import plural

PAGE = "index.html"

ATTEMPTS = 3
"""How often a run is tried in which Siege comes to no good end; the last time with --reps."""


@dataclass(frozen=True)
class Plan:
    """A series that is to be measured."""

    server: str
    connection: str
    users: tuple[int, ...]


# The table of the assignment for both servers; then what is beyond it, for phttpd alone.
PLANS = (
    Plan(SEQUENTIAL, CLOSE, (1, 8, 64, 128, 256, 512)),
    Plan(PHTTPD, CLOSE, (1, 8, 64, 128, 256, 512, 1024, 2048)),
    Plan(PHTTPD, KEEP_ALIVE, (1, 8, 64, 512)),
)


def measure(docroot: Path, seconds: int, plans: Sequence[Plan] = PLANS) -> Report:
    """Lay siege to both servers in turn.

    Args:
        docroot: the directory that both serve, with PAGE in it.
        seconds: time of each run.
        plans: what to measure.

    Raises:
        UnavailableError: something that is needed is not there.
        MeasurementError: a server does not serve from the start.
    """
    content = (docroot / PAGE).read_bytes()
    allow_files(max(users for plan in plans for users in plan.users))
    date = datetime.now(UTC).isoformat(timespec="seconds")
    about_machine, about_versions = machine(), versions()
    series = []
    with display() as progress:
        for plan in plans:
            title = f"{plan.server}, {plan.connection}"
            bar = progress.add_task(title, total=seconds * len(plan.users), users="")
            with servers.run(plan.server, docroot) as server:
                runner = Runner(server, plan, seconds, content, progress, bar)
                cells = runner.cells()
                said = server.said()
            series.append(Series(plan.server, plan.connection, plan.users, cells, said))
    return Report(date, seconds, about_machine, about_versions, PAGE, len(content), tuple(series))


def display() -> Progress:
    """Return progress bars that cost the machine next to nothing: they draw once a second."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[users]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        auto_refresh=False,
    )


@dataclass(frozen=True)
class Runner:
    """Measures one series against a running server."""

    server: servers.Server
    plan: Plan
    seconds: int
    content: bytes
    progress: Progress
    bar: TaskID

    def cells(self) -> tuple[Cell, ...]:
        """Run Siege with more and more users, until all are done or something breaks down."""
        self.server.check(PAGE, self.content)
        cells: list[Cell] = []
        for number, users in enumerate(self.plan.users):
            before = cells[-1].figures if cells else None
            rate = before.transaction_rate if before else 0.0
            cells.append(self._cell(users, rate, number * self.seconds))
            self.progress.console.print(summary(self.plan, cells[-1]))
            if cells[-1].breakdown:
                break
        self._show("done", self.seconds * len(self.plan.users))
        return tuple(cells)

    def _show(self, users: str, completed: float) -> None:
        self.progress.update(self.bar, users=users, completed=completed, refresh=True)

    def _cell(self, users: int, rate: float, completed: int) -> Cell:
        """Run Siege until it comes to an end.

        Args:
            users: how many.
            rate: the expected transactions per second; 0 if unknown.
            completed: seconds of the series that are over.
        """

        def tick(passed: float) -> None:
            self._show(plural(users), completed + min(passed, self.seconds))

        tick(0)
        loads = max(1, round(rate * self.seconds / users))
        for attempt in range(1, ATTEMPTS + 1):
            # More than one Siege hardly ever ends well by the time.
            reps = loads if rate and (users > MOST or attempt == ATTEMPTS) else None
            try:
                return self._run(users, reps, tick)
            except SiegeError as error:
                reason = str(error)
                if ailment := self._ailment():
                    reason += f"; {ailment}"
                    break
        return Cell(users, None, breakdown=reason)

    def _run(self, users: int, reps: int | None, tick: Callable[[float], None]) -> Cell:
        cpu, start = self.server.cpu_seconds(), time.monotonic()
        result = attack(
            self.server.url(PAGE),
            users=users,
            seconds=self.seconds,
            connection=self.plan.connection,
            tick=tick,
            reps=reps,
        )
        passed, cpu = time.monotonic() - start, self.server.cpu_seconds() - cpu
        return Cell(
            users,
            result.figures,
            server_cpu=round(max(cpu, 0) / passed, 2),
            siege_cpu=round(result.cpu_seconds / passed, 2),
            reps=reps,
            errors=result.errors,
            breakdown=breakdown_of(result.figures) or self._ailment(),
        )

    def _ailment(self) -> str:
        """Say what is wrong with the server; nothing if it is well."""
        try:
            self.server.check(PAGE, self.content)
        except MeasurementError as error:
            return str(error)
        return ""


def breakdown_of(figures: Figures) -> str:
    """Say why a run is too bad for one with more users; nothing if it is not."""
    failed, fine = figures.failed_transactions, figures.transactions
    if failed >= FAILURES:
        return f"Siege gave up after {failed} failed transactions"
    if failed >= fine:
        return f"{failed} transactions failed and {fine} did not"
    return ""


def summary(plan: Plan, cell: Cell) -> str:
    """Return one line about a run."""
    line = f"{plan.server}, {plan.connection}, {plural(cell.users)}: "
    if cell.figures:
        line += f"{cell.figures.transaction_rate:.0f}/s, {cell.figures.failed_transactions} failed"
    return line + (f" [red]broke down: {cell.breakdown}[/]" if cell.breakdown else "")
