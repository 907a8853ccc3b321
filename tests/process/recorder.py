"""Runs phttpd and records which settings its code reads: ``python -m tests.process.recorder``.

The first argument is the file to which the name of each key that is read is appended, a line each;
the others are those of phttpd.  What declares, loads or judges settings does not count as reading
them.  With ``UNUSED_KEY`` in the environment, there is one more key, which nothing reads.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import httpd
import httpd.observe.settings
import httpd.process.shutdown
from httpd.settings.declaration import key
from httpd.settings.kinds import FLAG

UNUSED = "never_read"
PACKAGE = Path(httpd.__file__).parent
NO_READERS = {"configuration.py", "advice.py", "settings.py", "settings"}
"""Modules, and a package, that do not use settings."""


def add_unused_key() -> None:
    """Declare a key that nothing reads, before the configuration is put together."""
    more: Any = make_dataclass(
        "LogSettings",
        [(UNUSED, bool, key(FLAG, False, "Nothing."))],
        bases=(httpd.observe.settings.LogSettings,),
        frozen=True,
        slots=True,
        kw_only=True,
    )
    vars(httpd.observe.settings)["LogSettings"] = more


def counts(frame: FrameType) -> bool:
    """Tell whether a read in this frame is a use of a setting."""
    path = Path(frame.f_code.co_filename)
    return path.is_relative_to(PACKAGE) and not NO_READERS & set(path.relative_to(PACKAGE).parts)


def recording(names: set[str], fd: int) -> Callable[[Any, str], Any]:
    """Return a `__getattribute__` that records the first use of each of some attributes."""
    seen: set[str] = set()

    def get(self: Any, name: str) -> Any:
        if name in names and name not in seen and counts(sys._getframe(1)):
            seen.add(name)
            os.write(fd, f"{name}\n".encode())
        return object.__getattribute__(self, name)

    return get


def main(path: str) -> int:
    if "UNUSED_KEY" in os.environ:
        add_unused_key()
    # A drain asks for the time that it has while the machine shuts down.
    httpd.process.shutdown.machine_shuts_down = lambda: True
    from httpd.cli import run  # noqa: PLC0415 - now that all is prepared
    from httpd.configuration import GROUPS  # noqa: PLC0415

    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    for group in GROUPS:
        type.__setattr__(group.settings, "__getattribute__", recording(set(group.keys), fd))
    return run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
