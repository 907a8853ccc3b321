"""What phttpd promises of the race, and whether its figures keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.bars import Bar
from benchmarks.race.cells import AS_SHIPPED, CELLS, US
from benchmarks.race.further import QUESTIONS
from benchmarks.race.results import Ratio, Results

FAR_AHEAD = ("1k-1", "1k", "1k-512", "1k-5000", "4k-1", "4k", "4k-512", "4k-5000", "close")


AS_FAST = 0.95
"""Less would be slower; the rest is chance."""


def check(results: Results) -> list[Bar]:
    """Return a bar for every promise that the race has figures for."""
    return [*_costs(results), *_speed(results), *_misses(results), *_further(results)]


def _at_most(name: str, value: float, limit: float) -> Bar:
    return Bar(name, value, limit, at_least=False)


def _costs(results: Results) -> Iterator[Bar]:
    cells = list(results.rounds)
    to_best = _worst(cells, results.to_best)
    to_nginx = _worst(cells, results.to_nginx)
    far_ahead = _worst([cell for cell in FAR_AHEAD if cell in cells], results.to_nginx)
    if to_best:
        yield _at_most(f"CPU time to that of the best, at worst ({to_best[1]})", to_best[0], 1)
    if to_nginx:
        yield _at_most(f"to that of nginx as shipped, at worst ({to_nginx[1]})", to_nginx[0], 1)
    if far_ahead:
        name = f"the same, keep-alive and close ({far_ahead[1]})"
        yield _at_most(name, far_ahead[0], round(1 / 1.3, 2))


def _worst(cells: list[str], ratio: Callable[[str], Ratio | None]) -> tuple[float, str] | None:
    found = [(own.value, cell) for cell in cells if (own := ratio(cell))]
    return max(found) if found else None


def _speed(results: Results) -> Iterator[Bar]:
    for cell in ("1g-1", "1g"):
        if (value := results.throughput(cell)) is not None:
            name = f"{CELLS[cell].title}: throughput to the fastest one's"
            yield Bar(name, value, AS_FAST, at_least=True)
    for cell in ("1k-512", "4k-512"):
        mine, nginx = results.medians(cell, US), results.medians(cell, AS_SHIPPED)
        if mine and nginx and mine.p99 and nginx.p99:
            name = f"{CELLS[cell].title}: 99th percentile to that of nginx"
            yield _at_most(name, mine.p99 / nginx.p99, 1)


def _misses(results: Results) -> Iterator[Bar]:
    hit = results.medians("4k", US)
    for cell in ("miss", "cold", "first"):
        if hit and (own := results.medians(cell, US)):
            yield _at_most(f"{CELLS[cell].title}: times a hit", own.cpu / hit.cpu, 5)


def _further(results: Results) -> Iterator[Bar]:
    limits = [
        ("workers", f"{US}, what two can do, times one", 1.8, True),
        ("threads", "8 threads, times 1 thread", 1.15, False),
        ("beside", f"{US}, 99th percentile, ms", 5, False),
        ("start", f"{US}, ms", 100, False),
        ("start", f"{US} without compiled bytecode, ms", 150, False),
        ("memory", "growth, times", 1.1, False),
    ]
    for name, figure, limit, at_least in limits:
        title = QUESTIONS[name].title
        if (value := results.further.get(title, {}).get(figure)) is not None:
            yield Bar(f"{title}: {figure}", value, limit, at_least)
