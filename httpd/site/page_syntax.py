"""The syntax of the keys that name pages of the operator: `fallback` and `errors`."""

from __future__ import annotations

import re
from typing import Any

from httpd.settings.errors import ConfigError, refuse
from httpd.settings.kinds import Kind, is_encodable
from httpd.settings.tree import Tree

ERROR_STATUSES = (400, 403, 404, 405, 406, 410, 412, 416, 501, 503)
"""The errors of a site.  Any other one is not of a site: the request has no site yet, or the server
itself has failed."""
_FILE = r"(/(?!\.)[^/\u0000]+)+"
_FILE_ALLOWED = (
    "a file below the docroot, such as /index.html; it begins with a slash, and no name of it with"
    " a dot"
)
_ALLOWED = "a mapping of statuses to files, such as {404: /404.html}"
_STATUS_ALLOWED = f"{', '.join(map(str, ERROR_STATUSES[:-1]))} or {ERROR_STATUSES[-1]}"


def _read_file(tree: Any) -> str:
    """Return a file; raise ValueError for anything else."""
    text = tree.value() if isinstance(tree, Tree) else None
    if not isinstance(text, str) or not is_encodable(text) or not re.fullmatch(_FILE, text):
        raise ValueError(_FILE_ALLOWED)
    return text


def _read_fallback(tree: Any) -> str | None:
    """Return a file; None for ``null``, so that a site need not have that at the top of the file.

    Args:
        tree: a `Tree`.
    """
    return None if isinstance(tree, Tree) and tree.is_null else _read_file(tree)


def _read_errors(tree: Any) -> tuple[tuple[int, str], ...]:
    """Return the statuses with their files, in the order of the configuration.

    Args:
        tree: a `Tree`.

    Raises:
        ConfigError: with all faults of the mapping.
        ValueError: the value is no mapping; the text says what is allowed.
    """
    problems: list[str] = []
    if isinstance(tree, Tree) and tree.is_null:
        return ()
    entries = tree.entries(problems) if isinstance(tree, Tree) else None
    if entries is None:
        raise ValueError(_ALLOWED)
    pages = []
    for status, entry in entries.items():
        if status not in map(str, ERROR_STATUSES):
            problems.append(
                f"{entry.place}: is no status that a page can be for; expected {_STATUS_ALLOWED}"
            )
            continue
        try:
            pages.append((int(status), _read_file(entry)))
        except ValueError as error:
            problems.append(refuse(entry.place, entry, error))
    if problems:
        raise ConfigError(problems)
    return tuple(pages)


_FILE_SCHEMA = {"type": "string", "pattern": f"^{_FILE}$"}
FALLBACK = Kind(_FILE_ALLOWED, _read_fallback, _FILE_SCHEMA, reads_tree=True)
ERRORS = Kind(
    _ALLOWED,
    _read_errors,
    {
        "type": "object",
        "properties": {str(status): _FILE_SCHEMA for status in ERROR_STATUSES},
        "additionalProperties": False,
    },
    reads_tree=True,
)
