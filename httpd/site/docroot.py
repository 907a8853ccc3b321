"""From the segments of a path to an open file or folder, and never to one outside of the docroot.

A name is first resolved with O_PATH, which pins what it leads to without opening it.  Then the
kernel is asked where that lies, and only a regular file or a folder below the docroot is opened,
through the pinned descriptor.  Whatever happens to names and symbolic links meanwhile, it is the
one that was checked.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from httpd.protocol.messages import HTTPError

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class OutOfDescriptorsError(HTTPError):
    """A file cannot be opened now, and could be if descriptors were given back."""

    def __init__(self) -> None:
        super().__init__(503, "The server has too many open files.", (("Retry-After", "1"),))


class NoIndexError(HTTPError):
    """A folder has no index file, and could be listed."""

    def __init__(self) -> None:
        super().__init__(403, "This folder has no index page, and its files are not listed.")


class OpenedFile(NamedTuple):
    """A regular file, opened for reading, and the name that it was found by.

    `is_only_choice` is false for an index file that another one, made later, would take the place
    of.
    """

    fd: int
    name: bytes
    is_only_choice: bool = True


class Docroot:
    """The folder whose files are served.

    Args:
        folder: an absolute path.  It may be a symbolic link, which is followed anew for every file,
            so that a new version of a whole site can be put in place by changing one link.
        index: file names that stand for their folder, the first existing one wins.
    """

    def __init__(self, folder: str, index: tuple[str, ...]) -> None:
        self._folder = os.fsencode(folder).rstrip(b"/")
        self._index = tuple(os.fsencode(name) for name in index)

    def open(self, segments: list[bytes]) -> OpenedFile | None:
        """Open the file that a path leads to, or its index file when that is a folder.

        Args:
            segments: what `decode_segments` returned.

        Returns:
            The file, or None for a folder whose path lacks its slash.

        Raises:
            HTTPError: 404 for what is not there or must not be known to be, 403 for a file that may
                not be read, 503 when the descriptors have run out.
            NoIndexError: for a folder without an index.
        """
        name = self._join(segments)
        if segments[-1]:
            return self.open_name(name)
        for index in self._index:
            try:
                if opened := self.open_name(name + index):
                    return opened._replace(is_only_choice=index == self._index[0])
            except HTTPError as error:
                if error.status != 404:
                    raise
        if self._is_folder(name):
            raise NoIndexError
        raise _not_found()

    def open_folder(self, segments: list[bytes]) -> int:
        """Open a folder for reading the names in it, and return its descriptor.

        Args:
            segments: what `decode_segments` returned.

        Raises:
            HTTPError: 404 for what is not there, is no folder or must not be known to be, 403 for a
                folder that may not be read, 503 when the descriptors have run out.
        """
        handle = self._pin(self._join(segments))
        try:
            link = b"/proc/self/fd/%d" % handle
            self._check_inside(os.readlink(link))
            return os.open(link, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise explain(error) from None
        finally:
            os.close(handle)

    def stat(self, name: bytes, folder: int | None = None) -> os.stat_result | None:
        """Return the status of what a name leads to, or None if that is not inside (any more).

        Args:
            name: the one that `open` found a file by, or one in `folder`.
            folder: the descriptor of a folder.
        """
        try:
            handle = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return None
        try:
            self._check_inside(os.readlink(b"/proc/self/fd/%d" % handle))
            return os.fstat(handle)
        except (OSError, HTTPError):
            return None
        finally:
            os.close(handle)

    def _join(self, segments: list[bytes]) -> bytes:
        if any(b"/" in name or is_hidden(name) for name in segments):
            raise _not_found()
        return b"/".join((self._folder, *segments))

    def _pin(self, name: bytes) -> int:
        try:
            return os.open(name, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise explain(error) from None

    def open_name(self, name: bytes) -> OpenedFile | None:
        """Open the file with a name below the docroot, as `open` does; None for a folder.

        Args:
            name: an absolute path, of which nothing is hidden.

        Raises:
            HTTPError: see `open`.
        """
        handle = self._pin(name)
        try:
            return self._open_handle(handle, name)
        except OSError as error:
            raise explain(error) from None
        finally:
            os.close(handle)

    def _open_handle(self, handle: int, name: bytes) -> OpenedFile | None:
        link = b"/proc/self/fd/%d" % handle
        self._check_inside(os.readlink(link))
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode):
            raise _not_found()
        return OpenedFile(os.open(link, os.O_RDONLY | os.O_CLOEXEC), name)

    def _check_inside(self, real: bytes) -> None:
        """Compare with where the docroot is now; once more if it was changed in between."""
        for _ in range(2):
            if (real + b"/").startswith(self._real_prefix()):
                return
        raise _not_found()

    def _real_prefix(self) -> bytes:
        handle = os.open(self._folder or b"/", os.O_PATH | os.O_CLOEXEC)
        try:
            return os.readlink(b"/proc/self/fd/%d" % handle).rstrip(b"/") + b"/"
        finally:
            os.close(handle)

    def _is_folder(self, name: bytes) -> bool:
        try:
            return self.open_name(name) is None
        except HTTPError as error:
            if error.status == 404:
                return False
            raise


def is_hidden(name: bytes) -> bool:
    """Tell whether a name is kept from clients: one with a leading dot, but for the one that
    RFC 8615 reserves for public use.
    """
    return name.startswith(b".") and name != b".well-known"


def _not_found() -> HTTPError:
    return HTTPError(404, "There is nothing at this address.")


def explain(error: OSError) -> HTTPError:
    """Return what a client is told of an error that came of opening or reading a file."""
    if error.errno in _MISSING:
        return _not_found()
    if error.errno in (errno.EACCES, errno.EPERM):
        return HTTPError(403, "The server may not read this file.")
    if error.errno in _EXHAUSTED:
        return OutOfDescriptorsError()
    return HTTPError(500, f"This file cannot be read: {os.strerror(error.errno or errno.EIO)}.")
