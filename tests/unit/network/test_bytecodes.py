"""The bytecodes of a hit, a close and a cold request are bounded on each Python that is installed.

Each minor version compiles to bytecodes of its own, and so has bounds of its own.  The bounds are
what was measured, rounded up.  A change that makes a request cheaper lowers them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import pythons

ROOT = Path(__file__).parents[3]


class Bounds(NamedTuple):
    """Bytecodes of each kind of request; `tests.unit.network.bytecodes` says what the kinds are.

    `cold_frames` are the Python functions that a cold request calls.  `first` is a cold request
    whose header section is new as well, `ruled` one of a file for which a rule sets a field, and
    `general` one that takes the general way, to a site with rules.
    """

    hit: int
    close: int
    cold: int
    cold_frames: int
    first: int
    first_frames: int
    ruled: int
    ruled_frames: int
    general: int
    general_frames: int


BOUNDS = {
    (3, 11): Bounds(169, 153, 750, 16, 1101, 22, 861, 18, 1523, 36),
    (3, 12): Bounds(153, 135, 682, 16, 1007, 22, 785, 18, 1403, 36),
    (3, 13): Bounds(155, 139, 691, 16, 999, 22, 793, 18, 1408, 36),
    (3, 14): Bounds(167, 148, 734, 16, 1059, 22, 851, 18, 1492, 36),
}


def measured(python: str) -> dict[str, list[float]]:
    """Return the counts of each kind of request, several of each."""
    done = subprocess.run(
        [python, "-B", "-m", "tests.unit.network.bytecodes"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, list[float]] = json.loads(done.stdout)
    return counts


def test_bytecodes_of_the_python_of_the_tests_have_bounds() -> None:
    assert sys.version_info[:2] in BOUNDS


@pytest.mark.parametrize("minor", BOUNDS, ids=lambda minor: "{}.{}".format(*minor))
def test_bytecodes_of_a_request_are_within_their_bounds(minor: tuple[int, int]) -> None:
    found = [python for python in pythons.installed() if python.minor == minor]
    if not found:
        pytest.skip("Python {}.{} is not installed".format(*minor))
    for python in found:
        for kind, counts in measured(python.path).items():
            assert len(set(counts)) == 1, f"{kind} on {python.path}: {counts} are not equal"
            bound = getattr(BOUNDS[minor], kind)
            assert counts[0] <= bound, f"{kind} on {python.path}: {counts[0]} of {bound}"
