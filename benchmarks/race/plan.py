"""What a race is to run, and how long that takes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from benchmarks.environment import UnavailableError
from benchmarks.race import further
from benchmarks.race.cells import CELLS, RACERS, Cell
from benchmarks.race.floor import has_compiler
from benchmarks.race.load import rounds_of

OVERHEAD = 0.1
"""Seconds that a round takes beside its load: start and end of wrk, and reading of figures."""

RUN_UP = 0.5
"""Seconds that a server takes to start, to be checked and to stop."""

QUICK = ("1k", "4k", "4k-512", "close", "100k", "1m", "1g", "304", "404", "mix", "cold", "log")


@dataclass(frozen=True)
class Plan:
    """What is to be run, in this order.

    Args:
        cells: by their names.
        questions: the names of those that are asked.
        whole: whether the results may be published.
        rounds: of each server, at most.
        seconds: of a round, at least.
    """

    cells: dict[str, Cell]
    questions: tuple[str, ...]
    whole: bool
    rounds: int | None
    seconds: int | None

    def paths(self) -> set[str]:
        """Return the paths of all requests."""
        asked = {path for name in self.questions for path in further.QUESTIONS[name].paths}
        return asked | {cell.path for cell in self.cells.values()}

    def rounds_of(self, cell: Cell) -> int:
        return min(self.rounds or cell.rounds, cell.rounds)

    def starts_of(self, cell: Cell) -> list[int]:
        """Return how many rounds follow each start of the servers."""
        rounds = self.rounds_of(cell)
        return [1] * rounds if cell.starts_anew else [cell.warm_up + rounds]

    def seconds_of(self, cell: Cell) -> int:
        return max(self.seconds or 1, cell.seconds)

    def estimate(self, cell: Cell) -> float:
        starts = self.starts_of(cell)
        rounds = sum(rounds_of(racer, sum(starts)) for racer in cell.racers)
        run_up = len(starts) * len(cell.racers) * RUN_UP
        return run_up + rounds * (self.seconds_of(cell) + OVERHEAD)

    def total(self) -> float:
        """Return about how many seconds the whole race takes."""
        return sum(map(self.estimate, self.cells.values())) + sum(
            further.QUESTIONS[name].seconds for name in self.questions
        )


def make_plan(args: argparse.Namespace) -> Plan:
    """Return the plan that the options of the command ask for.

    Raises:
        UnavailableError: nothing is left to measure.
    """
    part = args.quick or args.cells or args.servers or args.questions
    whole = not (part or args.rounds or args.seconds or args.python)
    wanted = args.cells or (QUICK if args.quick else CELLS)
    left_out = set() if has_compiler() else {"floor"}
    racers = [name for name in args.servers or RACERS if name not in left_out]
    cells = {}
    for name in wanted:
        own = tuple(racer for racer in CELLS[name].racers if racer in racers)
        if own:
            cells[name] = replace(CELLS[name], racers=own)
    if not cells:
        raise UnavailableError("none of these servers takes part in any of these cells")
    rounds = args.rounds or (1 if args.quick else None)
    questions = args.questions or ([] if part else list(further.QUESTIONS))
    return Plan(cells, tuple(questions), whole, rounds, args.seconds)
