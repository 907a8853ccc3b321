"""Finds what some tests need beside Python; says what to install if it is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from typing import NoReturn

import pytest


def command(name: str, package: str) -> str:
    """Return the path of a program, or skip the test.

    `package` is the Debian package that has it.  With PHTTPD_TESTS_REQUIRE_ALL=1 in the environment
    a missing program fails the test: then nothing goes untested without being noticed.
    """
    path = shutil.which(name)
    return path or give_up(f"needs the command {name}: apt-get install {package}")


def packages(*names: str) -> None:
    """Skip the test unless these Debian packages are installed; what they have is no command."""
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


def give_up(message: str) -> NoReturn:
    """Skip the test, or fail it where everything must be there."""
    if os.environ.get("PHTTPD_TESTS_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)
