"""Reading the YAML file of the configuration, such that every value knows its line.

Called by `httpd.config`, which knows what the values mean, and only where there is a file: this is
the one module that needs PyYAML.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from typing import Any

import yaml

from httpd.config_errors import ConfigError
from httpd.config_tree import Tree, Value

_YAML = "tag:yaml.org,2002:"
_INTEGER = f"{_YAML}int"
_NUMBERS = (_INTEGER, f"{_YAML}float")
_OTHER_NUMBER = re.compile(r"[-+]?[0-9.]+[^0-9.].*|[-+]?\.[^0-9].*")


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
    directory = os.path.dirname(os.path.abspath(path))
    for name, tree in (entries or {}).items():
        try:
            raw = tree if name in trees else _construct(loader, tree)
            values[name] = Value(raw, tree.place, directory)
        except ValueError as error:
            problems.append(f"{tree.place}: {error}")
    return values


def _parse(path: str) -> tuple[yaml.SafeLoader, yaml.MappingNode | None]:
    try:
        loader = yaml.SafeLoader(_read_text(path))
        root = loader.get_single_node()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"], may_pass=True) from None
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
