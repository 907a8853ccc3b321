"""What a command prints, and what happens where it cannot be written.

Called by `httpd.cli`, `httpd.arguments` and `httpd.commands`.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from httpd.process.errors import EX_OSERR, StartError


def write_output(text: str) -> None:
    """Print one or several lines at once; it is no error if the reader has ended, as `head` does.

    Raises:
        StartError: when standard output cannot be written, as on a full disk.
    """
    if (error := _print(text, "\n", sys.stdout)) and not isinstance(error, BrokenPipeError):
        raise StartError(EX_OSERR, f"cannot write the output: {error.strerror}")


def write_error(text: str) -> None:
    """Print lines, with their ends, on standard error; a failure is ignored.

    The exit status of the command tells of the error anyway.
    """
    _print(text, "", sys.stderr)


def _print(text: str, end: str, stream: TextIO) -> OSError | None:
    """Print at once; return why that is not possible."""
    try:
        print(text, end=end, file=stream, flush=True)
    except OSError as error:
        # Python would try to write the rest of the buffer at its end, and exit with status 120.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        return error
    return None
