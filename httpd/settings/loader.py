"""Makes the dataclasses of the rooms from what the operator wrote.

`take_values` reads the values of a mapping, `build` makes a dataclass of them, and `section` is the
kind of a mapping inside the config file that has a dataclass of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from httpd.settings.declaration import Key, keys_of
from httpd.settings.errors import ConfigError, NotThereError, refuse
from httpd.settings.kinds import Kind
from httpd.settings.tree import Tree


class Value(NamedTuple):
    """A value that the operator gave.

    Args:
        raw: the value as YAML understands it, a text of the command line, or a `Tree`.
        place: where the value stands: the start of an error message.
        directory: what a relative path is relative to.
    """

    raw: Any
    place: str
    directory: str


class Problems:
    """What is wrong with a configuration.

    Attributes:
        lines: one for each mistake.
        missing: the keys whose value is right, but names something that is not there.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.missing: list[str] = []

    def throw(self) -> None:
        """Raise ConfigError if anything is wrong."""
        if self.lines:
            raise ConfigError(self.lines, may_pass=len(self.missing) == len(self.lines))


def take_values(tree: Tree, keys: Mapping[str, Key], problems: Problems) -> dict[str, Value] | None:
    """Return the values of a mapping by key, or None where there is something else.

    Args:
        tree: the mapping.
        keys: those that the mapping may have.
        problems: unknown keys, and values that YAML itself refuses, are added here.
    """
    entries = tree.entries(problems.lines, keys)
    if entries is None:
        return None
    values = {}
    directory = os.path.dirname(os.path.abspath(tree.path))
    for name, entry in entries.items():
        try:
            raw = entry if keys[name].kind.reads_tree else entry.value()
            values[name] = Value(raw, entry.place, directory)
        except ValueError as error:
            problems.lines.append(f"{entry.place}: {error}")
    return values


def build(settings: type, values: Mapping[str, Value], problems: Problems) -> Any:
    """Return an instance of a dataclass; it is of no use when something was added to `problems`.

    Args:
        settings: the dataclass.
        values: by key; keys of other dataclasses may be among them.
        problems: what is wrong is added here.
    """
    keys = keys_of(settings).values()
    return settings(**{key.name: read_value(key, values.get(key.name), problems) for key in keys})


def read_value(key: Key, value: Value | None, problems: Problems) -> Any:
    """Return the value of a key; what is wrong is added to `problems`."""
    if value is None or value.raw is None:
        return key.without_value()
    raw = value.raw
    try:
        if key.kind.is_path and isinstance(raw, str) and raw and raw not in key.kind.words:
            raw = _make_absolute(raw, value.directory)
        return key.kind.read(raw)
    except NotThereError as error:
        problems.lines.append(f"{value.place}: {error}")
        problems.missing.append(key.name)
        return raw
    except ValueError as error:
        allowed, *wrong = error.args
        problems.lines.append(refuse(value.place, wrong[0] if wrong else raw, allowed))
    except ConfigError as error:
        problems.lines.extend(error.problems)
        if error.may_pass:
            problems.missing.extend([key.name] * len(error.problems))
    return None


def _make_absolute(path: str, directory: str) -> str:
    """Return an absolute path; an absolute one needs no working directory."""
    path = os.path.join(directory, os.path.expanduser(path))
    try:
        return os.path.abspath(path)
    except OSError:
        raise ValueError("an absolute path, since there is no working directory") from None


def section(settings: type, allowed: str) -> Kind:
    """Return the kind of a mapping that has a dataclass of its own, such as ``tls:``.

    Args:
        settings: the dataclass; its keys are the keys of the mapping, and may be sections too.
        allowed: what is allowed, in words.
    """
    keys = keys_of(settings)

    def read(tree: Any) -> Any:
        if isinstance(tree, Tree) and tree.is_null:
            return None
        problems = Problems()
        values = take_values(tree, keys, problems) if isinstance(tree, Tree) else None
        if values is None:
            raise ValueError(allowed)
        for key in keys.values():
            is_set = key.name in values and values[key.name].raw is not None
            if key.is_required and not is_set and not problems.lines:
                problems.lines.append(f"{tree.place}: {key.name} is not set")
        made = build(settings, values, problems)
        problems.throw()
        return made

    schema = {
        "type": "object",
        "properties": {name: schema_of(key) for name, key in keys.items()},
        "required": [name for name, key in keys.items() if key.is_required],
        "additionalProperties": False,
    }
    parts = {name: key.help for name, key in keys.items()}
    return Kind(allowed, read, schema, reads_tree=True, parts=parts)


def schema_of(key: Key) -> dict[str, Any]:
    """Return the JSON Schema of a key; a key without a value is as good as none."""
    has_default = key.default is not None and not key.is_required
    default = {"default": key.default} if has_default else {}
    text = key.help.replace("`", "")
    return {"description": text, **default, "anyOf": [key.kind.schema, {"type": "null"}]}
