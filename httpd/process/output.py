"""What a command prints, and what becomes of it where nothing takes it.

Called by `httpd.cli`, `httpd.arguments` and `httpd.process.control`.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from httpd.process.errors import EX_OSERR, StartError


def write_output(text: str) -> None:
    """Print a line or several, at once.  A reader who has left, as `head` does, is no error.

    Raises:
        StartError: when standard output cannot be written, as on a full disk.
    """
    if (error := _print(text, "\n", sys.stdout)) and not isinstance(error, BrokenPipeError):
        raise StartError(EX_OSERR, f"cannot write the output: {error.strerror}")


def write_error(text: str) -> None:
    """Print lines, with their ends, on standard error; the exit status says as much without."""
    _print(text, "", sys.stderr)


def _print(text: str, end: str, stream: TextIO) -> OSError | None:
    """Print at once; return why that is not possible."""
    try:
        print(text, end=end, file=stream, flush=True)
    except OSError as error:
        # What is left in the buffer would fail once more at the end of Python, with status 120.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        return error
    return None
