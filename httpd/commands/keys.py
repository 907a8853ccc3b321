"""Keys of a terminal: from the bytes that it sends to what the person wants.

Called by `httpd.commands.top`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from httpd.commands.view import Group, Options, Sort

_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|\x1b|[^\x1b]", re.DOTALL)
_UP, _DOWN = ("\x1b[A", "\x1bOA", "k"), ("\x1b[B", "\x1bOB", "j")
_PAGE_UP, _PAGE_DOWN = "\x1b[5~", "\x1b[6~"
_ENTER, _ESCAPE = ("\r", "\n"), "\x1b"
_BACKSPACE = ("\x7f", "\b")
_LONGEST_FILTER = 60
_Choice = TypeVar("_Choice", Sort, Group)


def split_keys(data: bytes) -> Iterator[str]:
    """Yield the keys that a terminal has sent: characters, and escape sequences as a whole."""
    for match in _KEY.finditer(data.decode("utf-8", "replace")):
        yield match[0]


def press(key: str, options: Options, page: int) -> Options | None:
    """Return the options after a key; None to quit.

    Args:
        key: one of `split_keys`.
        options: so far.
        page: rows on the screen.
    """
    if options.is_typing:
        return _type(key, options)
    if key == "q":
        return None
    if step := _step(key, page):
        return options._replace(first=max(0, options.first + step))
    change = _CHANGES.get(key)
    return change(options) if change else options


def _step(key: str, page: int) -> int:
    """Return how many rows a key scrolls, downwards; 0 for other keys."""
    if key in _UP or key in _DOWN:
        return -1 if key in _UP else 1
    return {_PAGE_UP: -max(1, page), _PAGE_DOWN: max(1, page)}.get(key, 0)


def _next(now: _Choice) -> _Choice:
    members = list(type(now))
    return members[(members.index(now) + 1) % len(members)]


def _type(key: str, options: Options) -> Options:
    """Return the options after a key of the filter."""
    if key in _ENTER:
        return options._replace(is_typing=False)
    if key == _ESCAPE:
        return options._replace(is_typing=False, filter="", first=0)
    if key in _BACKSPACE:
        return options._replace(filter=options.filter[:-1], first=0)
    if len(key) == 1 and key.isprintable() and len(options.filter) < _LONGEST_FILTER:
        return options._replace(filter=options.filter + key, first=0)
    return options


_CHANGES: Mapping[str, Callable[[Options], Options]] = {
    "s": lambda options: options._replace(sort=_next(options.sort), first=0),
    "g": lambda options: options._replace(group=_next(options.group), first=0),
    "p": lambda options: options._replace(is_paused=not options.is_paused),
    "?": lambda options: options._replace(is_helping=not options.is_helping),
    "/": lambda options: options._replace(is_typing=True, is_helping=False),
    _ESCAPE: lambda options: options._replace(filter="", is_helping=False),
}
