"""The packages that are not part of Python, and the error message for a missing one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from httpd.process.errors import EX_UNAVAILABLE, StartError

_PACKAGES = {"yaml": "PyYAML", "daemon": "python-daemon", "lockfile": "lockfile"}
"""By the module that is imported; python-daemon needs the last one."""
_BY_APT = "sudo apt-get install python3-daemon python3-yaml"
_BY_PIP = "-m pip install python-daemon PyYAML"


@contextmanager
def needing_packages() -> Iterator[None]:
    """Let imports of these packages fail with a message for the operator.

    A server in the foreground without a config file does not need them.

    Raises:
        StartError: when a package is missing; it names the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "")
        if package is None:
            raise
        text = f"{package} is missing in {sys.executable}; install it with: {_install_command()}"
        raise StartError(EX_UNAVAILABLE, text) from None


def _install_command() -> str:
    """Return the command for this interpreter: apt-get for that of Debian, or else pip."""
    is_of_system = os.path.dirname(os.path.realpath(sys.executable)) == "/usr/bin"
    is_virtual = sys.prefix != sys.base_prefix
    if is_of_system and not is_virtual and os.path.exists("/usr/bin/apt-get"):
        return _BY_APT
    return f"{sys.executable} {_BY_PIP}"
