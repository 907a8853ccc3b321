"""The syntax of `types` and `default_type` in the config file: media types by file name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from httpd.files.media_types import TYPES_BY_EXTENSION, UNDECIDED_TS, without_parameters
from httpd.protocol.grammar import MEDIA_TYPE
from httpd.settings.errors import ConfigError, refuse
from httpd.settings.kinds import Kind, is_encodable
from httpd.settings.tree import Tree

TypesByName = tuple[tuple[str, str], ...]

_ALLOWED = "lines of the form “.rkt: text/x-racket” or “README: text/plain”"
_NAME = r"(?!\.{0,2}$)[^/*\u0000]+"
_NAME_ALLOWED = "is neither an extension such as .rkt or .tar.zst nor the whole name of a file"
_TYPE_ALLOWED = "a media type such as text/x-racket or text/html; charset=iso-8859-1"


def _read_types(tree: Any) -> TypesByName:
    """Return media types by extension or name, in the order of the file.

    Args:
        tree: a `Tree`; an empty mapping is the default.

    Raises:
        ConfigError: with all faults inside.
        ValueError: the value is no mapping; the text says what is allowed.
    """
    if not isinstance(tree, Tree) or tree.is_null:
        return ()
    problems: list[str] = []
    entries = tree.entries(problems)
    if entries is None:
        raise ValueError(_ALLOWED)
    types = []
    for name, value in entries.items():
        if not re.fullmatch(_NAME, name) or not is_encodable(name):
            problems.append(f"{value.place}: {_NAME_ALLOWED}{_suggest_name(name)}")
        try:
            types.append((name, _read_type(value.text())))
        except ValueError as allowed:
            problems.append(refuse(value.place, value, allowed))
    if problems:
        raise ConfigError(problems)
    return tuple(types)


def _read_type(value: Any) -> str:
    """Return a media type, its name in lower case (RFC 9110 §8.3.1)."""
    if not isinstance(value, str) or not MEDIA_TYPE.fullmatch(value):
        raise ValueError(f"{_TYPE_ALLOWED}{_suggest_type(value)}")
    essence = without_parameters(value)
    return essence.lower() + value[len(essence) :]


def _suggest_name(name: str) -> str:
    """Return the end of a problem: the name that a pattern or path may stand for."""
    meant = re.sub(r"^\*+(?=\.)", "", name.rpartition("/")[2])
    return f"; did you mean {meant}?" if re.fullmatch(_NAME, meant) else ""


def _suggest_type(value: Any) -> str:
    """Return the end of a problem: the media type that an extension may stand for."""
    known = TYPES_BY_EXTENSION.get(str(value).lower().removeprefix(".").encode(), UNDECIDED_TS)
    return f"; did you mean {known}?" if known != UNDECIDED_TS else ""


_TYPE_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": f"^{MEDIA_TYPE.pattern}$"}
MEDIA_TYPE_KIND = Kind(_TYPE_ALLOWED, _read_type, _TYPE_SCHEMA)
TYPES = Kind(
    _ALLOWED,
    _read_types,
    {
        "type": "object",
        "propertyNames": {"pattern": f"^{_NAME}$"},
        "additionalProperties": _TYPE_SCHEMA,
    },
    reads_tree=True,
)
