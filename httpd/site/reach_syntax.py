"""The syntax of `serve_hidden` and `symlinks` in the config file: what a site serves beside the
usual names in its docroot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from httpd.settings.kinds import Kind, is_encodable
from httpd.settings.tree import Tree, read_each

_HIDDEN_ALLOWED = "true, false, or names with a leading dot such as .nojekyll, and without a slash"
_HIDDEN_NAME = r"\.(?!\.?$)[^/\u0000]+"

_INSIDE = "inside"
_SYMLINKS_ALLOWED = f"{_INSIDE}, or absolute paths of directories such as /srv/data, other than /"
_TARGET = r"(/+(?!\.{1,2}(/|$))[^/\u0000]+)+/*"


def _read_hidden_name(value: Any) -> str:
    is_name = isinstance(value, str) and re.fullmatch(_HIDDEN_NAME, value) and is_encodable(value)
    if not is_name:
        raise ValueError(_HIDDEN_ALLOWED)
    return str(value)


def _read_serve_hidden(value: Any) -> bool | tuple[str, ...]:
    """Return the names, or whether there is none that is hidden.

    Args:
        value: a `Tree`; false is the default.

    Raises:
        ConfigError: with all faults of the names.
        ValueError: with what is allowed.
    """
    if not isinstance(value, Tree) or value.is_null:
        return False
    if value.is_flag:
        return bool(value.value())
    return _read_list(value, _read_hidden_name, _HIDDEN_ALLOWED)


def _read_target(value: Any) -> str:
    is_path = isinstance(value, str) and re.fullmatch(_TARGET, value) and is_encodable(value)
    if not is_path:
        raise ValueError(_SYMLINKS_ALLOWED)
    return str(value).rstrip("/")


def _read_symlinks(value: Any) -> tuple[str, ...]:
    """Return the directories that links may lead to.

    Args:
        value: a `Tree`; a text is the default, which is `_INSIDE`.

    Raises:
        ConfigError: with all faults of the paths.
        ValueError: with what is allowed.
    """
    if not isinstance(value, Tree) or value.is_null or value.text() == _INSIDE:
        return ()
    return _read_list(value, _read_target, _SYMLINKS_ALLOWED)


def _read_list(tree: Tree, read: Callable[[Any], str], allowed: str) -> tuple[str, ...]:
    """Return the items of a list, or the only one; a list without items is refused."""
    if tree.items() == []:
        raise ValueError(allowed)
    return tuple(item for item, _ in read_each(tree, read))


def _list_schema(types: list[str], pattern: str) -> dict[str, Any]:
    """Return the JSON Schema of one text, or a list of texts, or a value of other types."""
    text = {"type": "string", "pattern": f"^({pattern})$"}
    return {**text, "type": [*types, "string", "array"], "items": text, "minItems": 1}


SERVE_HIDDEN = Kind(
    _HIDDEN_ALLOWED,
    _read_serve_hidden,
    _list_schema(["boolean"], _HIDDEN_NAME),
    reads_tree=True,
)
SYMLINKS = Kind(
    _SYMLINKS_ALLOWED,
    _read_symlinks,
    {
        **_list_schema([], f"{_INSIDE}|{_TARGET}"),
        "items": {"type": "string", "pattern": f"^({_TARGET})$"},
    },
    reads_tree=True,
)
