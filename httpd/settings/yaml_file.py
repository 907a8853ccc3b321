"""Reads the YAML file of the configuration, such that every value knows its line.

This is the one module that needs PyYAML; it is imported only where there is a config file.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any

import yaml

from httpd.settings.errors import ConfigError
from httpd.settings.tree import Tree

_YAML = "tag:yaml.org,2002:"
_INTEGER = f"{_YAML}int"
_NUMBERS = (_INTEGER, f"{_YAML}float")
_OTHER_NUMBER = re.compile(r"[-+]?[0-9.]+[^0-9.].*|[-+]?\.[^0-9].*")


def read_yaml(path: str) -> Tree | None:
    """Return the mapping that a config file is, or None for an empty file.

    Raises:
        ConfigError: when the file cannot be read, or is not a mapping in YAML.
    """
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
    return Tree(root, path, lambda node: _construct(loader, node)) if root else None


def _read_text(path: str) -> str:
    # A FIFO is not waited for, and a file that cannot be read twice is of no use to a reload.
    with open(path, encoding="utf-8", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        is_null = os.path.samestat(status, os.stat(os.devnull))
        if not stat.S_ISREG(status.st_mode) and not is_null:
            raise ConfigError([f"{path}: is not a regular file"])
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
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
