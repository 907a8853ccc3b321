"""How a room declares its settings: as fields of a dataclass, each made by `key`.

`keys_of` and `groups_of` return what was declared, for the loader, the command line and the
generators of the documentation.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from httpd.settings.kinds import Kind

REQUIRED: Any = object()
"""The default of a key that must be set."""


class Option(NamedTuple):
    """The option of the command line that sets a key.

    Args:
        help: for ``--help``; the default is appended.
        metavar: stands for the value there; None for a flag, which takes no value.
        alias: another name of the option, such as ``--base``.
        is_repeatable: whether the option may be given more than once, for a list.
    """

    help: str
    metavar: str | None = None
    alias: str | None = None
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """Something that can be set.

    Args:
        name: in the config file, and of the field of the dataclass.
        kind: what the value may be; a key without a value is as good as none.
        default: as it would stand in the config file; None where there is none, or `REQUIRED`.
        help: what the setting does, in whole sentences; literal texts stand in backticks.
        details: more of that, for the manual but not for the comments of the config file.
        example: the text of a value to show in the config file, where there is no default.
        unset: what the field is without a value, where there is no default.
        instead: the key that may be set in place of this one, if this one must be set.
        restart: whether a change comes into force with the next start only, and not with a reload.
        own_sockets: whether the key has no effect on sockets that a service manager passes.
        option: of the command line, if there is one.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    details: str = ""
    example: str = ""
    unset: Any = None
    instead: str = ""
    restart: bool = False
    own_sockets: bool = False
    option: Option | None = None

    @property
    def is_required(self) -> bool:
        """Whether there is no server without a value, or one of the key `instead`."""
        return self.default is REQUIRED

    @property
    def option_name(self) -> str:
        """The name of the option, had the key one: ``--log-file`` for ``log_file``."""
        return f"--{self.name.replace('_', '-')}"

    def without_value(self) -> Any:
        """Return what the field is when the key has no value."""
        if self.default is None or self.is_required:
            return self.unset
        return self.kind.read(self.default)


def key(  # noqa: PLR0913 - each fact about a key is an argument
    kind: Kind,
    default: Any,
    help: str,  # noqa: A002 - the word of argparse
    *,
    details: str = "",
    example: str = "",
    unset: Any = None,
    instead: str = "",
    restart: bool = False,
    own_sockets: bool = False,
    option: Option | None = None,
) -> Any:
    """Declare a setting as a field of a dataclass; the arguments are those of `Key`.

    A dataclass that is made without the field has the default, as the server has it.
    """
    declared = Key(
        *("", kind, default, help, details, example),
        *(unset, instead, restart, own_sockets, option),
    )
    metadata = {"key": declared}
    if declared.is_required:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default_factory=declared.without_value, metadata=metadata)


def keys_of(settings: type) -> dict[str, Key]:
    """Return the keys that a dataclass declares, by name and in order."""
    return {
        field.name: dataclasses.replace(field.metadata["key"], name=field.name)
        for field in fields(settings)
        if "key" in field.metadata
    }


class Group(NamedTuple):
    """The settings of one room, or of one part of it.

    Args:
        name: of the field that holds the dataclass.
        title: for the documentation.
        settings: the dataclass.
        keys: what it declares, by name.
    """

    name: str
    title: str
    settings: type
    keys: Mapping[str, Key]


def titled(title: str) -> dict[str, str]:
    """Return the metadata of a field that holds the dataclass of a room."""
    return {"title": title}


def groups_of(settings: type) -> list[Group]:
    """Return the groups of a dataclass that holds those of the rooms, in order."""
    types = typing.get_type_hints(settings)
    return [
        Group(field.name, field.metadata["title"], types[field.name], keys_of(types[field.name]))
        for field in fields(settings)
        if "title" in field.metadata
    ]
