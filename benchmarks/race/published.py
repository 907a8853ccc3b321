"""The published races, one of each kind of processor, and the worse of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.race.cells import AS_SHIPPED, FLOOR, US
from benchmarks.race.page import NONE, number, ratio, table, wrap
from benchmarks.race.results import Ratio, Results

RESULTS = Path(__file__).parents[1] / "results"

SHOWN = ("4k", "4k-512", "close", "304", "100k", "1m", "1g-1", "1g", "mix", "first")
"""The cells that the README has."""

OVERVIEW = """\
phttpd beside nginx, lighttpd, h2o, Apache and the servers of the Python world: one race for each
kind of processor, each with a page of its own, which explains the method. The README and the page
on performance quote the worst of them. The ratios are those of CPU time per request. The best is
the cheapest of nginx, nginx with `open_file_cache`, lighttpd and h2o in each race.
"""

Races = Sequence[Results]


def name_of(results: Results) -> str:
    """Return the name of the files of a race, without an ending."""
    return f"race-{results.processor.lower().replace(' ', '-')}"


def load(directory: Path = RESULTS) -> list[Results]:
    return [Results.load(path) for path in sorted(directory.glob("race-*.json"))]


class Worst(NamedTuple):
    """The race in which a ratio is the highest, and the ratio."""

    race: Results
    ratio: Ratio


def worst(races: Races, ratio_of: Callable[[Results], Ratio | None]) -> Worst | None:
    found = [Worst(race, own) for race in races if (own := ratio_of(race))]
    return max(found, key=lambda each: each.ratio.value) if found else None


def to_nginx(races: Races, cell: str) -> Worst | None:
    return worst(races, lambda race: race.to_nginx(cell))


def to_best(races: Races, cell: str) -> Worst | None:
    return worst(races, lambda race: race.to_best(cell))


def cells_of(races: Races) -> dict[str, str]:
    """Return the titles of all cells that have a ratio to nginx, by name."""
    return {
        cell: race.titles[cell] for race in races for cell in race.rounds if race.to_nginx(cell)
    }


def processors(races: Races) -> str:
    """Return where races were run: “an AMD EPYC and an Intel Xeon”."""
    names = [race.processor for race in races]
    return " and ".join(f"{'an' if name[0] in 'AEIOU' else 'a'} {name}" for name in names)


def versions(races: Races, server: str) -> str:
    """Return a server's version without its last number, which differs between the races."""
    found = {race.versions[server].rpartition(".")[0] for race in races if server in race.versions}
    return " and ".join(sorted(found))


def short(value: Ratio | None) -> str:
    return ratio(value).partition(" [")[0]


def readme(races: Races) -> list[str]:
    """Return the paragraph and the table of the README."""
    several = len(races) > 1
    rows = []
    for cell in SHOWN:
        found = to_nginx(races, cell)
        if found is None:
            continue
        costs = [number(found.race.cost(cell, name)) for name in (US, AS_SHIPPED)]
        where = [found.race.processor] if several else []
        rows.append([found.race.titles[cell], *costs, short(found.ratio), *where])
    columns = ["request", US, AS_SHIPPED, f"{US} / {AS_SHIPPED}", *(["worst on"] * several)]
    text = (
        f"CPU time per request in µs, user and system, of one worker on one core of "
        f"{processors(races)}, beside nginx {versions(races, AS_SHIPPED)} on the same core. "
        f"{'The worst is shown for each kind of request. ' * several}Below 1, phttpd costs less. "
        f"[The race](benchmarks/results/README.md) has all {len(cells_of(races))} kinds of "
        "requests, the other servers, and the method."
    )
    return [*wrap(text), "", *table(columns, rows)]


def summary(races: Races) -> list[str]:
    """Return how many cells are won, and for each one that is lost what it would cost in C."""
    cells = cells_of(races)
    lost: dict[str, Worst] = {}
    rows = []
    for name, worst_of in ((f"{AS_SHIPPED} as shipped", to_nginx), ("the cheapest", to_best)):
        found = {cell: own for cell in cells if (own := worst_of(races, cell))}
        dearer = {cell: own for cell, own in found.items() if is_lost(own.ratio)}
        lost |= dearer
        rows.append([f"phttpd costs as much as {name}, or less", f"in {len(found) - len(dearer)}"])
    for cell in ("1g-1", "1g"):
        if shares := [share for race in races if (share := race.throughput(cell))]:
            rows.append([f"{cells[cell]}: throughput to that of the fastest", f"{min(shares):.2f}"])
    of_each = " The worst of them counts." if len(races) > 1 else ""
    text = f"Of the {len(cells)} kinds of requests of the race on {processors(races)}:{of_each}"
    parts = [*wrap(text), "", *table(["", ""], rows)]
    if lost:
        text = (
            "Where phttpd costs more, in µs. The floor is a C program that makes the same system "
            "calls as phttpd and does nothing else; no program that serves this way costs less."
        )
        parts += ["", *wrap(text), "", *losses(cells, lost)]
    return parts


def is_lost(ratio: Ratio) -> bool:
    return round(ratio.value, 2) > 1


def losses(cells: dict[str, str], lost: dict[str, Worst]) -> list[str]:
    """Return a table of cells, each with the costs in the race in which it is worst."""
    several = len({own.race.processor for own in lost.values()}) > 1
    columns = ["request", US, AS_SHIPPED, "cheapest", FLOOR, f"{US} / {AS_SHIPPED}"]
    columns += [f"{US} / cheapest", *(["worst on"] * several)]
    rows = []
    for cell, title in cells.items():
        if cell in lost:
            race = lost[cell].race
            costs = [number(race.cost(cell, name)) for name in (US, AS_SHIPPED)]
            name, cost = race.best(cell) or (NONE, None)
            ratios = [short(own) for own in (race.to_nginx(cell), race.to_best(cell))]
            where = [race.processor] * several
            floor = number(race.cost(cell, FLOOR))
            rows.append([title, *costs, f"{number(cost)} ({name})", floor, *ratios, *where])
    return table(columns, rows)


def overview(races: Races) -> list[str]:
    """Return the page that shows the races side by side."""
    facts = [
        [
            f"[{race.processor}]({name_of(race)}.md)",
            race.machine.get("date", NONE),
            race.versions.get(US, NONE),
            race.interpreter.get("version") or race.machine.get("Python", NONE),
            race.versions.get(AS_SHIPPED, NONE),
            race.machine.get("kernel", NONE),
        ]
        for race in races
    ]
    columns = ["request"]
    for name in (AS_SHIPPED, "best"):
        columns += [f"{US} / {name}, {race.processor}" for race in races]
        columns += ["the worst"] * (len(races) > 1)
    rows = [[title, *_ratios(races, cell)] for cell, title in cells_of(races).items()]
    return [
        "# The race",
        "",
        "Written by `make docs` from the figures beside it; do not edit.",
        "",
        *wrap(OVERVIEW),
        "",
        *table(["processor", "date", US, "Python of phttpd", AS_SHIPPED, "kernel"], facts),
        "",
        *table(columns, rows),
    ]


def _ratios(races: Races, cell: str) -> Iterator[str]:
    for ratio_of, worst_of in ((Results.to_nginx, to_nginx), (Results.to_best, to_best)):
        yield from (short(ratio_of(race, cell)) for race in races)
        if len(races) > 1:
            found = worst_of(races, cell)
            yield short(found.ratio if found else None)
