"""A file below the docroot that a setting names, such as the page for an error."""

from __future__ import annotations

import os
from collections.abc import Callable

from httpd.files.docroot import FoundElsewhere
from httpd.files.file_cache import CachedFile
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import encode_path
from httpd.site.steps import Found


class NamedFile:
    """Finds a file as requests for its path do, with the same checks and in the same cache.

    Args:
        name: the decoded path, as the setting has it.
        find: of the site.
    """

    __slots__ = ("_find", "_path", "decoded")

    def __init__(self, name: str, find: Callable[[bytes], Found]) -> None:
        self.decoded = os.fsencode(name)
        self._path = encode_path(self.decoded).encode()
        self._find = find

    def find(self) -> tuple[CachedFile, bytes] | None:
        """Return the file and its address, a percent-encoded path; None if there is no file.

        Raises:
            HTTPError: see `Docroot.open`, but not 404.
            FileSystemError: see `Docroot.open`.
        """
        path = self._path
        try:
            found = self._find(path)
            if isinstance(found, FoundElsewhere):
                path = encode_path(found.path).encode()
                found = self._find(path)
        except HTTPError as error:
            if error.status == 404:
                return None
            raise
        return (found, path) if isinstance(found, CachedFile) else None
