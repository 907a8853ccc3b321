"""The counters of a running server, as a program reads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd.observe.counters import FAMILIES, read_counters
from httpd.observe.counts import (
    BYTES,
    CLOSE_REASONS,
    OTHER,
    REFUSE_REASONS,
    REQUESTS,
    CountTable,
)
from httpd.observe.ledger import _HEADER, Ledger, read_ledger

LOGS = Path(__file__).parents[3] / "docs" / "reference" / "logs.md"

OWNER = """
import sys
from collections import Counter
from httpd.observe.counts import CountTable
from httpd.observe.ledger import Ledger

ledger, ended, number = Ledger.create(), Counter(), 0
print("ready", flush=True)
while True:
    number += 1
    table = CountTable.create(2, ["-", "a.example"], [200, 404], number)
    ledger.write([number], ended)
    for _ in range(50):
        for cell in range(len(table.keys)):
            table.row(0)[cell] += 1
            table.row(1)[cell] += 2
    ended.update(table.values())
    ledger.write([], ended)
    del table
"""


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    """A process whose generations count, end, and are added to its ledger, as fast as it can."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_counters_never_fall_while_generations_end(owner: subprocess.Popen[str]) -> None:
    before: dict[tuple[str, ...], int] = {}
    generations: set[int] = set()
    while len(generations) < 10:
        counters = read_counters(owner.pid)
        seen = {
            (name, *labels): value
            for name, values in counters.values.items()
            for labels, value in values.items()
        }
        assert all(seen.get(key, 0) >= value for key, value in before.items())
        before = seen
        generations.add(counters.total(REQUESTS) // 600)


def test_counters_of_a_process_without_a_ledger_are_none() -> None:
    with pytest.raises(ProcessLookupError):
        read_counters(os.getppid())


def test_counters_have_the_labels_of_their_family() -> None:
    table = CountTable.create(2, ["-", "a.example", "-"], [200, 404], 4_000_001)
    labels = {family.name: family.labels for family in FAMILIES}
    per_site = 2 * (2 + 1)
    reasons = len(REFUSE_REASONS) + len(CLOSE_REASONS)
    assert len(table.keys) == len(set(table.keys)) == per_site + 1 + reasons
    for name, *values in table.keys:
        assert len(values) == len(labels[name])


def test_reasons_of_closes_are_those_that_are_documented() -> None:
    text = LOGS.read_text().partition("## Why a connection was closed")[2]
    cells = re.findall(r"^\| (`.*?) \|", text, re.M)
    documented = {name for cell in cells for name in re.findall("`(.*?)`", cell)}
    errors_of_the_system = {"Too many open files", "Input/output error"}
    assert documented - errors_of_the_system == {*CLOSE_REASONS} - {OTHER}


def test_table_has_the_sums_of_all_workers() -> None:
    table = CountTable.create(3, ["-"], [200], 4_000_002)
    for worker in range(3):
        table.row(worker)[0] = 10**worker
    table.row(1)[1] = 5
    assert table.values() == {(REQUESTS, "-", "200"): 111, (BYTES, "-"): 5}


def test_ledger_that_is_half_written_is_not_read() -> None:
    ledger = Ledger.create()
    ledger.write([3], {("a", "b"): 4})
    assert ledger.read() == (frozenset({3}), {("a", "b"): 4})
    text = json.dumps([[4], []]).encode()
    _HEADER.pack_into(ledger._memory, 0, 1, len(text), zlib.crc32(text))
    with pytest.raises(ValueError, match="not written"):
        ledger.read()


def test_ledger_of_another_version_is_none() -> None:
    assert read_ledger(os.getppid()) is None
