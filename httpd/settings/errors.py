"""What is wrong with a configuration, in words: for the config file and the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

_CLOSE = 0.7
"""A name that is at least this similar to an unknown one may be meant (see `_similarity`)."""


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each thing that is wrong.

    `may_pass` tells that the text is right, and only something that it names is not there: a later
    start may find it.
    """

    def __init__(self, problems: Sequence[str], *, may_pass: bool = False) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(dict.fromkeys(map(escape, problems)))  # an alias repeats a mistake
        self.may_pass = may_pass


def escape(text: str) -> str:
    """Escape control characters, so that no text of a file is an instruction to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class NotThereError(ValueError):
    """What a value names is not there; the text says what, as in “no such directory: /srv/www”."""

    def __init__(self, text: str) -> None:
        super().__init__(escape(text))


def refuse(place: str, found: Any, allowed: object) -> str:
    """Return the problem of a value that is not what it should be."""
    text = repr(found)
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"{place}: {text} is not allowed here; expected {allowed}"


def suggest(name: str, known: Collection[str], problems: Collection[str] = ()) -> str:
    """Return the end of a problem: what an unknown name may have been meant to be.

    Args:
        name: the unknown one.
        known: all names that exist.
        problems: those before this one; the list of all names is not repeated.
    """
    nearest = max(known, key=lambda other: _similarity(name, other))
    if _similarity(name, nearest) >= _CLOSE:
        return f"; did you mean {nearest}?"
    hint = f"; known are {', '.join(known)}"
    return "" if any(problem.endswith(hint) for problem in problems) else hint


def _similarity(one: str, other: str) -> float:
    """Return how many of the letters of two names are common to both and in the same order, from 0
    to 1.

    Hyphens, underscores and case make no difference: all options begin with hyphens.  This is a
    longest common subsequence, a row of the table at a time.  `difflib` would do, but importing it
    must not be left to the moment of a reload.
    """
    one, other = (name.lower().replace("-", "").replace("_", "")[:64] for name in (one, other))
    row = [0] * (len(other) + 1)
    for letter in one:
        above = row
        row = [0]
        for index, candidate in enumerate(other):
            longest = above[index] + 1 if letter == candidate else max(above[index + 1], row[index])
            row.append(longest)
    return 2 * row[-1] / max(len(one) + len(other), 1)
