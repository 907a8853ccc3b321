"""The architecture: imports point one way, and nothing that serves is borrowed."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "httpd").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]

# What each room may import of the others; the modules beside the rooms may import them all.
ALLOWED = {
    "settings": {"settings"},
    "protocol": {"protocol"},
    "files": {"files", "protocol", "settings"},
    "site": {"site", "files", "protocol", "settings"},
    "observe": {"observe", "settings"},
    "gateway": {"gateway", "site", "files", "protocol", "settings"},
    "network": {"network", "gateway", "site", "files", "protocol", "observe", "settings"},
    "monitor": {
        "monitor",
        "process",
        "network",
        "gateway",
        "site",
        "protocol",
        "observe",
        "settings",
    },
    "commands": {"commands", "process", "observe", "settings"},
    "process": {
        "process",
        "network",
        "gateway",
        "site",
        "files",
        "protocol",
        "observe",
        "settings",
    },
}
BORROWED = {"http", "urllib", "socketserver", "asyncio", "wsgiref", "ssl", "cgi", "xmlrpc", "email"}
IMPURE = {"os", "socket", "select", "threading", "logging", "random", "io", "pathlib", "subprocess"}
DEPENDENCIES = {"yaml", "daemon"}
MOST_LINES = 50
"""Lines of a function, without its docstring."""


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports tell where one is"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "httpd" and len(parts) > 1 and parts[1] in ALLOWED else None


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT / "httpd").parts[0]
    if room not in ALLOWED:
        return
    for module in imports_of(path):
        if module.split(".")[0] != "httpd":
            continue
        if (other := room_of(module)) is not None:
            assert other in ALLOWED[room], f"{room} imports {module}"
        else:
            assert module in ("httpd", "httpd.__version__"), f"{room} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_are_of_the_standard_library_and_two_packages(path: Path) -> None:
    tops = {module.split(".")[0] for module in imports_of(path)}
    assert tops - {"httpd"} <= sys.stdlib_module_names | DEPENDENCIES
    assert not tops & BORROWED


def test_modules_do_not_know_each_other() -> None:
    """Nor under `TYPE_CHECKING`, nor in a function: no module imports one that leads back to it."""
    names = {module_name(path): path for path in MODULES}
    graph = {name: names.keys() & {*imports_of(path)} for name, path in names.items()}
    assert len(graph) > 100
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_protocol_is_pure() -> None:
    for path in (ROOT / "httpd" / "protocol").glob("*.py"):
        assert not {module.split(".")[0] for module in imports_of(path)} & IMPURE, path


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_classes_inherit_from_none_of_our_own_but_exceptions(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            ours = [base for base in bases if base.endswith("Error") or base == "Exception"]
            known = ("NamedTuple", "Protocol", "enum.Enum", "enum.IntEnum", "enum.StrEnum")
            others = [base for base in bases if base not in (*ours, *known)]
            assert others in ([], ["argparse.ArgumentParser"], ["socket.socket"]), node.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_regular_expressions_repeat_no_group_possessively(path: Path) -> None:
    """Python before 3.11.5 may then match what does not match (bugs.python.org gh-106052)."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            assert not re.search(r"\(\?.*\)(?:[*+?]|\{[0-9,]+\})\+", text), f"{path}: {text}"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_globals_never_change(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not isinstance(node, ast.Global), path


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_module_says_what_it_is_for_and_is_read_in_minutes(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), path
    assert text.count("\n") < 600, path


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_function_fits_on_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            has_docstring = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1 if has_docstring else 0]
            assert node.end_lineno is not None
            assert node.end_lineno - first.lineno < MOST_LINES, f"{path}: {node.name}"


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_module_that_checks_the_version_is_readable_for_old_interpreters(name: str) -> None:
    """No syntax newer than Python 3.6, at module level and in functions."""
    ast.parse((ROOT / "httpd" / name).read_text("utf-8"), feature_version=(3, 6))
