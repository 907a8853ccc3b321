"""Whether the machine had anything else to do during a race, which is not published then.

On a quiet machine of two cores there is no steal time, other processes take 1 to 3 % of the cores,
and the ratios of the rounds differ by 8 % in the median of all cells.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.bars import Bar
from benchmarks.processes import PROC, TICKS, cpu_seconds, name_of

MOST_LOAD = 1.0
"""Load average at the start."""

PATIENCE = 90
"""Seconds in which it falls from 4 to 1 on a machine that has nothing else to do."""

MOST_STOLEN = 0.01
"""Share of the time of both cores that the host gave to others."""

MOST_FOREIGN = 0.1
"""Share of the time of both cores that other processes take, in the worst cell."""

WIDE = 0.25
"""A spread that one cell may have by chance."""

MOST_WIDE = 4
"""Cells with a wide spread."""

MOST_SPREAD = 0.15
"""Median of the spreads of all cells."""

SPREAD = "spread of the ratio to nginx between rounds"


class Times(NamedTuple):
    """Seconds of CPU time since some moment.

    Args:
        total: of the cores, whatever they did.
        busy: of them, with any process or interrupt.
        stolen: of them, by the host.
        race: of the processes of the race, and of the kernel's threads that pass on what they send.
    """

    total: float
    busy: float
    stolen: float
    race: float

    @classmethod
    def now(cls, cores: Collection[int]) -> Times:
        """Look at some cores, and at this process with all its descendants."""
        stat = Path("/proc/stat").read_text()
        race = [os.getpid(), *network_threads(cores)]
        return cls(*cores_of(stat, cores), sum(map(cpu_seconds, race)))

    def since(self, before: Times) -> Times:
        return Times(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def foreign(self) -> float:
        """Share of the cores that was taken by processes that are not the race's."""
        return max(0.0, self.busy - self.race) / self.total if self.total else 0.0

    @property
    def stolen_share(self) -> float:
        return self.stolen / self.total if self.total else 0.0


def cores_of(stat: str, cores: Collection[int]) -> tuple[float, float, float]:
    """Return the total, busy and stolen seconds of some cores, as proc_stat(5) has them."""
    total = busy = stolen = 0
    names = {f"cpu{core}" for core in cores}
    for line in stat.splitlines():
        name, *values = line.split()
        if name in names:
            user, nice, system, idle, waiting, irq, softirq, steal = map(int, values[:8])
            own = user + nice + system + irq + softirq
            busy += own
            stolen += steal
            total += own + idle + waiting + steal
    return total / TICKS, busy / TICKS, stolen / TICKS


def network_threads(cores: Collection[int]) -> list[int]:
    """Return the pids of the threads of the kernel that handle packets when there are many."""
    names = {f"ksoftirqd/{core}" for core in cores}
    return [
        int(entry.name)
        for entry in PROC.iterdir()
        if entry.name.isdigit() and name_of(int(entry.name)) in names
    ]


@dataclass
class Noise:
    """What else the machine did during a race.

    Args:
        load: average at the start.
        stolen: share of the time of both cores, over the whole race.
        foreign: share of the time of both cores that other processes took, by cell.
    """

    load: float
    stolen: float = 0.0
    foreign: dict[str, float] = field(default_factory=dict)


def bars(noise: Noise | None, spreads: Mapping[str, float]) -> list[Bar]:
    """Return what a race must keep to be published.

    Args:
        noise: None where it was not recorded.
        spreads: of the ratios of single rounds, by cell: the most less the least, to the median.
    """
    found = []
    if noise is not None:
        found += [
            _at_most("load average at the start", noise.load, MOST_LOAD),
            _at_most("share of the cores that the host gave to others", noise.stolen, MOST_STOLEN),
        ]
        if noise.foreign:
            share, cell = max((share, cell) for cell, share in noise.foreign.items())
            name = f"share of the cores that other processes took, at worst ({cell})"
            found.append(_at_most(name, share, MOST_FOREIGN))
    if spreads:
        wide = sum(spread > WIDE for spread in spreads.values())
        found += [
            _at_most(f"{SPREAD}, median of the cells", median(spreads.values()), MOST_SPREAD),
            _at_most(f"cells where it is more than {WIDE:g}", wide, MOST_WIDE),
        ]
    return found


def settle(patience: float = PATIENCE) -> None:
    """Wait, but not for long, until the load average has forgotten what was before."""
    deadline = time.monotonic() + patience
    while os.getloadavg()[0] > MOST_LOAD and time.monotonic() < deadline:
        time.sleep(1)  # it is renewed every 5 s


def sentence(bar: Bar) -> str:
    return f"{bar.name} {bar.value:.2g} ({bar.text})"


def _at_most(name: str, value: float, limit: float) -> Bar:
    return Bar(name, value, limit, at_least=False)
