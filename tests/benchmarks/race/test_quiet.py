"""Whether the machine was quiet: what is read of the kernel, and when a race is not published."""

from __future__ import annotations

import pytest

from benchmarks.processes import TICKS, name_of
from benchmarks.race import quiet
from benchmarks.race.load import Round
from benchmarks.race.page import render
from benchmarks.race.quiet import Noise, Times, cores_of
from benchmarks.race.results import Results

STAT = """\
cpu  1000 10 300 5000 90 0 40 60 0 0
cpu0 600 4 200 2000 80 3 30 50 7 0
cpu1 400 6 100 3000 10 0 10 10 7 0
cpu10 9999 9999 9999 9999 9999 9999 9999 9999 0 0
intr 5000 0 0
"""


@pytest.mark.parametrize(
    ("cores", "total", "busy", "stolen"),
    [({0}, 2967, 837, 50), ({1}, 3536, 516, 10), ({0, 1}, 6503, 1353, 60), (set(), 0, 0, 0)],
)
def test_times_of_cores_are_read(cores: set[int], total: int, busy: int, stolen: int) -> None:
    assert cores_of(STAT, cores) == (total / TICKS, busy / TICKS, stolen / TICKS)


def test_threads_of_the_kernel_that_handle_packets_are_of_these_cores() -> None:
    found = quiet.network_threads({0})
    assert [name_of(pid) for pid in found] == ["ksoftirqd/0"] * len(found)


def test_race_begins_when_the_load_average_has_fallen(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = [3.0, 1.5, 0.9, 9.0]
    monkeypatch.setattr("os.getloadavg", lambda: (loads.pop(0), 0.0, 0.0))
    monkeypatch.setattr("time.sleep", lambda _: None)
    quiet.settle()
    assert loads == [9.0]


def test_race_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 0.0, 0.0))
    quiet.settle(patience=0)


def test_times_of_now_grow() -> None:
    before = Times.now({0, 1})
    passed = Times.now({0, 1}).since(before)
    assert min(passed) >= 0


@pytest.mark.parametrize(
    ("times", "foreign", "stolen"),
    [
        (Times(total=20, busy=12, stolen=1, race=10), 0.1, 0.05),
        (Times(total=20, busy=9, stolen=0, race=10), 0, 0),
        (Times(0, 0, 0, 0), 0, 0),
    ],
)
def test_share_of_others_is_what_is_not_the_race(
    times: Times, foreign: float, stolen: float
) -> None:
    assert (times.foreign, times.stolen_share) == (foreign, stolen)


QUIET = Noise(load=0.4, stolen=0.001, foreign={"4k": 0.02, "mix": 0.03})
EVEN = {"4k": 0.03, "mix": 0.08, "1m": 0.3}


@pytest.mark.parametrize(
    ("noise", "spreads", "missed"),
    [
        (QUIET, EVEN, []),
        (None, EVEN, []),
        (QUIET, {}, []),
        (Noise(load=1.5), {}, ["load average at the start"]),
        (Noise(load=0, stolen=0.02), {}, ["share of the cores that the host gave to others"]),
        (
            Noise(0, 0, {"4k": 0.01, "close": 0.3}),
            EVEN,
            ["share of the cores that other processes took, at worst (close)"],
        ),
        (QUIET, {"4k": 0.16, "mix": 0.16, "1m": 0.01}, [f"{quiet.SPREAD}, median of the cells"]),
        (
            QUIET,
            dict.fromkeys("abcdefghijk", 0.01) | dict.fromkeys("vwxyz", 0.3),
            ["cells where it is more than 0.25"],
        ),
    ],
)
def test_race_is_not_published_when_something_disturbed_it(
    noise: Noise | None, spreads: dict[str, float], missed: list[str]
) -> None:
    assert [bar.name for bar in quiet.bars(noise, spreads) if not bar.met] == missed


def results(noise: Noise | None, *costs: float) -> Results:
    rounds = {
        "phttpd": [Round(cost, 1, 1, 1, 1) for cost in costs],
        "nginx": [Round(10, 1, 1, 1, 1) for _ in costs],
    }
    return Results(titles={"4k": "4 kB"}, rounds={"4k": rounds}, noise=noise)


def test_spread_is_that_of_the_ratios_of_the_rounds() -> None:
    assert results(None, 5, 4, 7).spreads() == {"4k": pytest.approx(0.6)}
    assert results(None, 5).spreads() == {}, "one round has none"


def test_page_begins_with_what_keeps_it_from_being_published() -> None:
    loud = results(Noise(load=3), 5)
    page = render(loud, None)
    assert not loud.is_fit
    assert page.index("**Not to be published**") < page.index("load average at the start 3 (≤ 1)")
    assert page.index("load average at the start 3 (≤ 1)") < page.index("CPU time is")
    assert "| load average at the start | 3 | ≤ 1 | **missed** |" in page
    assert "Not to be published" not in render(results(QUIET, 5), None)


def test_race_in_which_nginx_failed_is_not_published() -> None:
    failed = results(QUIET, 5)
    assert failed.is_fit
    del failed.rounds["4k"]["nginx"]
    assert [bar.name for bar in failed.bars() if not bar.met] == [
        "kinds of requests without a figure of phttpd or nginx"
    ]
