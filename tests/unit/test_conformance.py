"""The tables of docs/reference/conformance.md name what there is."""

from __future__ import annotations

import ast
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "reference" / "conformance.md").read_text("utf-8")

ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| §")
]
PLACES = sorted({name for row in ROWS for name in re.findall("`(.+?)`", row[2])})
SHOWN_BY = sorted({name for row in ROWS for name in re.findall("`(.+?)`", row[3])})


def test_requirement_has_a_place_and_a_test() -> None:
    assert len(ROWS) > 80
    for row in ROWS:
        assert len(row) == 4, row
        assert all(re.fullmatch("`[^`]+`(, `[^`]+`)*", cell) for cell in row[2:]), row


@pytest.mark.parametrize("name", PLACES)
def test_place_of_a_requirement_exists(name: str) -> None:
    assert pkgutil.resolve_name(f"httpd.{name}") is not None


@pytest.mark.parametrize("name", SHOWN_BY)
def test_test_of_a_requirement_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert (TESTS / path).is_file()
    assert not function or function in functions(path)


@cache
def functions(path: str) -> set[str]:
    """Return the names of the functions in a file of tests."""
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
