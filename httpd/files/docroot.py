"""The directory whose files are served: files and directories are opened by the path of a request.

A file that can be reached without leaving the docroot is opened at once.  Any other one is pinned
and checked first (`httpd.files.resolver`), and opened through the pinned descriptor.  Only regular
files are opened: to open anything else, such as a FIFO or a device, could have consequences.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from httpd.files.faults import (
    EXHAUSTED,
    FileSystemError,
    NoDocrootError,
    OutOfDescriptorsError,
    explain,
    not_found,
)
from httpd.files.hidden import USUAL, HiddenNames
from httpd.files.openat2 import READING, open_without_links
from httpd.files.resolver import DirectoryState, Resolver, link_to
from httpd.files.valid_roots import LinkTarget, ValidRoots
from httpd.protocol.messages import HTTPError

LookedUp = os.stat_result | OSError | HTTPError | None
"""What a name leads to: a status or an error; None where that was not looked up."""


class OpenResult(NamedTuple):
    """A regular file that was opened for reading.

    Args:
        fd: the descriptor, which the receiver is to close.
        name: the absolute path that the file was found by.
        status: the status of the file just before it was opened.
        is_only_choice: false for an index file that would be superseded by another one, if somebody
            made that later.
    """

    fd: int
    name: bytes
    status: os.stat_result
    is_only_choice: bool = True


class FoundDirectory(NamedTuple):
    """A directory that a path leads to, and that has no index file to send for it.

    A path without a slash at its end is not looked at further: the directory may have an index.

    Args:
        path: the decoded path of the request.
    """

    path: bytes

    @property
    def lacks_slash(self) -> bool:
        """Whether the path has no slash at its end."""
        return not self.path.endswith(b"/")


class FoundElsewhere(NamedTuple):
    """A file that a path leads to, and whose address is another path.

    Args:
        path: the address, a decoded path in the same directory.
    """

    path: bytes


class Docroot:
    """Opens what is below a directory.

    Args:
        directory: an absolute path.  The path may be a symbolic link, which is followed again after
            each `ValidRoots.invalidate`, so that changing one link puts a new version of a whole
            site in place.
        index: the file names that stand for their directory; the first one that exists wins.
        valid_roots: of the loop; None where `ValidRoots.invalidate` is never called.
        outer: the directory around this one, if this one may not be outside of that; a directory
            that is missing then leads to nothing, as any path does.
        hidden: the names that are kept from clients.
        link_targets: the directories that symbolic links may lead to beside the docroot.
    """

    def __init__(
        self,
        directory: str,
        index: tuple[str, ...],
        valid_roots: ValidRoots | None = None,
        outer: Docroot | None = None,
        hidden: HiddenNames = USUAL,
        link_targets: Sequence[LinkTarget] = (),
    ) -> None:
        self._directory = os.fsencode(directory).rstrip(b"/")
        self._prefix = len(self._directory) + 1
        self._index = tuple(os.fsencode(name) for name in index)
        around = None if outer is None else outer.resolver
        self.hidden = hidden
        roots = valid_roots or ValidRoots()
        resolver = Resolver(self._directory, roots, around, hidden, link_targets)
        self.resolver: Resolver = resolver
        self.release = resolver.release
        """See `Resolver.release`."""
        self.directory_state = resolver.directory_state
        """See `Resolver.directory_state`."""

    def open(self, path: bytes, looked_up: LookedUp = None) -> OpenResult | FoundDirectory:
        """Open the file that a path leads to, or the index file of a directory.

        Args:
            path: what `httpd.protocol.target.decode_path` returned.
            looked_up: what a path that does not end with a slash led to just now.

        Raises:
            HTTPError: 404 for what does not exist or must not be known to, 403 for a file that
                may not be read, 503 without a docroot.
            FileSystemError: descriptors or memory have run out, or the disk fails.
        """
        if path.find(b"/.") >= 0 and self.hidden.has_any(path):
            raise not_found()
        name = self._directory + path
        if not path.endswith(b"/"):
            return self.open_name(name, looked_up) or FoundDirectory(path)
        for index in self._index:
            try:
                if opened := self.open_name(name + index):
                    return opened._replace(is_only_choice=index == self._index[0])
            except HTTPError as error:
                if error.status != 404:
                    raise
        if self.open_name(name) is None:
            return FoundDirectory(path)
        raise not_found()

    def open_name(self, name: bytes, looked_up: LookedUp = None) -> OpenResult | None:
        """Open the file that a name leads to; return None for a directory.

        Args:
            name: an absolute path that begins with the docroot's, without hidden names.
            looked_up: what the name led to just now.

        Raises:
            HTTPError: see `open`.
            FileSystemError: see `open`.
        """
        resolver = self.resolver
        below = name[self._prefix :] or b"."
        try:
            root = resolver.valid_root if resolver.valid_root >= 0 else resolver.validate_root()
            if looked_up is None:
                looked_up = os.stat(below, dir_fd=root)
            elif isinstance(looked_up, Exception):
                raise looked_up
            status = looked_up
            if stat.S_ISREG(status.st_mode):
                fd = open_without_links(below, root)
                if fd is not None or (fd := resolver.open_beneath(below, root)) is not None:
                    return OpenResult(fd, name, status)
            return self._open_pinned(name)
        except OSError as error:
            raise self._explain(error) from None

    def _open_pinned(self, name: bytes) -> OpenResult | None:
        """Open a file whose way leads out of the docroot; return None for a directory."""
        fd = self.resolver.pin(name)
        try:
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                return None
            if not stat.S_ISREG(status.st_mode):
                raise not_found()
            return OpenResult(os.open(link_to(fd), READING), name, status)
        finally:
            os.close(fd)

    def open_directory(self, directory: FoundDirectory) -> int:
        """Return a descriptor of a directory for reading the names in it.

        Raises:
            HTTPError: 404 for what is not there any more, is no directory or must not be known to
                exist, 403 for a directory that may not be read.
            FileSystemError: descriptors or memory have run out, or the disk fails.
        """
        if self.hidden.has_any(directory.path):
            raise not_found()
        try:
            fd = self.resolver.pin(self._directory + directory.path)
            try:
                return os.open(link_to(fd), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._explain(error) from None

    def stat(self, name: bytes, directory: int | None = None) -> os.stat_result | None:
        """Return the status of what a name leads to; None unless that is inside the docroot.

        Args:
            name: the name of an `OpenResult`, or one relative to `directory`.
            directory: the descriptor of a directory.

        Raises:
            OutOfDescriptorsError: descriptors or memory have run out.
        """
        try:
            fd = self.resolver.pin(name, directory)
            try:
                return os.fstat(fd)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise OutOfDescriptorsError(error.errno) from None
            return None
        except HTTPError:
            return None

    def revalidate(self, name: bytes) -> tuple[os.stat_result | None, DirectoryState | None]:
        """Return the status of what a name leads to now, and the state of the directory around it.

        The directory is resolved once between two calls of `release`, so the status is true of some
        moment since the last one.

        Args:
            name: the name of an `OpenResult`.

        Raises:
            OutOfDescriptorsError: descriptors or memory have run out.
        """
        slash = name.rfind(b"/")
        try:
            directory = self.resolver.find_pinned(name[:slash]) or self.resolver.pin_parent(name)
            status = os.stat(name[slash + 1 :], dir_fd=directory.fd, follow_symlinks=False)
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise OutOfDescriptorsError(error.errno) from None
            return None, None
        except HTTPError:
            return None, None
        if stat.S_ISLNK(status.st_mode):
            return self.stat(name), directory.state
        return status, directory.state

    def names_beside(self, name: bytes, limit: int) -> list[str] | None:
        """Return the names in the directory that a file is in.

        Args:
            name: the name of an `OpenResult`.
            limit: how many names to return at the most.

        Returns:
            None if there are more names, or the directory cannot be read.
        """
        try:
            fd = os.open(
                b".",
                os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,
                dir_fd=self.resolver.pin_parent(name).fd,
            )
            try:
                with os.scandir(fd) as entries:
                    names = [entry.name for entry in islice(entries, limit + 1)]
            finally:
                os.close(fd)
        except (OSError, HTTPError):
            return None
        return names if len(names) <= limit else None

    def _explain(self, error: OSError) -> HTTPError | FileSystemError:
        """Return the exception to raise; a docroot that may not be entered is to blame first."""
        if error.errno == errno.EACCES and not self.resolver.may_enter_root():
            return NoDocrootError(error)
        return explain(error)
