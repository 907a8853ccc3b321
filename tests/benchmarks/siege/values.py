"""Reports that the tests are about, made of few numbers."""

from __future__ import annotations

from dataclasses import replace

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


def figures(rate: float, concurrency: float = 7.77, failed: int = 0) -> Figures:
    count = int(rate * 60)
    return Figures(
        transactions=count,
        availability=round(100 * count / max(1, count + failed), 2),
        elapsed_time=59.87,
        data_transferred=round(count * 3606 / 2**20, 2),
        response_time=round(concurrency / rate, 2) if rate else 0.0,
        transaction_rate=rate,
        throughput=round(rate * 3606 / 2**20, 2),
        concurrency=concurrency,
        successful_transactions=count,
        failed_transactions=failed,
        longest_transaction=7.07,
        shortest_transaction=0.01,
    )


def cell(users: int, rate: float, concurrency: float = 7.77, failed: int = 0) -> Cell:
    return Cell(users, figures(rate, concurrency, failed), server_cpu=0.61, siege_cpu=1.23)


def series(
    server: str, *cells: Cell, connection: str = CLOSE, more: tuple[int, ...] = ()
) -> Series:
    return Series(server, connection, tuple(one.users for one in cells) + more, cells)


def report(*every: Series) -> Report:
    return Report(
        date="2026-11-23T22:00:00+00:00",
        seconds=60,
        machine={"processor": "R&D <fast>", "cores": "2", "load average": "0.01"},
        versions={"phttpd": "0.1.0", "Siege": "4.0.7"},
        page="index.html",
        page_bytes=3606,
        series=every,
    )


BROKEN = Cell(
    256,
    figures(19.25, failed=1025),
    server_cpu=0.02,
    siege_cpu=0.05,
    errors={"socket: unable to connect Connection refused": 1025, "other <odd> & rare": 1},
    breakdown="Siege gave up after 1025 failed transactions",
)

EVENTFUL = report(
    series(
        SEQUENTIAL,
        cell(1, 2100.25, 0.87),
        cell(8, 5021.5),
        cell(64, 4890.75, 63.21, failed=3),
        cell(128, 4711.11, 120.5),
        BROKEN,
        more=(512,),
    ),
    series(
        PHTTPD,
        cell(1, 2000.5, 0.9),
        cell(8, 5100.0),
        cell(64, 9123.45, 63.9),
        cell(128, 9222.22, 127.1),
        cell(256, 9012.34, 255.01),
        cell(512, 8765.43, 509.99),
        replace(cell(1024, 7654.32, 1001.5), reps=512),
        Cell(2048, None, breakdown="Siege did not end within 80 s"),
    ),
    series(PHTTPD, cell(1, 4321.0, 0.8), cell(512, 12345.67, 500.0), connection=KEEP_ALIVE),
)
"""Failures, a breakdown with figures and one without, and numbers of users that were not tried."""
