"""Reading the YAML file of the configuration, such that every value knows its line.

Called by `httpd.config`, which knows what the values mean.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

_YAML = "tag:yaml.org,2002:"
_NULL = f"{_YAML}null"
_LIST = f"{_YAML}seq"
_FLAG = f"{_YAML}bool"
_INTEGER = f"{_YAML}int"
_NUMBERS = (_INTEGER, f"{_YAML}float")
_OTHER_NUMBER = re.compile(r"[-+]?[0-9.]+[^0-9.].*|[-+]?\.[^0-9].*")
_KINDS = {_NULL: "nothing", _LIST: "a list", f"{_YAML}map": "a mapping"}


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each thing that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(_printable(problem) for problem in problems)


def _printable(text: str) -> str:
    """Keep what stands in a file from being an instruction to a terminal, or a line of its own."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def refuse(place: str, found: Any, allowed: object) -> str:
    """Return the problem of a value that is not what it should be."""
    text = repr(found)
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"{place}: {text} is not allowed here; expected {allowed}"


class Value(NamedTuple):
    """A value that the operator gave, and where: the start of an error message."""

    raw: Any
    place: str
    folder: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A part of the config file as it stands there, so that everything inside knows its line.

    Nothing inside is looked at before it is asked for: an alias can make a part contain itself.

    Args:
        node: what PyYAML made of it.
        path: of the file.
        line: where the part begins, or its key.
        keys: that lead to it.
    """

    node: yaml.Node
    path: str
    line: int
    keys: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The start of an error message."""
        return ": ".join((f"{self.path}:{self.line}", *self.keys))

    @property
    def is_null(self) -> bool:
        """Whether there is nothing, or ``null``."""
        return bool(self.node.tag == _NULL)

    @property
    def is_written(self) -> bool:
        """Whether there is any text, be it ``null``."""
        return bool(self.node.value)

    @property
    def is_flag(self) -> bool:
        """Whether YAML takes the text for true or false."""
        return bool(self.node.tag == _FLAG)

    def text(self) -> str | None:
        """Return a text, number, date or flag as it is written, or None for anything else."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null:
            return None
        return str(self.node.value) if self.node.tag.startswith(_YAML) else None

    def items(self) -> list[Tree] | None:
        """Return the items of a list, or None for anything else."""
        if not isinstance(self.node, yaml.SequenceNode) or self.node.tag != _LIST:
            return None
        return [
            Tree(item, self.path, item.start_mark.line + 1, self.keys) for item in self.node.value
        ]

    def entries(self, problems: list[str], known: Collection[str] = ()) -> dict[str, Tree] | None:
        """Return the values of a mapping by key, or None for anything else.

        Args:
            problems: what is wrong with a key is added here: unknown, or there before in whatever
                case.
            known: the keys that there are; without any, all are good.
        """
        if not isinstance(self.node, yaml.MappingNode):
            return None
        found: dict[str, Tree] = {}
        seen = set()
        for key, value in self.node.value:
            name, line = key.value, key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                place = Tree(key, self.path, line, self.keys).place
                problems.append(f"{place}: unknown key; a key is one word")
                continue
            entry = Tree(value, self.path, line, (*self.keys, name))
            if known and name not in known:
                problems.append(f"{entry.place}: unknown key{suggest(name, known)}")
            elif name.lower() in seen:
                problems.append(f"{entry.place}: is set a second time")
            else:
                seen.add(name.lower())
                found[name] = entry
        return found

    def __repr__(self) -> str:
        if (text := self.text()) is not None:
            return repr(text)
        return _KINDS.get(self.node.tag, f"the tag {self.node.tag}")


def read_config_file(
    path: str, known: Collection[str], trees: Collection[str], problems: list[str]
) -> dict[str, Value]:
    """Return the values of a config file.

    Args:
        path: of the file.
        known: the keys that there are.
        trees: those of them whose value is to be a `Tree`.
        problems: what is wrong with single keys is added here, a line each.

    Raises:
        ConfigError: when the file cannot be read, or is not a mapping in YAML.
    """
    loader, root = _parse(path)
    entries = Tree(root, path, 1).entries(problems, known) if root else None
    values: dict[str, Value] = {}
    folder = os.path.dirname(os.path.abspath(path))
    for name, tree in (entries or {}).items():
        try:
            raw = tree if name in trees else _construct(loader, tree)
            values[name] = Value(raw, tree.place, folder)
        except ValueError as error:
            problems.append(f"{tree.place}: {error}")
    return values


def _parse(path: str) -> tuple[yaml.SafeLoader, yaml.MappingNode | None]:
    try:
        loader = yaml.SafeLoader(_read_text(path))
        root = loader.get_single_node()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 at byte {error.start}"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else path
        raise ConfigError([f"{place}: is not YAML: {_problem(error)}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply"]) from None
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise ConfigError([f"{path}:1: expected lines of the form “key: value”"])
    return loader, root


def _read_text(path: str) -> str:
    # A FIFO is not waited for, and what cannot be read again is of no use to a reload.
    with open(path, encoding="utf-8", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        is_null = os.path.samestat(status, os.stat(os.devnull))
        if not stat.S_ISREG(status.st_mode) and not is_null:
            raise ConfigError([f"{path}: is not a regular file"])
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _construct(loader: yaml.SafeLoader, tree: Tree) -> Any:
    """Return a single value, or a list of these.

    No key takes anything else, which therefore stays a `Tree`: by aliases, ten lines can be a list
    of a billion items.
    """
    items = tree.items()
    if items is None:
        return _construct_one(loader, tree)
    return [_construct_one(loader, item) for item in items]


def _construct_one(loader: yaml.SafeLoader, tree: Tree) -> Any:
    node = tree.node
    if not isinstance(node, yaml.ScalarNode):
        return tree
    # A number is decimal, as in an option: to PyYAML 010 is eight, and 1:30 is ninety.
    if node.tag in _NUMBERS and _OTHER_NUMBER.fullmatch(node.value):
        return node.value
    try:
        return int(node.value) if node.tag == _INTEGER else loader.construct_object(node, deep=True)
    except yaml.YAMLError as error:
        raise ValueError(_problem(error)) from None
    except Exception:  # PyYAML's constructors trip over “!!bool maybe” and the like
        raise ValueError("the value is not what its tag says") from None


def _problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).replace("\n", " ")
    is_alias = "alias" in f"{problem} {getattr(error, 'context', None)}"
    return problem + "; a value that begins with “*” must be quoted" * is_alias


def suggest(name: str, known: Collection[str]) -> str:
    """Return the end of a problem: what an unknown name may have been meant to be."""
    import difflib  # noqa: PLC0415 - nothing is wrong with most files

    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; known are {', '.join(known)}"
