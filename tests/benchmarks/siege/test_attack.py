"""What Siege says is read as it is meant, also when it says little."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.siege import attack
from benchmarks.siege.attack import SiegeError, count_messages, parse
from benchmarks.siege.figures import CLOSE, Figures, FiguresError, total
from benchmarks.siege.measure import breakdown_of
from tests.benchmarks.siege.values import figures

SIEGE_4_0_7 = """\
New configuration template added to /home/somebody/.siege
Run siege -C to view the current settings in that file
{\t"transactions":\t\t\t        3526,
\t"availability":\t\t\t      100.00,
\t"elapsed_time":\t\t\t        1.37,
\t"data_transferred":\t\t       12.13,
\t"response_time":\t\t        0.00,
\t"transaction_rate":\t\t     2573.72,
\t"throughput":\t\t\t        8.85,
\t"concurrency":\t\t\t        7.81,
\t"successful_transactions":\t        3526,
\t"failed_transactions":\t\t           0,
\t"longest_transaction":\t\t        0.03,
\t"shortest_transaction":\t\t        0.00
}
"""

SIEGE_4_1_7 = """\
{
\t"transactions":\t\t\t        3023,
\t"availability":\t\t\t      100.00,
\t"elapsed_time":\t\t\t        2.75,
\t"data_transferred":\t\t       10.40,
\t"response_time":\t\t        0.01,
\t"transaction_rate":\t\t     1099.27,
\t"throughput":\t\t\t        3.78,
\t"concurrency":\t\t\t        7.93,
\t"successful_transactions":\t        3024,
\t"failed_transactions":\t\t           0,
\t"longest_transaction":\t\t        0.03,
\t"shortest_transaction":\t\t        0.00
}
"""

REFUSED = """\
{
\t"transactions":\t\t\t           0,
\t"availability":\t\t\t        0.00,
\t"elapsed_time":\t\t\t        0.07,
\t"data_transferred":\t\t        0.00,
\t"response_time":\t\t        0.00,
\t"transaction_rate":\t\t        0.00,
\t"throughput":\t\t\t        0.00,
\t"concurrency":\t\t\t        0.00,
\t"successful_transactions":\t           0,
\t"failed_transactions":\t\t        1031,
\t"longest_transaction":\t\t        0.00,
\t"shortest_transaction":\t\t        0.00
}
"""

REFUSED_MESSAGES = (
    "[\x1b[1;33merror\x1b[0m] socket: unable to connect sock.c:282: Connection refused\n" * 3
    + "[\x1b[1;33merror\x1b[0m] socket: -1418451264 address is unavailable.: Cannot assign\n"
    + "[error] socket: 140202116658 address is unavailable.: Cannot assign\n\n"
)


def test_attack_reads_the_figures_of_siege_4_0() -> None:
    assert parse(SIEGE_4_0_7) == Figures(
        transactions=3526,
        availability=100.0,
        elapsed_time=1.37,
        data_transferred=12.13,
        response_time=0.0,
        transaction_rate=2573.72,
        throughput=8.85,
        concurrency=7.81,
        successful_transactions=3526,
        failed_transactions=0,
        longest_transaction=0.03,
        shortest_transaction=0.0,
    )


def test_attack_reads_the_figures_of_siege_4_1() -> None:
    found = parse(SIEGE_4_1_7)
    assert (found.transactions, found.successful_transactions) == (3023, 3024)
    assert (found.elapsed_time, found.transaction_rate) == (2.75, 1099.27)


def test_attack_has_a_mean_finer_than_the_response_time() -> None:
    mean = parse(SIEGE_4_0_7).mean_ms
    assert mean is not None
    assert round(mean, 3) == round(1000 * 7.81 / 2573.72, 3)
    assert parse(REFUSED).mean_ms is None


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("", "no JSON"),
        ("siege: segmentation fault\n", "no JSON"),
        (SIEGE_4_0_7[:-2], "no JSON"),
        (SIEGE_4_0_7.replace("2573.72", "-nan"), "no JSON"),
        (SIEGE_4_0_7.replace("throughput", "thrupt"), "throughput is None"),
        (SIEGE_4_0_7.replace("3526", "-1"), "transactions is -1"),
        (SIEGE_4_0_7.replace("3526", '"many"'), "transactions is 'many'"),
    ],
)
def test_attack_refuses_what_is_no_output_of_siege(output: str, complaint: str) -> None:
    with pytest.raises(FiguresError, match=complaint):
        parse(output)


def test_attack_counts_messages_without_what_differs() -> None:
    assert count_messages(REFUSED_MESSAGES) == {
        "socket: unable to connect Connection refused": 3,
        "socket: address is unavailable.: Cannot assign": 2,
    }


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (parse(SIEGE_4_0_7), ""),
        (figures(100.0, failed=1023), ""),
        (figures(100.0, failed=1024), "Siege gave up after 1024 failed transactions"),
        (figures(1.0, failed=60), "60 transactions failed and 60 did not"),
        (figures(0.0), "0 transactions failed and 0 did not"),
        (parse(REFUSED), "Siege gave up after 1031 failed transactions"),
    ],
)
def test_attack_tells_breakdowns_from_success(found: Figures, wanted: str) -> None:
    assert breakdown_of(found) == wanted


def test_attack_gives_one_siege_only_so_many_users() -> None:
    assert [attack.send_budget(users) for users in (1, 512, 1024, 2048)] == [
        [1],
        [512],
        [512, 512],
        [512] * 4,
    ]
    assert attack.send_budget(1025) == [342, 342, 341]


def test_attack_adds_the_figures_of_several_sieges() -> None:
    one = parse(SIEGE_4_0_7)
    other = replace(
        one,
        transactions=1000,
        elapsed_time=2.0,
        concurrency=5.0,
        data_transferred=3.0,
        failed_transactions=10,
        longest_transaction=1.5,
    )
    assert total([one]) is one
    assert total([one, other]) == Figures(
        transactions=4526,
        availability=99.78,  # of 4536
        elapsed_time=2.0,
        data_transferred=15.13,
        response_time=0.0,  # 20.7 s in 4526 transactions
        transaction_rate=2263.0,
        throughput=7.57,
        concurrency=10.35,
        successful_transactions=7052,
        failed_transactions=10,
        longest_transaction=1.5,
        shortest_transaction=0.0,
    )
    assert total([parse(REFUSED)] * 2).transaction_rate == 0


def lay_siege() -> attack.Attack:
    return attack.attack(
        "http://127.0.0.1:1/", users=1, seconds=2, connection=CLOSE, tick=lambda _: None
    )


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo '[error] system resources exhausted' >&2; exit 1", "status 1: .*exhausted"),
        ("kill -SEGV $$", "status -11: it said nothing"),
        ("echo hello", "said no figures: no JSON in 'hello"),
    ],
)
def test_attack_of_a_siege_that_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, complaint: str
) -> None:
    program = tmp_path / "siege"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SiegeError, match=complaint):
        lay_siege()


def test_attack_ends_a_siege_that_does_not_stop() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        try:
            with pytest.raises(SiegeError, match="did not end within 0 s"):
                attack.wait([process], 0, lambda _: None)
        finally:
            process.kill()
