"""Finds redirects that lead round in a circle, and redirects that no request reaches.

Both are found by example: paths that a pattern matches are run through the list.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_path
from httpd.site.patterns import stars_of, translate
from httpd.site.redirects import Destination, Redirect, RedirectTable

HOPS = 10
"""The most redirects that a client may have to follow, one after the other."""
_NAME = "x"
_UNLIKELY = "\ue000\ue001\ue002"
"""A name that only wildcards match: these characters have no meaning of their own."""
_MOST_EXAMPLES = 64
_SHOWN = 4


class Loop(NamedTuple):
    """Redirects that lead to each other.

    Args:
        redirects: in the order in which a client gets them.
        paths: of the requests of that client.
        is_circle: whether the last path is the first one.
    """

    redirects: tuple[Redirect, ...]
    paths: tuple[str, ...]
    is_circle: bool

    @property
    def line(self) -> int:
        """The first of the lines that the loop is made of."""
        return min(redirect.line for redirect in self.redirects)

    def describe(self) -> str:
        """Return a sentence."""
        way = " → ".join(self.paths[:_SHOWN] + ("…",) * (len(self.paths) > _SHOWN))
        lines = sorted({redirect.line for redirect in self.redirects} - {self.line})
        others = f" with line {', '.join(map(str, lines))}" if lines else ""
        if self.is_circle:
            return f"leads round in a circle{others}: {way}"
        return f"leads{others} to more than {HOPS} redirects one after the other: {way}"


def find_loops(
    redirects: Sequence[Redirect], shorten: Callable[[bytes], bytes] = bytes
) -> list[Loop]:
    """Return the loops in a list of redirects, each once.

    Args:
        redirects: those of a site.
        shorten: returns the path that the site itself redirects a path to, both decoded; by
            default, the same path.
    """
    table = RedirectTable(redirects)
    destinations = [Destination(one.to) if one.to else None for one in redirects]
    found: dict[frozenset[Redirect], Loop] = {}
    for redirect in redirects:
        for path in _examples(redirect.path, _NAME):
            if loop := _follow(path.encode(), table, destinations, shorten):
                found.setdefault(frozenset(loop.redirects), loop)
                break
    return list(found.values())


def _follow(
    path: bytes,
    table: RedirectTable,
    destinations: Sequence[Destination | None],
    shorten: Callable[[bytes], bytes],
) -> Loop | None:
    """Follow the redirects of a path as a client does, and return the loop that it ends in."""
    paths: list[bytes] = []
    numbers: list[int] = []
    while (match := table.find(path)) and (destination := destinations[match.number]):
        if not destination.is_path:
            return None
        is_circle = path in paths
        if is_circle or len(paths) == HOPS:
            first = paths.index(path) if is_circle else _last_index(numbers, match.number)
            loop = tuple(table.redirects[number] for number in numbers[first:])
            shown = [*paths[first if is_circle else 0 :], path]
            return Loop(loop, tuple(map(os.fsdecode, shown)), is_circle)
        paths.append(path)
        numbers.append(match.number)
        try:
            path = decode_path(destination.path(match.captures).encode())
        except HTTPError:
            return None
        if table.find(path) is None:  # else the redirect of the operator comes first
            path = shorten(path)
    return None


def _last_index(numbers: Sequence[int], number: int) -> int:
    """Return where a number was last; 0 if nowhere."""
    before = [index for index, each in enumerate(numbers) if each == number]
    return before[-1] if before else 0


def find_shadowed(redirects: Sequence[Redirect]) -> list[tuple[Redirect, Redirect]]:
    """Return the redirects that others before them leave no path for, each with one of these.

    Args:
        redirects: those of a site.
    """
    table = RedirectTable(redirects)
    found = []
    for number, redirect in enumerate(redirects):
        pattern = re.compile(translate(redirect.path), re.DOTALL)
        examples = [path for path in _examples(redirect.path, _UNLIKELY) if pattern.fullmatch(path)]
        firsts = {match.number for path in examples if (match := table.find(path.encode()))}
        if firsts and number not in firsts:
            found.append((redirect, redirects[min(firsts)]))
    return found


def _examples(pattern: str, name: str) -> Iterator[str]:
    """Yield paths that a pattern matches: with one name, none and several for its stars.

    Args:
        pattern: of a redirect.
        name: to be put in place of a star; its first character stands for a question mark.
    """
    starts = ("",) if "/" in pattern else ("/", f"/{name}/")
    if pattern == "**":
        pattern, starts = "/**", ("",)
    options = [
        (name, "") if star == "*" else (name, "", f"{name}/{name}") for star in stars_of(pattern)
    ]
    first, *parts = re.split(r"\*\*?", pattern.replace("?", name[0]))
    for start in starts:
        for captures in itertools.islice(itertools.product(*options), _MOST_EXAMPLES):
            path = start + first
            for capture, part in zip(captures, parts, strict=True):
                path += capture
                path += part.removeprefix("/") if path.endswith("/") else part
            yield path
