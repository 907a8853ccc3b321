"""Making the directories of the files that a server writes."""

from __future__ import annotations

import errno
import os


def make_parent(path: str) -> None:
    """Make the directory of a file, and those above it, unless they are there.

    Raises:
        OSError: when a system call fails; `strerror` names a file that is in the place of a
            directory.
    """
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError):
        while not os.path.lexists(directory):
            directory = os.path.dirname(directory)
        if os.path.isdir(directory):
            raise
        raise NotADirectoryError(errno.ENOTDIR, f"{directory} is not a directory") from None
