"""What `host` may be: addresses and names, and Unix sockets with a mode and a group."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from httpd.settings.declaration import REQUIRED, key
from httpd.settings.errors import ConfigError
from httpd.settings.kinds import Kind, is_encodable, texts
from httpd.settings.loader import section
from httpd.settings.system_kinds import GROUP
from httpd.settings.tree import Tree

_MAX_PATH = 107
"""Bytes of a path: sockaddr_un has 108, and other programs need a zero byte there (unix(7))."""
_PATH = f"the absolute path of a socket file, of at most {_MAX_PATH} bytes"
_NOT_ABSTRACT = (
    f"{_PATH}; an abstract socket has no owner and no mode, so any process may connect to it, or"
    " take its name"
)
_MODE = 'an octal mode in quotes, such as "0660"; numbers without quotes are decimal here'
_MODE_PATTERN = "0?[0-7]{3}"


def read_socket_path(value: Any) -> str:
    """Return the path of a Unix socket.

    Raises:
        ValueError: it is no such path; the text says what is allowed.
    """
    if isinstance(value, str) and value.startswith(("@", "\0")):
        raise ValueError(_NOT_ABSTRACT)
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError(_PATH)
    if not is_encodable(value) or len(value.encode()) > _MAX_PATH:
        raise ValueError(_PATH)
    return value


def _read_mode(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(_MODE_PATTERN, value):
        raise ValueError(_MODE)
    return int(value, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixAddress:
    """A Unix socket to listen at."""

    unix: str = key(
        Kind(_PATH, read_socket_path, {"type": "string", "pattern": "^/", "maxLength": _MAX_PATH}),
        REQUIRED,
        "The absolute path of a Unix socket. Its directory is made if it is not there.",
    )
    mode: int = key(
        Kind(_MODE, _read_mode, {"type": "string", "pattern": f"^{_MODE_PATTERN}$"}),
        "0666",
        "Who may connect: the mode of its file, in quotes. The default lets every user connect who"
        " reaches the directory.",
    )
    group: str | None = key(
        GROUP, None, "The group of its file; the default is that of the user who starts phttpd."
    )

    def __str__(self) -> str:
        return f"unix:{self.unix}"


Host = str | UnixAddress


def is_address_or_name(text: str) -> bool:
    """Tell an address, which may have a scope, and a host name from something like an address."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    if family == socket.AF_INET and not re.fullmatch("[0-9.]+", text):
        return True
    try:
        socket.inet_pton(family, text.partition("%")[0])
    except OSError:
        return False
    return True


_UNIX = section(UnixAddress, 'a mapping such as {unix: /run/phttpd/web.sock, mode: "0660"}')
_NAMES = texts(
    '"*" for every address, or an address or host name without a port, or a Unix socket such as'
    " {unix: /run/phttpd/web.sock}, or a list of these",
    r"\*|[0-9A-Za-z._%-]{1,253}|(?=.*:.*:)[0-9A-Fa-f:.]{2,45}(%[0-9A-Za-z._-]{1,15})?",
    is_address_or_name,
)


def _read_hosts(value: Any) -> tuple[Host, ...]:
    """Return the hosts in their order.

    Args:
        value: a `Tree`, or a text or list of texts of the command line.

    Raises:
        ConfigError: with all faults of Unix sockets.
        ValueError: anything else is wrong; the text says what is allowed.
    """
    place = value.place if isinstance(value, Tree) else ""
    if isinstance(value, Tree):
        try:
            value = value.value()
        except ValueError as error:
            raise ConfigError([f"{place}: {error}"]) from None
    if value is None:
        value = "*"
    items = value if isinstance(value, list) else [value]
    names = [item for item in items if not _is_socket(item)]
    if names or not items:
        _NAMES.read(names)
    sockets = iter(_read_sockets([item for item in items if _is_socket(item)], place))
    return tuple(next(sockets) if _is_socket(item) else item for item in items)


def _is_socket(item: Any) -> bool:
    return isinstance(item, Tree) and item.is_mapping


def _read_sockets(trees: Sequence[Tree], place: str) -> list[UnixAddress]:
    problems: list[str] = []
    missing = 0
    found = []
    for tree in trees:
        try:
            found.append(_UNIX.read(tree))
        except ConfigError as error:
            problems += error.problems
            missing += len(error.problems) * error.may_pass
    paths = Counter(one.unix for one in found)
    problems += [f"{place}: {path} is there twice" for path, n in paths.items() if n > 1]
    if problems:
        raise ConfigError(problems, may_pass=missing == len(problems))
    return found


_ITEM = {"anyOf": [_NAMES.schema["items"], _UNIX.schema]}
HOSTS = Kind(
    _NAMES.allowed,
    _read_hosts,
    {"anyOf": [*_ITEM["anyOf"], {"type": "array", "items": _ITEM, "minItems": 1}]},
    reads_tree=True,
    parts=_UNIX.parts,
)
