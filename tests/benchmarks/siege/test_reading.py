"""What the report says in words is true for whatever was measured."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.siege.figures import KEEP_ALIVE, PHTTPD, SEQUENTIAL, Cell, Series
from benchmarks.siege.reading import NOT_READY, reading
from tests.benchmarks.siege.values import EVENTFUL, cell, figures, report, series


def text(*every: Series) -> str:
    return " ".join(reading(report(*every)))


def test_reading_of_an_eventful_report_says_all() -> None:
    assert reading(EVENTFUL) == [
        "The original web server answered at most 5,022 transactions a second, to 8 users. "
        "phttpd answered at most 9,222 transactions a second, to 128 users. "
        "phttpd had the higher rate with 64 and 128 users; the most with 128, "
        "2.0 times that of the original web server. "
        "The rates were about the same with 1 and 8 users. "
        "With 128 users, a transaction took 25.6 ms on average and 7.07 s at the longest "
        "from the original web server, and 13.8 ms on average and 7.07 s at the longest "
        "from phttpd.",
        "With 64 users, 3 of 293,448 transactions with the original web server failed. "
        "The series with the original web server ended at 256 users: Siege gave up after 1025 "
        "failed transactions (Siege: “socket: unable to connect Connection refused”, 1,025 times; "
        "“other <odd> & rare”, once). "
        "The series with phttpd ended at 2048 users: Siege did not end within 80 s.",
        "Beyond 512 users, phttpd answered 7,654 a second to 1024 users. "
        "With persistent connections it answered at most 12,346 transactions a second, to 512 "
        "users: 1.3 times its best without them.",
        "At its best rate phttpd used 0.61 cores and Siege 1.23. Siege took more of the machine "
        "than the server that it measured, so a part of the limit is Siege’s own.",
    ]


def test_reading_calls_a_slower_phttpd_slower() -> None:
    said = text(series(SEQUENTIAL, cell(1, 3000.0)), series(PHTTPD, cell(1, 2000.0)))
    assert "The original web server had the higher rate with 1 user; the most with 1, 1.5" in said
    assert "phttpd had the higher rate" not in said
    assert "about the same" not in said


def test_reading_of_a_quiet_report_is_short() -> None:
    said = text(series(SEQUENTIAL, cell(1, 2000.0)), series(PHTTPD, cell(1, 2000.0)))
    assert "The rates were about the same with 1 user." in said
    assert "No transaction failed, and no server broke down." in said
    assert "Beyond" not in said
    assert "persistent" not in said


def test_reading_says_that_a_server_took_more_than_siege() -> None:
    busy = Cell(1, figures(2000.0), server_cpu=1.5, siege_cpu=0.4)
    said = text(series(PHTTPD, busy))
    assert "phttpd used 1.50 cores and Siege 0.40." in said
    assert "Siege’s own" not in said


def test_reading_calls_a_busy_machine_busy() -> None:
    idle = report(series(PHTTPD, cell(1, 2000.0)))
    busy = replace(idle, machine=idle.machine | {"load average": "0.51"})
    assert "not idle" not in " ".join(reading(idle))
    assert "its load average was 0.51 on 2 cores" in " ".join(reading(busy))


def test_reading_of_no_figures_says_so() -> None:
    dead = Cell(1, figures(0.0), breakdown="the server has ended")
    for every in (
        (series(SEQUENTIAL, dead), series(PHTTPD, cell(1, 2000.0))),
        (series(SEQUENTIAL, cell(8, 2000.0)), series(PHTTPD, cell(1, 2000.0))),
        (series(PHTTPD, dead), series(PHTTPD, dead, connection=KEEP_ALIVE)),
        (series(PHTTPD, connection=KEEP_ALIVE),),
        (),
    ):
        assert text(*every)
    assert "ended at 1 user: the server has ended" in text(series(PHTTPD, dead))


TIMED_OUT = "socket: read check timed out(30) Connection timed out"


def failed(count: int, errors: dict[str, int]) -> str:
    return text(
        series(PHTTPD, Cell(512, figures(2000.0, failed=count), errors=errors)),
    )


def test_reading_explains_all_messages_of_failures() -> None:
    said = failed(178, {NOT_READY: 126, TIMED_OUT: 126, "socket: read error": 52})
    assert f"(Siege: “{TIMED_OUT}”, 126 times; “socket: read error”, 52 times)" in said


def test_reading_counts_failures_without_a_message() -> None:
    said = failed(5, {NOT_READY: 3})
    assert f"(Siege: “{NOT_READY}”, 3 times; 2 without a message)" in said
