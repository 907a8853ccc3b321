"""What README.md and docs/ quote of the published races, and the overview of these."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.race import published

_BEGIN = "<!-- “make docs” writes what follows from benchmarks/results/race-*.json. -->\n"
_END = "<!-- End of what “make docs” writes. -->\n"


def overview() -> str:
    """Return the page that shows the races side by side."""
    return _text(published.overview)


def replace_readme(page: str) -> str:
    """Return README.md with the figures of the worst races."""
    return _replace(page, _text(published.readme))


def replace_summary(page: str) -> str:
    """Return the page on performance with a summary of the worst races."""
    return _replace(page, _text(published.summary))


def _text(lines: Callable[[published.Races], list[str]]) -> str:
    return "\n".join(lines(published.load())) + "\n"


def _replace(page: str, text: str) -> str:
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {_BEGIN!r} and {_END!r}")
    return f"{before}{begin}\n{text}\n{end}{after}"
