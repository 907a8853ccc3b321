"""The map of the tests, tests/README.md, has each directory and names files that exist."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import ROOT

TESTS = ROOT / "tests"
MAP = (TESTS / "README.md").read_text("utf-8")


def test_map_of_the_tests_has_each_directory() -> None:
    directories = {path.name for path in TESTS.iterdir() if (path / "__init__.py").exists()}
    levels = re.findall(r"^\| `(\w+)/` \|", MAP, re.MULTILINE)
    assert sorted([*levels, "support"]) == sorted(directories)


def test_map_of_the_tests_names_what_is_there() -> None:
    wrong = []
    for line in MAP.splitlines():
        directory = ""  # of the name before, in the same line
        for name in re.findall(r"`([\w./]+(?:\.py|/))`", line):
            if "/" in name:
                directory = name.rpartition("/")[0]
            places = TESTS / name, TESTS / directory / name, TESTS / "support" / name, ROOT / name
            wrong += [name] * (not any(place.exists() for place in places))
    assert wrong == []


def test_map_of_the_tests_has_each_marker() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    markers = project["tool"]["pytest"]["ini_options"]["markers"]
    names = {re.split(r"\W", marker)[0] for marker in markers}
    assert set(re.findall(r"^\| `(\w+)(?:\([^`]*)?` \|", MAP, re.MULTILINE)) == names
