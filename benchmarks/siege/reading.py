"""Reads the figures: sentences that say what was measured, and no more than that."""

from __future__ import annotations

from collections.abc import Iterator

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

ALIKE = 1.05
"""Figures whose ratio is below this are called about the same; runs differ by as much."""

BUSY = 0.25
"""Load per core from which on a machine is not idle."""

NOT_READY = "socket: select and discovered it's not ready Connection timed out"
"""What Siege says besides of a transaction that timed out, which has a message of its own."""

SPEC_USERS = 512
"""The largest number of users that both servers are to be measured with."""


def reading(report: Report) -> list[str]:
    """Return paragraphs about a report."""
    sequential, phttpd = report.of(SEQUENTIAL, CLOSE), report.of(PHTTPD, CLOSE)
    paragraphs = []
    if sequential and phttpd and sequential.sound and phttpd.sound:
        paragraphs.append(" ".join(comparison(sequential, phttpd)))
    paragraphs.append(" ".join(failures(report)))
    beyond = [*more_users(phttpd), *persistence(phttpd, report.of(PHTTPD, KEEP_ALIVE))]
    if beyond:
        paragraphs.append(" ".join(beyond))
    limits = [*generator(phttpd), *noise(report)]
    if limits:
        paragraphs.append(" ".join(limits))
    return paragraphs


def comparison(sequential: Series, phttpd: Series) -> Iterator[str]:
    """Compare the best rates, those with equal users, and those with the most users of both."""
    yield f"{best('The original web server', sequential)} {best('phttpd', phttpd)}"
    ours, theirs = phttpd.sound, sequential.sound
    common = [users for users in ours if users in theirs]
    if not common:
        return
    leads = {n: ours[n].transaction_rate / theirs[n].transaction_rate for n in common}
    ahead = [users for users, lead in leads.items() if lead >= ALIKE]
    behind = [users for users, lead in leads.items() if lead <= 1 / ALIKE]
    level = [users for users in common if users not in ahead and users not in behind]
    if ahead:
        most = max(ahead, key=lambda users: leads[users])
        yield (
            f"phttpd had the higher rate with {listed(ahead)}; the most with {most}, "
            f"{leads[most]:.1f} times that of the original web server."
        )
    if level:
        yield f"The rates were about the same with {listed(level)}."
    if behind:
        least = min(behind, key=lambda users: leads[users])
        yield (
            f"The original web server had the higher rate with {listed(behind)}; the most with "
            f"{least}, {1 / leads[least]:.1f} times that of phttpd."
        )
    largest = common[-1]
    yield (
        f"With {plural(largest)}, a transaction took {times(theirs[largest])} from the original "
        f"web server, and {times(ours[largest])} from phttpd."
    )


def best(name: str, series: Series) -> str:
    users, figures = peak(series)
    rate = f"{figures.transaction_rate:,.0f} transactions a second"
    return f"{name} answered at most {rate}, to {plural(users)}."


def peak(series: Series) -> tuple[int, Figures]:
    """Return the number of users with the highest rate, and the figures."""
    return max(series.sound.items(), key=lambda item: item[1].transaction_rate)


def times(figures: Figures) -> str:
    mean = figures.mean_ms or 0.0
    return f"{mean:.1f} ms on average and {figures.longest_transaction:.2f} s at the longest"


def failures(report: Report) -> Iterator[str]:
    """Say what failed, and where a series ended."""
    failed = False
    for series in report.series:
        for cell in series.cells:
            if cell.figures and cell.figures.failed_transactions and not cell.breakdown:
                failed = True
                yield (
                    f"With {plural(cell.users)}, {cell.figures.failed_transactions:,} of "
                    f"{cell.figures.failed_transactions + cell.figures.transactions:,} "
                    "transactions "
                    f"with {name_of(series)} failed{messages(cell)}."
                )
        if series.broken:
            failed = True
            yield (
                f"The series with {name_of(series)} ended at {plural(series.broken.users)}: "
                f"{series.broken.breakdown}{messages(series.broken)}."
            )
    if not failed:
        yield "No transaction failed, and no server broke down."


def name_of(series: Series) -> str:
    if series.server == SEQUENTIAL:
        return "the original web server"
    return "phttpd and persistent connections" if series.connection == KEEP_ALIVE else "phttpd"


def messages(cell: Cell) -> str:
    """Return Siege's messages, which say why transactions failed, if there were any."""
    said = dict(cell.errors)
    also = said.pop(NOT_READY, 0)
    if also and also not in said.values():  # else another message is of the same transactions
        said[NOT_READY] = also
    parts = [f"“{message}”, {often(count)}" for message, count in said.items()]
    failed = cell.figures.failed_transactions if cell.figures else 0
    if parts and failed > sum(said.values()):
        parts.append(f"{failed - sum(said.values()):,} without a message")
    return f" (Siege: {'; '.join(parts)})" if parts else ""


def often(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def more_users(phttpd: Series | None) -> Iterator[str]:
    """Say how it went with more users than the assignment asks for."""
    more = {n: one for n, one in phttpd.sound.items() if n > SPEC_USERS} if phttpd else {}
    if more:
        rates = [f"{one.transaction_rate:,.0f} a second to {plural(n)}" for n, one in more.items()]
        yield f"Beyond {SPEC_USERS} users, phttpd answered {' and '.join(rates)}."


def persistence(close: Series | None, keep_alive: Series | None) -> Iterator[str]:
    """Say what persistent connections change."""
    if not close or not keep_alive or not close.sound or not keep_alive.sound:
        return
    users, figures = peak(keep_alive)
    ratio = figures.transaction_rate / peak(close)[1].transaction_rate
    yield (
        f"With persistent connections it answered at most {figures.transaction_rate:,.0f} "
        f"transactions a second, to {plural(users)}: {ratio:.1f} times its best without them."
    )


def generator(phttpd: Series | None) -> Iterator[str]:
    """Say how much of the machine Siege took where phttpd was fastest."""
    if not phttpd or not phttpd.sound:
        return
    users, _ = peak(phttpd)
    cell = next(cell for cell in phttpd.cells if cell.users == users)
    ours, theirs = f"{cell.server_cpu:.2f}", f"{cell.siege_cpu:.2f}"
    yield f"At its best rate phttpd used {ours} cores and Siege {theirs}."
    if cell.siege_cpu > cell.server_cpu:
        yield (
            "Siege took more of the machine than the server that it measured, so a part of the "
            "limit is Siege’s own."
        )


def noise(report: Report) -> Iterator[str]:
    """Say so if the machine had other work to do."""
    load, cores = report.machine["load average"], report.machine["cores"]
    if float(load) > BUSY * int(cores):
        yield (
            f"The machine was not idle: its load average was {load} on {cores} cores before the "
            "first run. Figures from an idle machine will be higher, and steadier."
        )


def plural(users: int) -> str:
    return "1 user" if users == 1 else f"{users} users"


def listed(users: list[int]) -> str:
    """Return `1, 8 and 64 users`."""
    if len(users) == 1:
        return plural(users[0])
    return f"{', '.join(map(str, users[:-1]))} and {users[-1]} users"
