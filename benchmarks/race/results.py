"""What a race has found: all figures, as JSON too, and what is read off them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bars import Bar
from benchmarks.race import quiet
from benchmarks.race.cells import AS_SHIPPED, RIVALS, US
from benchmarks.race.load import Round
from benchmarks.race.quiet import Noise

# What the model name of a processor has beside vendor and family.
NOISE = re.compile(
    r"\([^)]*\)|@.*|\b(?:CPU|Processor|Gen|Virtual|version)\b|\S*\d\S*", re.IGNORECASE
)

WORD = re.compile(r"[A-Za-z0-9]+")


@dataclass
class Results:
    """The figures of a race, and what it was run on.

    `rounds` and `failures` are by cell and server, `further` by question and figure.  `interpreter`
    is the Python that runs phttpd.  It and `noise` are empty in races that did not record them.
    """

    machine: dict[str, str] = field(default_factory=dict)
    interpreter: dict[str, str] = field(default_factory=dict)
    noise: Noise | None = None
    versions: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, dict[str, list[Round]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    further: dict[str, dict[str, float]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        # First beside it, so that an interrupted race leaves what is whole.
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what was saved.

        Raises:
            ValueError: it is not the result of a race.
        """
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        try:
            content["rounds"] = {
                cell: {server: [Round(**each) for each in own] for server, own in servers.items()}
                for cell, servers in content["rounds"].items()
            }
            if content.get("noise"):
                content["noise"] = Noise(**content["noise"])
            return cls(**content)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not the result of a race: {error}") from None

    def servers(self) -> list[str]:
        """Return the names of all who took part anywhere."""
        return list(dict.fromkeys(name for own in self.rounds.values() for name in own))

    def medians(self, cell: str, server: str) -> Round | None:
        """Return the medians over a server's rounds in a cell; None if there are none."""
        own = self.rounds.get(cell, {}).get(server)
        if not own:
            return None
        return Round(
            median(each.cpu for each in own),
            median(each.per_second for each in own),
            _median([each.p50 for each in own]),
            _median([each.p99 for each in own]),
            median(each.pss for each in own),
        )

    def cost(self, cell: str, server: str) -> float | None:
        """Return the median CPU time per request of a server in a cell; None if it has none."""
        own = self.medians(cell, server)
        return own.cpu if own else None

    def best(self, cell: str) -> tuple[str, float] | None:
        """Return the rival with the least CPU time in a cell, and the time."""
        times = {name: own.cpu for name in RIVALS if (own := self.medians(cell, name))}
        return min(times.items(), key=lambda item: item[1]) if times else None

    def ratio(self, cell: str, rival: str) -> Ratio | None:
        """Return our CPU time in a cell to that of a rival.

        What else the machine does changes from second to second, so rounds that were run beside
        each other are compared, and not one's median with the other's.
        """
        servers = self.rounds.get(cell, {})
        pairs = zip(servers.get(US, ()), servers.get(rival, ()), strict=False)
        each = [mine.cpu / other.cpu for mine, other in pairs if other.cpu]
        return Ratio(median(each), min(each), max(each)) if each else None

    def to_best(self, cell: str) -> Ratio | None:
        best = self.best(cell)
        return self.ratio(cell, best[0]) if best else None

    def to_nginx(self, cell: str) -> Ratio | None:
        return self.ratio(cell, AS_SHIPPED)

    def throughput(self, cell: str) -> float | None:
        """Return our requests per second in a cell to those of the fastest rival."""
        theirs = [own.per_second for name in RIVALS if (own := self.medians(cell, name))]
        ours = self.medians(cell, US)
        return ours.per_second / max(theirs) if ours and theirs else None

    def spreads(self) -> dict[str, float]:
        """Return how far the rounds' ratios to nginx are apart, by cell of several rounds."""
        return {
            cell: (ratio.most - ratio.least) / ratio.value
            for cell, servers in self.rounds.items()
            if len(servers.get(US, ())) > 1 and (ratio := self.to_nginx(cell))
        }

    @property
    def processor(self) -> str:
        """Vendor and family of the processor: “Intel Xeon” of “Intel(R) Xeon(R) CPU @ 2.20GHz”."""
        model = self.machine.get("processor", "unknown")
        words = WORD.findall(NOISE.sub(" ", model)) or WORD.findall(model)
        return " ".join(words[:2])

    def bars(self) -> list[Bar]:
        """Return what the results must keep to be published."""
        unknown = sum(self.to_nginx(cell) is None for cell in self.rounds)
        name = f"kinds of requests without a figure of {US} or {AS_SHIPPED}"
        return [*quiet.bars(self.noise, self.spreads()), Bar(name, unknown, 0, at_least=False)]

    @property
    def is_fit(self) -> bool:
        """Whether the results may be published."""
        return all(bar.met for bar in self.bars())

    def all_failures(self) -> Iterator[tuple[str, str, str]]:
        """Yield cell, server and reason of what could not be measured."""
        for cell, servers in self.failures.items():
            for server, reason in servers.items():
                yield cell, server, reason


@dataclass(frozen=True)
class Ratio:
    """The median of a ratio over the rounds, and the least and the most of it."""

    value: float
    least: float
    most: float


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
