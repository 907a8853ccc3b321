"""Every target, for a moment: the inputs that it begins with, those that once broke something, and
a thousand that the fuzzer makes of them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fuzz import campaign
from tests.fuzz.check import NAMES, STRETCHED, check, check_speed, make_target, stretch
from tests.fuzz.seeds import make_seeds
from tests.support import require
from tests.unit.guard import must_end

RUNS = 1000
MIN_COVERAGE = 5
"""Places in the code that the fuzzer must have seen, to be guided by anything."""

every_target = pytest.mark.parametrize("name", NAMES)


@every_target
def test_fuzz_target_takes_the_inputs_that_it_begins_with(name: str, tmp_path: Path) -> None:
    target = make_target(name, tmp_path)
    for data in make_seeds()[name]:
        with must_end():
            target(data)
            check_speed(target, data)


@every_target
def test_fuzz_target_takes_the_inputs_that_once_broke_it(name: str, tmp_path: Path) -> None:
    target = make_target(name, tmp_path)
    for path in sorted((campaign.FOUND / name).glob("*")):
        with must_end():
            check(target, path.read_bytes())


@pytest.mark.slow
@every_target
def test_fuzz_target_survives_a_bounded_run(name: str, tmp_path: Path) -> None:
    require.module("atheris", "fuzz")
    found = tmp_path / "found"
    done = campaign.run(name, tmp_path / "corpus", found, "-seed=1", f"-runs={RUNS}", quiet=True)
    broken = [path.read_bytes() for path in found.iterdir()]
    assert done.returncode == 0, f"{broken}\n{done.stderr[-4000:]}"
    assert int(re.findall(r"cov: (\d+)", done.stderr)[-1]) >= MIN_COVERAGE


def test_stretched_input_is_long_and_always_the_same() -> None:
    for data in (b"", b"a", b"GET / HTTP/1.1\r\n", b"x" * 100):
        assert stretch(data) == stretch(data)
        assert STRETCHED / 2 <= len(stretch(data)) <= STRETCHED + len(data)
