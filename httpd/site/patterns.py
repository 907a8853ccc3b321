"""Patterns for decoded paths, as `rules` and `redirects` have them.

``*`` stands for any characters of a name, ``?`` for one, and ``**`` in place of a name for any
number of names: ``/a/**`` matches all paths below ``/a/``.  A pattern without a slash matches the
last name of a path, which is empty for the page of a directory; any other pattern begins with a
slash.
"""

from __future__ import annotations

import re

_NAME = r"(\*\*|((?!\*\*)[^/])+)"
SCHEMA = f"^({_NAME}|/({_NAME}/)*{_NAME}?)$"
"""The same as `check_pattern`, for a JSON Schema."""
ALLOWED = (
    "a pattern such as /assets/**, /*/logo.png or “*.html” in quotes, or a list of these; it begins"
    " with a slash or has none, and “**” is a whole name"
)
"""What a pattern or a list of patterns may be, in words."""


def check_pattern(pattern: str) -> bool:
    """Tell whether a text is a pattern."""
    first, *names = pattern.split("/")
    if names and (first or "" in names[:-1]):
        return False
    return pattern != "" and all(name == "**" or "**" not in name for name in (first, *names))


def stars_of(pattern: str) -> list[str]:
    """Return the stars of a pattern in order, each ``*`` or ``**``."""
    return re.findall(r"\*\*?", pattern)


def translate(pattern: str, *, captures: bool = False) -> str:
    """Return the regular expression for a pattern, which takes time linear in the path's length.

    The shortest match of the text between two wildcards leaves the most for the following text.  So
    the match is never reconsidered: the groups are atomic.

    Args:
        pattern: see `check_pattern`.
        captures: whether each star is a group, which captures what it stands for: of ``**``
            without the slash behind it.
    """
    star = "(" if captures else "(?:"
    if pattern == "**":
        pattern = "/**"
    if "/" not in pattern:
        return f"/(?:.*/)?{_translate_names(pattern, star)}"
    first, *others = f"{pattern[1:]}/".split("**/")
    if not others:
        return "/" + _translate_names(first[:-1], star)
    between = "".join(
        # Of two stars in a row, the first stands for no name.
        f"(?>(?:{star}.*?)/)??{_translate_names(run, star)})" if run else f"{star})"
        for run in others[:-1]
    )
    last = others[-1]
    end = f"(?:{star}.*)/)?{_translate_names(last[:-1], star)}" if last else f"{star}.*)"
    return "/" + _translate_names(first, star) + between + end


def _translate_names(names: str, star: str) -> str:
    return "/".join(_translate_name(name, star) for name in names.split("/"))


def _translate_name(name: str, star: str) -> str:
    first, *others = ("[^/]".join(map(re.escape, part.split("?"))) for part in name.split("*"))
    if not others:
        return first
    shortest = "".join(f"(?>{star}[^/]*?){part})" for part in others[:-1])
    return f"{first}{shortest}{star}[^/]*){others[-1]}"
