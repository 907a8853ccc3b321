"""Clean URLs: HTML files have addresses without ``.html``, such as ``/about`` for ``/about.html``.

Each such file has one address.  A request for another path of the file is to be redirected there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from httpd.files.docroot import Docroot, FoundDirectory, FoundElsewhere, LookedUp, OpenResult
from httpd.protocol.messages import HTTPError

HTML = b".html"
"""The extension that an address leaves out."""
_NO_NAMES = (b"", b".", b"..")


def short_address(page: bytes, index: Collection[bytes]) -> bytes:
    """Return the address that an HTML file has where no other file has that path.

    Args:
        page: a decoded path; that of anything else is returned as it is.
        index: the names of index files.
    """
    directory, slash, name = page.rpartition(b"/")
    stem = name.removesuffix(HTML)
    if stem in _NO_NAMES or stem == name:
        return page
    return directory + slash + (b"" if name in index else stem)


class CleanUrls:
    """Opens ``about.html`` where ``/about`` is no regular file.

    The file comes before a directory of the name, whose own address ends with a slash.

    Args:
        docroot: of the site.
        index: the names of index files, see `Docroot`.
    """

    def __init__(self, docroot: Docroot, index: tuple[str, ...]) -> None:
        self._docroot = docroot
        self._directory = docroot.resolver.directory
        self._index = tuple(map(os.fsencode, index))

    def open(
        self, path: bytes, looked_up: LookedUp = None
    ) -> OpenResult | FoundDirectory | FoundElsewhere:
        """Open the file that a path leads to; see `Docroot.open`.

        Raises:
            HTTPError: see `Docroot.open`.
            FileSystemError: see `Docroot.open`.
        """
        if path.endswith(b"/"):
            return self._docroot.open(path, looked_up)
        try:
            found = self._docroot.open(path, looked_up)
        except HTTPError as error:
            page = self._open_page(path) if error.status == 404 else None
            if page is None:
                raise
            return page
        if isinstance(found, FoundDirectory):
            return self._open_page(path) or found
        if path.endswith(HTML):
            return self._at_its_address(found, path, path)
        return found

    def _open_page(self, path: bytes) -> OpenResult | FoundElsewhere | None:
        """Open the HTML file that a path without an extension stands for, if there is one."""
        page = path + HTML
        if self._docroot.hidden.has_any(page):
            return None
        try:
            opened = self._docroot.open_name(self._directory + page)
        except HTTPError as error:
            if error.status != 404:
                raise
            return None
        return None if opened is None else self._at_its_address(opened, page, path)

    def _at_its_address(
        self, opened: OpenResult, page: bytes, path: bytes
    ) -> OpenResult | FoundElsewhere:
        """Return an HTML file, or its address if that is not the path of the request.

        Either would be another one, if somebody made another file later.

        Args:
            opened: the file, which is closed unless it is returned.
            page: the path of the file.
            path: of the request.
        """
        is_returned = False
        try:
            address = self._find_address(page)
            is_returned = address == path
        finally:
            if not is_returned:
                os.close(opened.fd)
        return opened._replace(is_only_choice=False) if is_returned else FoundElsewhere(address)

    def _find_address(self, page: bytes) -> bytes:
        """Return the address of an HTML file that exists: its path where no shorter one leads to
        the file.

        Args:
            page: the path of the file.
        """
        slash = page.rfind(b"/") + 1
        directory, name = page[:slash], page[slash:]
        for index in self._index if name in self._index else ():
            if index == name:
                return directory
            if self._is_file(directory + index):
                break
        stem = name.removesuffix(HTML)
        clean = directory + stem
        return page if stem in _NO_NAMES or self._is_file(clean) else clean

    def _is_file(self, path: bytes) -> bool:
        """Tell whether a path leads to a regular file."""
        status = self._docroot.stat(self._directory + path)
        return status is not None and stat.S_ISREG(status.st_mode)
