"""What a command prints, and what becomes of it where nothing takes it.

Called by `httpd.cli`, `httpd.arguments` and `httpd.process.control`.
"""

from __future__ import annotations

import os
import sys

from httpd.process.errors import EX_OSERR, StartError


def write_output(text: str) -> None:
    """Print a line or several, at once.  A reader who has left, as `head` does, is no error.

    Raises:
        StartError: when standard output cannot be written, as on a full disk.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # What is left in the buffer would fail once more when Python ends.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        if not isinstance(error, BrokenPipeError):
            why = f"cannot write the output: {error.strerror}"
            raise StartError(EX_OSERR, why) from None


def write_error(text: str) -> None:
    """Print lines, with their ends, on standard error."""
    try:
        print(text, end="", file=sys.stderr)
    except OSError:
        pass  # nothing takes it; the exit status says it as well
