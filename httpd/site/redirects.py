"""Redirects of the operator: from paths to other paths of the site, or to other sites.

`httpd.site.redirect_syntax` reads a `Redirect` from the configuration.  `httpd.site.redirect_step`
asks the `RedirectTable` for each request.

A client chooses the path and the query of a `Location`, and never the host: what a star stood for
is percent-encoded, and makes no empty segment.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from httpd.protocol.target import encode_path, encode_query
from httpd.site.patterns import translate

GONE = 410
"""The status of a redirect that leads nowhere."""
_DESTINATION = re.compile(r"([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_WILDCARDS = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect from the paths that match a pattern.

    Args:
        path: see `httpd.site.patterns`.
        to: a path or a URL, which may have the stars of `path`; None for `GONE`.
        status: of the response.
        line: of the config file.
    """

    path: str
    to: str | None
    status: int = 308
    line: int = field(default=0, compare=False)


class Destination:
    """Where a redirect leads.

    Args:
        to: see `Redirect`.

    Attributes:
        is_path: whether it is a path of the same site.
    """

    __slots__ = ("_fragment", "_pieces", "_query", "is_path")

    def __init__(self, to: str) -> None:
        match = _DESTINATION.fullmatch(to)
        assert match is not None
        place, query, fragment = (_encode(part or "") for part in match.groups())
        self.is_path = place.startswith("/")
        if not self.is_path and place.count("/") == len("//"):
            place += "/"  # of a URL without a path
        self._pieces = re.split(r"\*\*?", place)
        self._query = query
        self._fragment = fragment

    def path(self, captures: Sequence[str]) -> str:
        """Return the path or the URL without query and fragment.

        Args:
            captures: what the stars of the redirect's path stand for, decoded.
        """
        made = self._pieces[0]
        for capture, piece in zip(captures, self._pieces[1:], strict=False):
            made += encode_path(capture.encode("utf-8", "surrogateescape"))
            # A star that stood for nothing must not make an empty segment: at the beginning of a
            # path, the segment behind that would be a host.
            made += piece.lstrip("/") if made.endswith("/") else piece
        return made

    def location(self, captures: Sequence[str], query: bytes) -> str:
        """Return the value of `Location`.

        Args:
            captures: see `path`.
            query: of the request, with its question mark; it is kept.
        """
        asked = encode_query(query)
        if self._query:
            asked = f"&{asked[1:]}" if len(asked) > 1 else ""
        return f"{self.path(captures)}{self._query}{asked}{self._fragment}"


def _encode(text: str) -> str:
    """Percent-encode the characters that are not ASCII; the others are right already."""
    return "".join([c if c.isascii() else encode_path(c.encode()) for c in text])


class Match(NamedTuple):
    """The redirect of a path.

    Args:
        number: of the redirect, in the order of the operator.
        captures: what its stars stand for, decoded.
    """

    number: int
    captures: tuple[str, ...]


_Candidate = tuple[int, Callable[[str], "re.Match[str] | None"]]


class RedirectTable:
    """All redirects, indexed by path.

    A path without wildcards is found at once.  A pattern is tried for the paths that begin with its
    first names, as far as these have no wildcards.

    Args:
        redirects: in the order of the operator; the first that matches counts.
    """

    __slots__ = ("_candidates", "_depth", "_paths", "redirects")

    def __init__(self, redirects: Sequence[Redirect]) -> None:
        self.redirects = tuple(redirects)
        self._paths: dict[bytes, int] = {}
        self._candidates: defaultdict[bytes, list[_Candidate]] = defaultdict(list)
        for number, redirect in enumerate(redirects):
            path = redirect.path
            if path.startswith("/") and not _WILDCARDS.search(path):
                self._paths.setdefault(path.encode("utf-8", "surrogateescape"), number)
                continue
            expression = re.compile(translate(path, captures=True), re.DOTALL)
            start = _WILDCARDS.split(path)[0].rpartition("/")[0] + "/"
            self._candidates[start.encode()].append((number, expression.fullmatch))
        self._depth = max((start.count(b"/") for start in self._candidates), default=0)

    def find(self, path: bytes) -> Match | None:
        """Return the redirect of a path, if it has one.

        Args:
            path: the result of `decode_path` for the path of the request, so that no other spelling
                evades a redirect.
        """
        best = self._paths.get(path, len(self.redirects))
        captures: tuple[str, ...] = ()
        stop = 0
        for _ in range(self._depth):
            stop = path.find(b"/", stop) + 1
            if not stop:
                break
            if not (candidates := self._candidates.get(path[:stop])):
                continue
            text = path.decode("utf-8", "surrogateescape")
            for number, fullmatch in candidates:
                if number > best:
                    break
                if match := fullmatch(text):
                    best, captures = number, match.groups("")
                    break
        return None if best == len(self.redirects) else Match(best, captures)
