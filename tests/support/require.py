"""Finds the programs that some tests need beside Python; says what to install if one is missing."""

from __future__ import annotations

import os
import shutil

import pytest


def command(name: str, package: str) -> str:
    """Return the path of a program, or skip the test.

    `package` is the Debian package that has it.  With PHTTPD_TESTS_REQUIRE_ALL=1 in the environment
    a missing program fails the test: then nothing goes untested without being noticed.
    """
    path = shutil.which(name)
    if path:
        return path
    message = f"needs the command {name}: apt-get install {package}"
    if os.environ.get("PHTTPD_TESTS_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)
