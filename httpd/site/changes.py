"""What a site knows of changes below its docroot, if somebody watches it."""

from __future__ import annotations

import time


class Changes:
    """The version of all that is below a docroot.

    Attributes:
        version: another one after each change, also after a restart.
    """

    __slots__ = ("version",)

    def __init__(self) -> None:
        self.note()

    def note(self) -> None:
        """Begin another version: something has changed."""
        self.version = time.time_ns()
