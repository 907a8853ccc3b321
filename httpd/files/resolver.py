"""From names below the docroot to descriptors of what the names lead to, and never to anything
outside of the docroot.

Such a descriptor is opened with O_PATH (open(2)): it pins a file or directory without opening it.
The kernel resolves a name without leaving the docroot where it can (`httpd.files.openat2`).  Where
a link leads out of the docroot, if only to come back, the file is pinned first, and then the kernel
is asked where the docroot and the file are.  Whatever happens to names and links meanwhile, the
descriptor leads to the file that was checked.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from typing import NamedTuple

from httpd.files.faults import FORBIDDEN, MISSING, NoDocrootError, not_found
from httpd.files.hidden import USUAL, HiddenNames
from httpd.files.openat2 import open_beneath, pin, pin_directory, pin_without_links
from httpd.files.valid_roots import LinkTarget, ValidRoots
from httpd.protocol.messages import HTTPError

SETTLED_NS = 2_000_000_000
"""Nanoseconds after which the modification time of a file tells two versions apart, even on the
coarsest file systems."""

DirectoryState = tuple[int, int, int, int]
"""Device, inode, modification time and status change time of a directory, in nanoseconds.

One of them changes when a name in the directory comes to mean another file.
"""


class PinnedDirectory(NamedTuple):
    """A directory that was inside the docroot when it was pinned.

    Args:
        fd: a descriptor of the directory.
        state: None if the directory has changed lately, so that a further change might not show.
    """

    fd: int
    state: DirectoryState | None


class Resolver:
    """Pins the docroot, the files below it, and for a while the directories that files are in.

    Args:
        directory: the absolute path of the docroot, without a slash at its end.  The path may be a
            symbolic link, which is followed again after each `ValidRoots.invalidate`.
        valid_roots: of the loop.
        outer: of the directory around the docroot, if the docroot may not be outside of that; then
            the last name of the docroot may be a link to another directory inside only.
        hidden: the names that no link may lead to.
        link_targets: the directories that links may lead to beside the docroot.

    Attributes:
        valid_root: a descriptor of the docroot; -1 when `validate_root` is to be called.
        plain: the pinned directories that are known to contain no precompressed forms, by their
            paths below the docroot; for others to fill.
    """

    def __init__(
        self,
        directory: bytes,
        valid_roots: ValidRoots,
        outer: Resolver | None = None,
        hidden: HiddenNames = USUAL,
        link_targets: Sequence[LinkTarget] = (),
    ) -> None:
        self.directory = directory
        self._hidden = hidden
        self._link_targets = link_targets
        self._roots = valid_roots
        self._outer = outer
        self._root = self.valid_root = -1
        self._root_status = os.stat_result(range(10))
        self._directories: dict[bytes, PinnedDirectory] = {}
        self.plain: set[bytes] = set()
        self.find_pinned = self._directories.get
        """Returns the directory of a path that was pinned since the last `release`, or None."""

    def __del__(self) -> None:
        self.release()

    def release(self) -> None:
        """Close all descriptors until they are needed again.

        An open descriptor would keep the docroot from being unmounted.
        """
        if self._root >= 0:
            os.close(self._root)
            self._root = self.valid_root = -1
            self._roots.drop_pins(1)
        self.release_directories()
        self._roots.forget(self)

    def release_directories(self) -> None:
        """Close all descriptors but that of the docroot."""
        for directory in self._directories.values():
            os.close(directory.fd)
        self._roots.drop_pins(len(self._directories))
        self._directories.clear()
        self.plain.clear()

    def validate_root(self) -> int:
        """Return a descriptor of the directory that has the docroot's name now, as `valid_root`.

        Raises:
            NoDocrootError: the directory does not exist or may not be entered; with `outer`, that
                does not or may not.
            HTTPError: 404 for a docroot that is outside of `outer`, is `outer`, or hidden in it.
            OSError: descriptors have run out, or the disk fails; with `outer`, also for a docroot
                that does not exist.
        """
        if self._outer is not None:
            self._pin_root(self._outer)
        else:
            try:
                self._open_root()
            except OSError as error:
                if error.errno in MISSING or error.errno in FORBIDDEN:
                    raise NoDocrootError(error) from None
                raise
        self.valid_root = self._root
        self._roots.note(self)
        return self._root

    def may_enter_root(self) -> bool:
        """Tell whether this process may enter the docroot, as far as the docroot is pinned.

        With `outer`, tell that of `outer`.
        """
        if self._outer is not None:
            return self._outer.may_enter_root()
        return self._root < 0 or os.access(b".", os.X_OK, dir_fd=self._root, effective_ids=True)

    def pin(self, name: bytes, directory: int | None = None) -> int:
        """Return a descriptor of what a name leads to.

        Args:
            name: an absolute path that begins with the docroot's, or one relative to `directory`.
            directory: the descriptor of a directory.

        Raises:
            HTTPError: 404 for what is outside of the docroot or hidden; 503 without a docroot.
            OSError: the name cannot be resolved.
        """
        root = self.valid_root
        if root < 0:
            root = self.validate_root()
        if directory is None:
            directory, name = root, name[len(self.directory) + 1 :] or b"."
            fd = pin_without_links(name, root)
            if fd is not None:
                return fd
        fd = pin(name, directory)
        self.check(fd, root)
        return fd

    def open_beneath(self, name: bytes, root: int) -> int | None:
        """Open what a name leads to for reading, if links on the way never leave the docroot.

        Args:
            name: a path, relative to the docroot.
            root: the descriptor of the docroot.

        Returns:
            None where the kernel cannot tell; see `httpd.files.openat2.open_beneath`.

        Raises:
            HTTPError: 404 for a link to a hidden name.
            OSError: the file cannot be opened.
        """
        fd = open_beneath(name, root)
        if fd is not None:
            self.check(fd, root)
        return fd

    def check(self, fd: int, root: int) -> None:
        """Close a descriptor unless what it leads to may be served.

        Args:
            fd: of a file or directory.
            root: of the docroot.

        Raises:
            HTTPError: 404 if the descriptor was closed, since what it leads to is neither inside
                the docroot nor inside a link target, or is hidden there.
            OSError: the kernel does not tell where it is; `fd` is closed as well.
        """
        try:
            for _ in range(2):  # once more if one of them was moved between the calls
                real = os.readlink(link_to(fd)) + b"/"
                if self._is_served_below(root, real):
                    return
                for target in self._link_targets:
                    if (directory := target.find()) >= 0 and self._is_served_below(directory, real):
                        return
            raise not_found()
        except (OSError, HTTPError):
            os.close(fd)
            raise

    def _is_served_below(self, directory: int, real: bytes) -> bool:
        """Tell whether a real path leads into a directory, and has no hidden name below it.

        Args:
            directory: the descriptor of the directory.
            real: the path, with a slash at its end.
        """
        inside = os.readlink(link_to(directory)).rstrip(b"/") + b"/"
        return real.startswith(inside) and not self._hidden.has_target(real[len(inside) :])

    def pin_parent(self, name: bytes) -> PinnedDirectory:
        """Return the directory that a file is in; it is pinned once between two calls of `release`,
        unless there are too many.

        Args:
            name: an absolute path that begins with the docroot's.

        Raises:
            HTTPError: see `pin`.
            OSError: see `pin`.
        """
        path = name[: name.rfind(b"/")]
        directory = self._directories.get(path)
        if directory is None:
            directory = self._pin_directory(path)
            self._roots.make_room(self, self._outer)
            self._directories[path] = directory
            self._roots.add_pin(self)
        return directory

    def directory_state(self, name: bytes) -> DirectoryState | None:
        """Return the state of the directory that a file is in, as `pin_parent` sees it.

        As long as the state stays the same, the directory contains the same names, and they mean
        the same files.

        Args:
            name: an absolute path that begins with the docroot's.

        Returns:
            None where a change might not show, since there was one just now, or nothing is known.
        """
        directory = self._directories.get(name[: name.rfind(b"/")])
        try:
            return (directory or self.pin_parent(name)).state
        except (OSError, HTTPError):
            return None

    def _pin_directory(self, path: bytes) -> PinnedDirectory:
        fd = self.pin(path)
        try:
            status = os.fstat(fd)
        except OSError:
            os.close(fd)
            raise
        times = status.st_mtime_ns, status.st_ctime_ns
        is_settled = time.time_ns() - max(times) > SETTLED_NS
        return PinnedDirectory(fd, (status.st_dev, status.st_ino, *times) if is_settled else None)

    def _open_root(self) -> None:
        directory = self.directory or b"/"
        if self._root < 0 or not os.path.samestat(os.stat(directory), self._root_status):
            self.release()
            self._roots.make_room(self)
            self._root, self._root_status = pin_directory(directory)
            self._roots.add_pin(self)

    def _pin_root(self, outer: Resolver) -> None:
        """Pin the docroot without leaving the directory around it.

        A name in that directory that is no link, and still means the same directory, needs no more.
        """
        root = outer.valid_root if outer.valid_root >= 0 else outer.validate_root()
        name = self.directory[self.directory.rfind(b"/") + 1 :]
        status = os.stat(name, dir_fd=root, follow_symlinks=False)
        if self._root >= 0 and os.path.samestat(status, self._root_status):
            return
        self.release()
        self._roots.make_room(self, outer)
        fd = outer.pin(self.directory)
        try:
            self._root_status = os.fstat(fd)
            is_outer = os.path.samestat(self._root_status, outer._root_status)
            if is_outer or not stat.S_ISDIR(self._root_status.st_mode):
                raise not_found()
        except (OSError, HTTPError):
            os.close(fd)
            raise
        self._root = fd
        self._roots.add_pin(self)


def link_to(fd: int) -> bytes:
    """Return the name of a magic link (proc_pid_fd(5)) that leads to what a descriptor pins."""
    return b"/proc/self/fd/%d" % fd
