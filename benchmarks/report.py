"""The result of a benchmark: figures, and bars that they must meet; as tables and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.bars import Bar

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 120


class Report:
    """Collects figures and bars while a benchmark runs, and shows them at its end."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self.name = name
        self.arguments = arguments
        self.figures: dict[str, Any] = {}
        self.bars: list[Bar] = []
        self.environment = {
            "kernel": platform.release(),
            "python": platform.python_version(),
            "cores": len(os.sched_getaffinity(0)),
            "load_average": os.getloadavg()[0],
        }

    def at_most(self, name: str, value: float, limit: float) -> None:
        self.bars.append(Bar(name, value, limit, at_least=False))

    def at_least(self, name: str, value: float, limit: float) -> None:
        self.bars.append(Bar(name, value, limit, at_least=True))

    @property
    def passed(self) -> bool:
        return all(bar.met for bar in self.bars)

    def finish(self, json_file: str | None) -> None:
        """Print the bars, and write everything to a file if asked."""
        if self.bars:
            show(f"{self.name}: bars", ["figure", "measured", "bar", ""], map(bar_row, self.bars))
        if json_file is not None:
            content = {
                "benchmark": self.name,
                "passed": self.passed,
                "environment": self.environment,
                "arguments": self.arguments,
                "figures": self.figures,
                "bars": [asdict(bar) | {"met": bar.met} for bar in self.bars],
            }
            with open(json_file, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1, default=str)
                file.write("\n")


def bar_row(bar: Bar) -> Sequence[object]:
    verdict = "[green]met[/]" if bar.met else "[bold red]missed[/]"
    return [bar.name, f"{bar.value:.4g}", bar.text, verdict]


def show(title: str, columns: Sequence[str], rows: Any) -> None:
    """Print a table; all columns but the first are figures."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)


def progress() -> Progress:
    """Return a progress bar, which draws only when it is advanced, and only on a terminal."""
    return Progress(
        console=console, auto_refresh=False, transient=True, disable=not console.is_terminal
    )
