"""Reading the YAML file of the configuration, such that every value knows its line.

Called by `httpd.config`, which knows what the values mean.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each thing that is wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(_printable(problem) for problem in problems)


def _printable(text: str) -> str:
    """Keep what stands in a file from being an instruction to a terminal, or a line of its own."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Value(NamedTuple):
    """A value that the operator gave, and where: the start of an error message."""

    raw: Any
    place: str
    folder: str


def read_config_file(path: str, known: Collection[str], problems: list[str]) -> dict[str, Value]:
    """Return the values of a config file.

    Args:
        path: of the file.
        known: the keys that there are.
        problems: what is wrong with single keys is added here, a line each.

    Raises:
        ConfigError: when the file cannot be read, or is not a mapping in YAML.
    """
    loader, root = _parse(path)
    values: dict[str, Value] = {}
    folder = os.path.dirname(os.path.abspath(path))
    for key_node, value_node in root.value if root else ():
        place = f"{path}:{key_node.start_mark.line + 1}"
        name = key_node.value
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(f"{place}: unknown key; a key is one word")
        elif name not in known:
            problems.append(f"{place}: {name}: unknown key{_suggest(name, known)}")
        elif name in values:
            problems.append(f"{place}: {name}: is set a second time")
        else:
            place = f"{place}: {name}"
            try:
                values[name] = Value(_construct(loader, value_node), place, folder)
            except ValueError as error:
                problems.append(f"{place}: {error}")
    return values


def _parse(path: str) -> tuple[yaml.SafeLoader, yaml.MappingNode | None]:
    try:
        loader = yaml.SafeLoader(Path(path).read_text("utf-8"))
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


def _construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    try:
        return loader.construct_object(node, deep=True)
    except yaml.YAMLError as error:
        raise ValueError(_problem(error)) from None
    except Exception:  # PyYAML's constructors trip over “!!bool maybe” and the like
        raise ValueError("the value is not what its tag says") from None


def _problem(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or str(error).replace("\n", " ")


def _suggest(name: str, known: Collection[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; known are {', '.join(known)}"
