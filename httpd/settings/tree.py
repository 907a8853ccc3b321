"""Parts of the config file that know the line where they stand.

PyYAML's nodes say themselves what they are, so PyYAML is not imported here: a server without a
config file runs without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from httpd.settings.errors import ConfigError, refuse, suggest

if TYPE_CHECKING:
    import yaml

    _Node = yaml.ScalarNode | yaml.SequenceNode | yaml.MappingNode

_Read = TypeVar("_Read")

_YAML = "tag:yaml.org,2002:"
_NULL = f"{_YAML}null"
_LIST = f"{_YAML}seq"
_FLAG = f"{_YAML}bool"
_KINDS = {_NULL: "nothing", _LIST: "a list", f"{_YAML}map": "a mapping"}


@dataclass(frozen=True, slots=True)
class Tree:
    """A part of the config file as it stands there, so that everything inside knows its line.

    Nothing inside is read before it is asked for: an alias can make a part contain itself.

    Args:
        node: what PyYAML made of the part.
        path: of the file.
        construct: returns the value of a scalar node; raises ValueError with what is wrong.
        line: where the part begins, or its key.
        keys: that lead to the part.
        top: the keys that exist at the top of the file, for a part inside of it.
    """

    node: _Node
    path: str
    construct: Callable[[Any], Any]
    line: int = 1
    keys: tuple[str, ...] = ()
    top: Collection[str] = ()

    @property
    def place(self) -> str:
        """The start of an error message."""
        return ": ".join((f"{self.path}:{self.line}", *self.keys))

    @property
    def is_null(self) -> bool:
        """Whether there is nothing, or ``null``."""
        return bool(self.node.tag == _NULL)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return bool(self.node.id == "mapping")

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
        if self.node.id != "scalar" or self.is_null:
            return None
        return str(self.node.value) if self.node.tag.startswith(_YAML) else None

    def value(self) -> Any:
        """Return a single value, or a list of single values, as YAML understands them.

        Anything else stays a `Tree`, which no kind of single value accepts: by aliases, ten lines
        can be a list of a billion items.

        Raises:
            ValueError: with what is wrong, when a value is not what its tag says.
        """
        items = self.items()
        return self._one_value() if items is None else [item._one_value() for item in items]

    def _one_value(self) -> Any:
        return self.construct(self.node) if self.node.id == "scalar" else self

    def items(self) -> list[Tree] | None:
        """Return the items of a list, or None for anything else."""
        if self.node.id != "sequence" or self.node.tag != _LIST:
            return None
        return [
            Tree(item, self.path, self.construct, item.start_mark.line + 1, self.keys, self.top)
            for item in self.node.value
        ]

    def entries(self, problems: list[str], known: Collection[str] = ()) -> dict[str, Tree] | None:
        """Return the values of a mapping by key, or None for anything else.

        Args:
            problems: what is wrong with a key is added here: it is unknown, or there before in
                whatever case.
            known: the keys that exist; without any, every key is right.
        """
        if not self.is_mapping:
            return None
        found: dict[str, Tree] = {}
        seen = set()
        for key, value in self.node.value:
            name, line = key.value, key.start_mark.line + 1
            if key.id != "scalar":
                place = Tree(key, self.path, self.construct, line, self.keys).place
                problems.append(f"{place}: unknown key; a key is one word")
                continue
            keys, top = (*self.keys, name), self.top or known
            entry = Tree(value, self.path, self.construct, line, keys, top)
            if known and name not in known:
                problems.append(f"{entry.place}: {self._explain(name, known, problems)}")
            elif name.lower() in seen:
                problems.append(f"{entry.place}: is set a second time")
            else:
                seen.add(name.lower())
                found[name] = entry
        return found

    def _explain(self, name: str, known: Collection[str], problems: list[str]) -> str:
        """Return what is wrong with an unknown key."""
        if name not in self.top:
            return f"unknown key{suggest(name, known, problems)}"
        return f"is no key of {self.keys[-1]}; set it at the top of the file, for the whole server"

    def __repr__(self) -> str:
        if (text := self.text()) is not None:
            return repr(text)
        if self.items() == []:
            return "an empty list"
        return _KINDS.get(self.node.tag, f"the tag {self.node.tag}")


def items_of(value: Any, allowed: str) -> list[Tree]:
    """Return the items of a list that may be left out.

    Args:
        value: a `Tree`; an empty list is the default.
        allowed: what the list may contain, for the operator.

    Raises:
        ValueError: the value is no list; the text is `allowed`.
    """
    if value == [] or (isinstance(value, Tree) and value.is_null):
        return []
    items = value.items() if isinstance(value, Tree) else None
    if items is None:
        raise ValueError(allowed)
    return items


def read_each(tree: Tree, read: Callable[[Any], _Read]) -> list[tuple[_Read, Tree]]:
    """Return what is read of a single value, or of each item of a list, with its part of the file.

    Args:
        tree: the value or the list.
        read: returns what a value as YAML understands it stands for; raises ValueError with what is
            allowed.

    Raises:
        ConfigError: with every value that is wrong, each at its line.
    """
    items = tree.items()
    found = []
    problems = []
    for item in [tree] if items is None else items:
        try:
            value = item.value()
        except ValueError as error:
            problems.append(f"{item.place}: {error}")
            continue
        try:
            found.append((read(value), item))
        except ValueError as error:
            found_instead = value if isinstance(value, int | float) else item
            problems.append(refuse(item.place, found_instead, error))
    if problems:
        raise ConfigError(problems)
    return found
