"""The instructions of a request are those that are expected; dumps are read and compared
correctly.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.environment import MeasurementError, UnavailableError
from benchmarks.instructions import expected
from benchmarks.instructions.counting import Counts, Piece, per_request, total_of
from tests.support import require

ROOT = Path(__file__).parents[2]
SECONDS = 300
NOT_THERE = 69

BUILD = "3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]"


def instructions(*options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "instructions", *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.debian("valgrind")
def test_instructions_of_requests_are_the_expected_ones() -> None:
    require.module("rich", "bench")
    require.command("valgrind", "valgrind")
    done = instructions()
    if done.returncode == NOT_THERE:  # another build of Python than those that were counted
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.debian("valgrind")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--python=/nowhere/python3"], "there is no /nowhere/python3"),
        (["--against=/nowhere"], "/nowhere is no checkout of phttpd"),
    ],
)
def test_instructions_cannot_be_counted_without_what_is_needed(
    options: list[str], message: str
) -> None:
    require.module("rich", "bench")
    require.command("valgrind", "valgrind")
    done = instructions(f"--python={sys.executable}", *options)
    assert (done.returncode, message in done.stderr) == (NOT_THERE, True), done.stderr


def test_instructions_are_the_total_of_a_dump() -> None:
    dump = (
        "# callgrind format\nevents: Ir\nsummary: 12\n\nfn=(1) totals\n0 totals: 1\n\ntotals: 34\n"
    )
    assert total_of(dump) == 34
    with pytest.raises(MeasurementError):
        total_of(dump.removesuffix("totals: 34\n"))


def test_instructions_of_a_request_are_a_median_without_the_marks() -> None:
    pieces = [
        *(Piece(None, 1, total) for total in (100, 90, 110)),
        *(Piece("hit", 16, total) for total in (1700, 100_000, 1600)),
        *(Piece("cold", 1, total) for total in (600, 500, 0)),
    ]
    assert per_request(pieces) == {"hit": 100, "cold": 400}


def test_instructions_outside_the_tolerance_are_found() -> None:
    wanted = {"same": 1000, "more": 1000, "less": 1000, "gone": 1000}
    assert expected.outside(wanted, {**wanted, "more": 1020, "less": 980}) == {}
    measured = {"same": 1000, "more": 1021, "less": 979, "new": 1}
    assert expected.outside(wanted, measured) == {
        "more": "takes more",
        "less": "takes less",
        "gone": "is not measured any more",
        "new": "is new",
    }


def test_instructions_are_those_of_one_build(tmp_path: Path) -> None:
    stored = tmp_path / "expected.json"
    stored.write_text("{}")
    with pytest.raises(UnavailableError, match=r"no counts of Python 3\.11\.2 "):
        expected.load(BUILD, stored)
    expected.store(Counts(BUILD, {"hit": 1}), stored)
    expected.store(Counts(BUILD.replace("3.11.2", "3.11.7"), {"hit": 7}), stored)
    expected.store(Counts(BUILD, {"hit": 2}), stored)
    assert expected.load(BUILD, stored) == {"hit": 2}
    with pytest.raises(UnavailableError, match="are stored for the build"):
        expected.load(BUILD.replace("12.2.0", "13.1.0"), stored)
    assert len(json.loads(stored.read_text())) == 2
