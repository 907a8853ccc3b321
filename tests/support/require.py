"""Finds what some tests need beside Python; says what to install if it is missing.

A test that needs a Debian package or the network says so by a marker, which keeps it out of the
quick tier (tests/README.md).  One that has no such marker fails, also where the package is there.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Set
from typing import NoReturn

import pytest

EVERYTHING = "PHTTPD_TESTS_REQUIRE_ALL"

EVERYWHERE = {"coreutils", "make", "mount", "util-linux"}
"""Packages that need no marker: every Linux has them, or `make test` itself needs them."""

_packages: Set[str] = frozenset()
_is_root_declared = False


def declare(packages: Set[str], *, root: bool) -> None:
    """Record what the markers of the next test say."""
    global _packages, _is_root_declared  # one test at a time
    _packages, _is_root_declared = packages, root


def _check_marker(*packages: str) -> None:
    if missing := set(packages) - EVERYWHERE - _packages:
        pytest.fail(f"the test lacks the marker debian({', '.join(map(repr, sorted(missing)))})")


def command(name: str, package: str) -> str:
    """Return the path of a program, or skip the test.

    `package` is the Debian package that has it.  With PHTTPD_TESTS_REQUIRE_ALL=1 in the environment
    a missing program fails the test: then nothing goes untested without being noticed.
    """
    _check_marker(package)
    path = shutil.which(name)
    return path or give_up(f"needs the command {name}: apt-get install {package}")


def packages(*names: str) -> None:
    """Skip the test unless these Debian packages, which have no command, are installed."""
    _check_marker(*names)
    for name in names:
        query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", name]
        if (
            not shutil.which("dpkg-query")
            or subprocess.run(query, capture_output=True, text=True, check=False).stdout
            != "installed"
        ):
            give_up(f"needs the package {name}: apt-get install {name}")


def module(name: str, group: str) -> None:
    """Skip the test unless there is a Python module, which a dependency group of phttpd has."""
    if not importlib.util.find_spec(name):
        give_up(f"needs the module {name}: pip install --group {group}")


def root() -> None:
    """Skip the test unless it runs as root."""
    assert _is_root_declared, "the test lacks the marker root"
    if os.geteuid() != 0:
        give_up("needs root")


def network() -> None:
    """Skip the test, which downloads packages, unless everything must be tested."""
    if os.environ.get(EVERYTHING) != "1":
        pytest.skip(f"downloads packages; set {EVERYTHING}=1 to run it")


def give_up(message: str) -> NoReturn:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get(EVERYTHING) == "1":
        pytest.fail(message)
    pytest.skip(message)
