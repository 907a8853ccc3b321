"""From the segments of a path to an open file or directory, and never to one outside of the
docroot.

The docroot is pinned (`httpd.files.openat2`), and a file is opened without leaving it on the way.
Where the way leads out, if only to come back, the file is pinned first, the kernel is asked where
both lie, and it is opened through the pinned descriptor.  Whatever happens to names and symbolic
links meanwhile, it is the one that was checked.  What is no regular file is not opened at all.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from itertools import count, islice
from typing import NamedTuple

from httpd.files.openat2 import READING, pin, pin_straight, read_beneath, read_straight
from httpd.protocol.messages import HTTPError

_MISSING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
    | {errno.EISDIR, errno.ESPIPE, errno.ENXIO}  # of what took the place of a regular file
)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
SETTLED_NS = 2_000_000_000
"""Age from which on a modification time tells two contents apart, on the coarsest of file
systems."""
_MOST_DIRECTORIES = 256
"""Directories that are pinned at a time."""


class OutOfDescriptorsError(HTTPError):
    """A file cannot be opened now, and could be if descriptors or memory were given back.

    Args:
        number: the error number of the call that failed; `close_reason` is what it means.
    """

    def __init__(self, number: int) -> None:
        short = "has no memory left" if number == errno.ENOMEM else "has too many open files"
        retry = (("Retry-After", "1"),)
        super().__init__(503, f"The server {short}.", retry, os.strerror(number))


class UnreadableError(HTTPError):
    """The disk or its file system does not give a file that is there.

    Args:
        number: the error number of the call that failed; `close_reason` is what it means.
    """

    def __init__(self, number: int) -> None:
        reason = os.strerror(number)
        super().__init__(500, f"This file cannot be read: {reason}.", (), reason)


class NoDocrootError(HTTPError):
    """The docroot is not there, or may not be entered, and may be in a moment: a file system is
    mounted late, or a new version is being put in its place.

    Args:
        fault: why it cannot be read.
    """

    def __init__(self, fault: OSError) -> None:
        text = "The files of this server are not available at the moment."
        super().__init__(503, text, (("Retry-After", "5"),))
        self.fault = fault


class NoIndexError(HTTPError):
    """A directory has no index file, and could be listed."""

    def __init__(self) -> None:
        super().__init__(403, "This directory has no index page, and its files are not listed.")


class OpenResult(NamedTuple):
    """A file, opened for reading, the name that it was found by, and the status of a regular file
    that had this name just before.

    `is_only_choice` is false for an index file that another one, made later, would take the place
    of.
    """

    fd: int
    name: bytes
    status: os.stat_result
    is_only_choice: bool = True


DirectoryState = tuple[int, int, int, int]
"""What changes when a name in a directory comes to mean another file: device, inode, and the times
of modification and status change.
"""


class _Directory(NamedTuple):
    """A directory that was inside when it was pinned; `state` is None if it has changed lately."""

    pin: int
    state: DirectoryState | None


class Docroot:
    """The directory whose files are served.

    Args:
        directory: an absolute path.  It may be a symbolic link, which is followed anew after each
            `look_anew`, so that a new version of a whole site can be put in place by changing one
            link.
        index: file names that stand for their directory, the first existing one wins.
    """

    def __init__(self, directory: str, index: tuple[str, ...]) -> None:
        self._directory = os.fsencode(directory).rstrip(b"/")
        self._index = tuple(os.fsencode(name) for name in index)
        self._root = -1  # a descriptor of the docroot, while it is in use
        self._root_status = os.stat_result(range(10))
        self._is_looked_up = False
        self._directories: dict[bytes, _Directory] = {}

    def __del__(self) -> None:
        self.release()

    def look_anew(self) -> None:
        """Look up what directory has the docroot's name when that is next of interest.

        To be called before a request is answered that was sent after the last call.
        """
        self._is_looked_up = False

    def release(self) -> None:
        """Let go of the docroot and its directories, which else could not be unmounted, until they
        are needed again.
        """
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
            self._is_looked_up = False
        self._release_directories()

    def _release_directories(self) -> None:
        for directory in self._directories.values():
            os.close(directory.pin)
        self._directories.clear()

    def open(self, segments: list[bytes]) -> OpenResult | None:
        """Open the file that a path leads to, or its index file when that is a directory.

        Args:
            segments: what `decode_segments` returned.

        Returns:
            The file, or None for a directory whose path lacks its slash.

        Raises:
            HTTPError: 404 for what is not there or must not be known to be, 403 for a file that may
                not be read, 503 when the docroot is not there.
            NoIndexError: for a directory without an index.
            OutOfDescriptorsError: descriptors or memory have run out.
            UnreadableError: the disk fails.
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
        if self._is_directory(name):
            raise NoIndexError
        raise not_found()

    def open_directory(self, segments: list[bytes]) -> int:
        """Open a directory for reading the names in it, and return its descriptor.

        Args:
            segments: what `decode_segments` returned.

        Raises:
            HTTPError: 404 for what is not there, is no directory or must not be known to be, 403
            for a
                directory that may not be read, 503 when the descriptors have run out.
        """
        try:
            handle = self._pin(self._join(segments))
            try:
                return os.open(_link(handle), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            finally:
                os.close(handle)
        except OSError as error:
            raise self._explain(error) from None

    def stat(self, name: bytes, directory: int | None = None) -> os.stat_result | None:
        """Return the status of what a name leads to, or None if that is not inside (any more).

        Args:
            name: the one that `open` found a file by, or one in `directory`.
            directory: the descriptor of a directory.

        Raises:
            OutOfDescriptorsError: it cannot be told now.
        """
        try:
            handle = self._pin(name, directory)
            try:
                return os.fstat(handle)
            finally:
                os.close(handle)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise OutOfDescriptorsError(error.errno) from None
            return None
        except HTTPError:
            return None

    def look_again(self, name: bytes) -> tuple[os.stat_result | None, DirectoryState | None]:
        """Return the status of what a name leads to, for comparing it with what was opened, and the
        state of the directory that it is in; see `directory_state`.

        The directory is looked up once between two calls of `release`, so what it returns is true
        of some moment since the last one.

        Args:
            name: the one that `open` found a file by.

        Raises:
            OutOfDescriptorsError: it cannot be told now.
        """
        try:
            directory = self._find_directory(name)
            last = name[name.rfind(b"/") + 1 :]
            status = os.stat(last, dir_fd=directory.pin, follow_symlinks=False)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise OutOfDescriptorsError(error.errno) from None
            return None, None
        except HTTPError:
            return None, None
        if stat.S_ISLNK(status.st_mode):
            return self.stat(name), directory.state
        return status, directory.state

    def directory_state(self, name: bytes) -> DirectoryState | None:
        """Return the state of the directory that a name is in, as `look_again` sees it.

        As long as it stays the same, there are the same names in it, and they mean the same files.

        Args:
            name: the one that `open` found a file by.

        Returns:
            None where a change might not show, since there was one just now, or nothing is known.
        """
        try:
            return self._find_directory(name).state
        except (OSError, HTTPError):
            return None

    def names_beside(self, name: bytes, most: int) -> list[str] | None:
        """Return the names in the directory that a name is in.

        Args:
            name: the one that `open` found a file by.
            most: how many to return.

        Returns:
            None if there are more, or the directory cannot be read.
        """
        try:
            fd = os.open(
                b".",
                os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,
                dir_fd=self._find_directory(name).pin,
            )
            try:
                with os.scandir(fd) as entries:
                    names = [entry.name for entry in islice(entries, most + 1)]
            finally:
                os.close(fd)
        except (OSError, HTTPError):
            return None
        return names if len(names) <= most else None

    def _find_directory(self, name: bytes) -> _Directory:
        """Return the directory that a name is in."""
        path = name[: name.rfind(b"/")]
        directory = self._directories.get(path)
        if directory is None:
            if len(self._directories) == _MOST_DIRECTORIES:
                self._release_directories()
            pin = self._pin(path)
            try:
                status = os.fstat(pin)
            except OSError:
                os.close(pin)
                raise
            times = status.st_mtime_ns, status.st_ctime_ns
            settled = time.time_ns() - max(times) > SETTLED_NS
            state = (status.st_dev, status.st_ino, *times) if settled else None
            directory = self._directories[path] = _Directory(pin, state)
        return directory

    def _join(self, segments: list[bytes]) -> bytes:
        path = b"/" + b"/".join(segments)
        if path.count(b"/") != len(segments):
            raise not_found()
        if path.find(b"/.") >= 0 and any(map(is_hidden, segments, count())):
            raise not_found()
        return self._directory + path

    def open_name(self, name: bytes) -> OpenResult | None:
        """Open the file with a name below the docroot, as `open` does; None for a directory.

        Args:
            name: an absolute path, of which nothing is hidden.

        Raises:
            HTTPError: see `open`.
        """
        try:
            if opened := self._open_beneath(name):
                return opened
            handle = self._pin(name)
            try:
                return _open_handle(handle, name)
            finally:
                os.close(handle)
        except OSError as error:
            raise self._explain(error) from None

    def _open_beneath(self, name: bytes) -> OpenResult | None:
        """Open a regular file that lies on a way which never leaves the docroot; None for anything
        else.
        """
        root = self._pin_root()
        below = name[len(self._directory) + 1 :] or b"."
        status = os.stat(below, dir_fd=root)
        if not stat.S_ISREG(status.st_mode):  # to open another one could have consequences
            return None
        fd = read_straight(below, root)
        if fd is None:
            fd = read_beneath(below, root)
            if fd is None:
                return None
            _check_pinned(fd, root)
        return OpenResult(fd, name, status)

    def _pin(self, name: bytes, directory: int | None = None) -> int:
        """Return a descriptor of what a name leads to, which lies inside.

        Args:
            name: an absolute path that begins with the docroot's, or one in `directory`.
            directory: the descriptor of a directory.

        Raises:
            HTTPError: 404 for what lies outside or is hidden.
            OSError: it cannot be looked up.
        """
        root = self._pin_root()
        if directory is None:
            directory, name = root, name[len(self._directory) + 1 :] or b"."
            handle = pin_straight(name, root)
            if handle is not None:
                return handle
        handle = pin(name, directory)
        _check_pinned(handle, root)
        return handle

    def _pin_root(self) -> int:
        """Return a descriptor of the directory that has the docroot's name now."""
        if self._is_looked_up:
            return self._root
        directory = self._directory or b"/"
        try:
            return self._look_up_root(directory)
        except OSError as error:
            if error.errno in _MISSING or isinstance(error, PermissionError):
                raise NoDocrootError(error) from None
            raise  # the disk fails, or descriptors have run out

    def _look_up_root(self, directory: bytes) -> int:
        if self._root < 0 or not os.path.samestat(os.stat(directory), self._root_status):
            self.release()
            root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._root_status = os.fstat(root)
            except OSError:
                os.close(root)
                raise
            self._root = root
        self._is_looked_up = True
        return self._root

    def _is_directory(self, name: bytes) -> bool:
        try:
            return self.open_name(name) is None
        except HTTPError as error:
            if error.status == 404:
                return False
            raise

    def _explain(self, error: OSError) -> HTTPError:
        """Return what a client is told; where nothing may be entered, no file is to blame."""
        is_closed = (
            error.errno == errno.EACCES
            and self._root >= 0
            and not os.access(b".", os.X_OK, dir_fd=self._root, effective_ids=True)
        )
        return NoDocrootError(error) if is_closed else explain(error)


NOT_YET = "requests are answered 503 until it can"
"""What a server does without a docroot."""


def find_fault(docroot: str) -> OSError | None:
    """Return why this process cannot read a docroot, or None if it can.

    Args:
        docroot: an absolute path.
    """
    try:
        with os.scandir(docroot):
            pass
        os.stat(os.path.join(docroot, "."))  # needs search permission, scandir only read permission
    except OSError as error:
        return error
    return None


def describe_fault(docroot: str, fault: OSError) -> str:
    """Say what `find_fault` has found."""
    return f"the docroot {docroot} cannot be read: {fault.strerror}"


def _link(handle: int) -> bytes:
    return b"/proc/self/fd/%d" % handle


def _check_pinned(handle: int, root: int) -> None:
    """Close a descriptor, and raise 404, unless it leads to something inside that is not hidden."""
    try:
        _check_inside(handle, root)
    except (OSError, HTTPError):
        os.close(handle)
        raise


def _check_inside(handle: int, root: int) -> None:
    """Compare where two descriptors lead to; once more if one of them was moved in between."""
    for _ in range(2):
        real = os.readlink(_link(handle)) + b"/"
        inside = os.readlink(_link(root)).rstrip(b"/") + b"/"
        if real.startswith(inside):
            if any(map(_is_hidden_target, real[len(inside) :].split(b"/"), count())):
                break
            return
    raise not_found()


def _open_handle(handle: int, name: bytes) -> OpenResult | None:
    status = os.fstat(handle)
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise not_found()
    return OpenResult(os.open(_link(handle), READING), name, status)


def is_hidden(name: bytes, depth: int) -> bool:
    """Tell whether a name is kept from clients: one with a leading dot, but for the one at the root
    that RFC 8615 reserves for public use.

    Args:
        name: of a file or directory.
        depth: how many directories it is below the docroot.
    """
    return name.startswith(b".") and (name != b".well-known" or depth > 0)


def _is_hidden_target(name: bytes, depth: int) -> bool:
    """Tell whether a name is kept from those, too, who come to it by a link.

    Kubernetes mounts a volume so that all its names are links into a directory called ``..data``.
    """
    return is_hidden(name, depth) and not name.startswith(b"..")


def not_found() -> HTTPError:
    """Return what a client is told of what is not there, or must not be known to be."""
    return HTTPError(404, "There is nothing at this address.")


def explain(error: OSError) -> HTTPError:
    """Return what a client is told of an error that came of opening or reading a file."""
    if error.errno in _MISSING:
        return not_found()
    if error.errno in (errno.EACCES, errno.EPERM):
        return HTTPError(403, "The server is not allowed to read this file.")
    if error.errno in _EXHAUSTED:
        return OutOfDescriptorsError(error.errno)
    if error.errno == errno.EWOULDBLOCK:
        return HTTPError(503, "Another program has locked this file.", (("Retry-After", "1"),))
    return UnreadableError(error.errno or errno.EIO)
