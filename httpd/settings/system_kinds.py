"""Kinds of values that name something of this machine: files, directories, users and groups."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable
from typing import Any, TypeVar

from httpd.settings.errors import NotThereError
from httpd.settings.kinds import Kind, is_encodable

_Entry = TypeVar("_Entry")

_PATH = "a path"
_TEXT = {"type": "string", "minLength": 1}
_NAME_OR_NUMBER = {"type": ["string", "integer"], "minLength": 1, "minimum": 0}


def _read_path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value or not is_encodable(value):
        raise ValueError(_PATH)
    return value


def _read_directory(value: Any) -> str:
    path = _read_path(value)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotThereError(f"no such directory: {path}") from None
    except OSError as error:
        raise NotThereError(f"{error.strerror}: {path}") from None
    if not stat.S_ISDIR(mode):
        raise NotThereError(f"not a directory: {path}")
    return path


def _read_user(value: Any) -> str:
    return _look_up("user", value, pwd.getpwuid, pwd.getpwnam).pw_name


def _read_group(value: Any) -> str:
    return _look_up("group", value, grp.getgrgid, grp.getgrnam).gr_name


def _look_up(
    what: str, value: Any, by_number: Callable[[int], _Entry], by_name: Callable[[str], _Entry]
) -> _Entry:
    is_number = type(value) in (int, str) and re.fullmatch("[0-9]{1,9}", str(value))
    try:
        if not is_number and not (isinstance(value, str) and value):
            raise ValueError
        return by_number(int(value)) if is_number else by_name(value)
    except KeyError:
        raise NotThereError(f"no such {what}: {value}") from None
    except ValueError:
        raise ValueError(_name_or_number(what)) from None


def _name_or_number(what: str) -> str:
    return f"the name or number of a {what} of this machine"


PATH = Kind(_PATH, _read_path, _TEXT, is_path=True)
"""A path, whether or not there is a file."""
DIRECTORY = Kind(_PATH, _read_directory, _TEXT, is_path=True)
"""The path of a directory; one that does not exist raises `NotThereError`."""
USER = Kind(_name_or_number("user"), _read_user, _NAME_OR_NUMBER)
GROUP = Kind(_name_or_number("group"), _read_group, _NAME_OR_NUMBER)
