"""The README: its commands work in a copy of the checkout, its figures are the published ones."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.process.checkout import Checkout
from tests.process.launch import PHTTPD, free_port
from tests.support.server import DEADLINE

README = ROOT / "README.md"
COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks(README)
    if block.language == "sh"
    for line in block.text.splitlines()
]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_readme_command_serves_a_directory(checkout: Checkout) -> None:
    assert COMMANDS[1:] == [".venv/bin/phttpd ~/public", "make test"]
    words = [str(checkout.home / "public"), "--verbose", "--port", str(free_port())]
    assert checkout.interrupt_when_ready(*PHTTPD, *words) == (0, [])


@pytest.mark.network
def test_readme_make_run_serves_the_demo(checkout: Checkout) -> None:
    """Makes its own virtual environment from the package registry, so it needs a network."""
    assert COMMANDS[0] == "make run"
    status, errors = checkout.interrupt_when_ready("make", "run", patience=10 * DEADLINE)
    assert status in (0, 2, -signal.SIGINT), "make says that it was interrupted"
    assert [line for line in errors if "phttpd" in line] == []
    assert (checkout.path / ".venv" / "bin" / "phttpd").exists()
    assert not (checkout.path / "logs" / "phttpd.pid").exists()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def published() -> Iterator[dict[str, dict[str, str]]]:
    """Yield the table of CPU times of each published race: its rows by their kind of request."""
    for page in sorted((ROOT / "benchmarks" / "results").glob("race-*.md")):
        text = page.read_text("utf-8").partition("## CPU time per request")[2].partition("## ")[0]
        header, *rows = [cells(line) for line in text.splitlines() if line.startswith("| ")]
        yield {row[0]: dict(zip(header, row, strict=True)) for row in rows if row[0] != "---"}


def ratio(row: dict[str, str]) -> float:
    return float(row["phttpd / nginx"].partition(" [")[0].strip("*"))


def test_readme_figures_are_the_worst_of_the_published_races() -> None:
    races = list(published())
    lines = README.read_text("utf-8").splitlines()
    header, _, *shown = [cells(line) for line in lines if line.startswith("| ")]
    assert header[:4] == ["request", "phttpd", "nginx", "phttpd / nginx"]
    assert len(shown) == 10
    for request, ours, nginx, quoted, *_ in shown:
        worst = max((race[request] for race in races), key=ratio)
        assert (ours, nginx, float(quoted.strip("*"))) == (
            worst["phttpd"],
            worst["nginx"],
            ratio(worst),
        )
