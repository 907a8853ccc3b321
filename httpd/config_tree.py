"""Parts of the config file that know the line where they stand.

Made by `httpd.config_file`, and read by `httpd.config_rules`.  PyYAML's nodes say themselves what
they are, so it is not imported here: a server without a config file does without it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from httpd.config_errors import suggest

if TYPE_CHECKING:
    import yaml

_YAML = "tag:yaml.org,2002:"
_NULL = f"{_YAML}null"
_LIST = f"{_YAML}seq"
_FLAG = f"{_YAML}bool"
_KINDS = {_NULL: "nothing", _LIST: "a list", f"{_YAML}map": "a mapping"}


class Value(NamedTuple):
    """A value that the operator gave, and where: the start of an error message."""

    raw: Any
    place: str
    directory: str


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

    node: yaml.ScalarNode | yaml.SequenceNode | yaml.MappingNode
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
        if self.node.id != "scalar" or self.is_null:
            return None
        return str(self.node.value) if self.node.tag.startswith(_YAML) else None

    def items(self) -> list[Tree] | None:
        """Return the items of a list, or None for anything else."""
        if self.node.id != "sequence" or self.node.tag != _LIST:
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
        if self.node.id != "mapping":
            return None
        found: dict[str, Tree] = {}
        seen = set()
        for key, value in self.node.value:
            name, line = key.value, key.start_mark.line + 1
            if key.id != "scalar":
                place = Tree(key, self.path, line, self.keys).place
                problems.append(f"{place}: unknown key; a key is one word")
                continue
            entry = Tree(value, self.path, line, (*self.keys, name))
            if known and name not in known:
                hint = suggest(name, known, problems)
                problems.append(f"{entry.place}: unknown key{hint}")
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
