"""Making the folders of the files that a server writes."""

from __future__ import annotations

import errno
import os


def make_folder_of(path: str) -> None:
    """Make the folder of a file, and those above it, unless they are there.

    Raises:
        OSError: when the system refuses; what is in the place of a folder is named in `strerror`.
    """
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError):
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        if os.path.isdir(folder):
            raise
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder") from None
