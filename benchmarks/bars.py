"""A figure, and the limit that it must keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """One figure and the limit that it must keep; `at_least` tells the direction."""

    name: str
    value: float
    limit: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def text(self) -> str:
        """The limit with its comparison sign."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"
