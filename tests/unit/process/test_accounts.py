"""The accounts of a supervisor: what was counted, through all generations and upgrades."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from httpd.observe.counts import REQUESTS, CountTable, read_tables
from httpd.observe.ledger import Entries
from httpd.process import accounts
from httpd.process.accounts import Accounts

KEY = (REQUESTS, "-", "200")
PLAN: Any = SimpleNamespace(
    process=SimpleNamespace(workers=2),
    worker=SimpleNamespace(
        frontend=SimpleNamespace(gateway=SimpleNamespace(sites=[SimpleNamespace(name="a")]))
    ),
)


def add(table: CountTable, worker: int, count: int) -> None:
    table.row(worker)[table.keys.index(KEY)] += count


def total(accounts: Accounts) -> int:
    """Return what a reader sees."""
    entries = accounts._ledger.read()
    running = [accounts.tables[number].values() for number in entries.running]
    return sum(counts.get(KEY, 0) for counts in (entries.values, *running))


def test_accounts_keep_what_an_ended_generation_has_counted() -> None:
    mine = Accounts()
    for number in range(1, 4):
        mine.open(number, PLAN)
        add(mine.tables[number], 0, 1)
        add(mine.tables[number], 1, 10)
        assert total(mine) == number * 11
        mine.keep([number])
        assert [*mine.tables] == [number]
        assert total(mine) == number * 11
    mine.keep([])
    assert (mine.tables, total(mine)) == ({}, 33)


def test_accounts_have_events_that_no_worker_counts() -> None:
    mine = Accounts()
    for _ in range(3):
        mine.count("reloads_total", "success")
    assert mine._ledger.read().values == {("reloads_total", "success"): 3}


@pytest.fixture
def heir(monkeypatch: pytest.MonkeyPatch) -> tuple[Accounts, Accounts]:
    """The accounts of a predecessor and of its successor, in one process."""
    theirs = Accounts()
    monkeypatch.setattr(accounts, "read_tables", lambda _: dict(theirs.tables))
    monkeypatch.setattr(accounts, "read_ledger", lambda _: theirs._ledger.read())
    return theirs, Accounts()


def test_accounts_of_a_predecessor_are_counted_once(heir: tuple[Accounts, Accounts]) -> None:
    theirs, mine = heir
    theirs.open(1, PLAN)
    add(theirs.tables[1], 0, 1)
    theirs.keep([])
    for number, count in ((2, 10), (3, 100)):
        theirs.open(number, PLAN)
        add(theirs.tables[number], 0, count)
    mine.open(4, PLAN)
    mine.inherit(0)  # when it starts
    assert total(mine) == 111
    theirs.keep([3])  # while it boots
    theirs.count("worker_restarts_total")
    add(theirs.tables[3], 1, 1000)
    mine.inherit(0)  # when it takes over
    assert total(mine) == 1111
    add(mine.tables[4], 0, 10_000)
    mine.keep([4])
    add(theirs.tables[3], 1, 100_000)
    assert total(mine) == 111_111
    mine.end_inherited()
    assert total(mine) == 111_111
    assert [*mine.tables] == [4]
    assert mine._ledger.read().values[("worker_restarts_total",)] == 1


def test_accounts_of_a_predecessor_of_another_version_are_none(
    heir: tuple[Accounts, Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "read_ledger", lambda _: None)
    _, mine = heir
    mine.inherit(0)
    assert mine._ledger.read() == Entries(frozenset(), {})


def test_accounts_of_this_process_can_be_read() -> None:
    """By the name of the memory."""
    mine = Accounts()
    mine.open(5_000_001, PLAN)
    add(mine.tables[5_000_001], 0, 7)
    assert read_tables(os.getpid())[5_000_001].values() == {KEY: 7}
