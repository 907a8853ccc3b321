"""The directories of a loop below which files are served: docroots, and others that the operator
lets symbolic links lead to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol

from httpd.files.faults import EXHAUSTED
from httpd.files.openat2 import pin_directory

_MAX_PINS = 256
"""Descriptors that the docroots of a loop hold at a time."""


class Root(Protocol):
    """A directory that is looked up by its name.

    Attributes:
        valid_root: a descriptor of the directory; -1 when it is to be looked up.
    """

    valid_root: int


class Holder(Protocol):
    """What holds directories below a docroot open."""

    def release(self) -> None:
        """Close all of them until they are needed again."""

    def release_directories(self) -> None:
        """Close all of them but the docroot."""


class ValidRoots:
    """The directories of a loop that were looked up since the last `invalidate`.

    It also bounds how many directories the docroots of the loop hold open together, however many
    docroots there are.

    Args:
        most: that number, at least 4.
    """

    __slots__ = ("_found", "_holders", "_link_targets", "_most", "_pins", "note")

    def __init__(self, most: int = _MAX_PINS) -> None:
        self._most = most
        self._pins = 0
        self._holders: set[Holder] = set()
        self._found: list[Root] = []
        self._link_targets: dict[str, LinkTarget] = {}
        self.note = self._found.append
        """To be called with a directory that was looked up."""

    def invalidate(self) -> None:
        """Look up which directories have the names of these when they are next needed.

        To be called before the response to a request that was sent after the last call.
        """
        if self._found:
            for root in self._found:
                root.valid_root = -1
            self._found.clear()

    def link_targets(self, paths: Iterable[str]) -> tuple[LinkTarget, ...]:
        """Return directories that links may lead to; the docroots share those of the same path."""
        known = self._link_targets
        return tuple(known.setdefault(path, LinkTarget(path, self)) for path in paths)

    def make_room(self, holder: Holder, *others: Holder | None) -> None:
        """Let other docroots close their descriptors if there is no room for one more.

        Args:
            holder: what needs the descriptor; it may have to close its own, except the docroot's.
            others: what keeps its descriptors.
        """
        if self._pins >= self._most:
            for other in self._holders - {holder, *others}:
                other.release()
            holder.release_directories()

    def add_pin(self, holder: Holder) -> None:
        """Note a descriptor that a holder has opened."""
        self._pins += 1
        self._holders.add(holder)

    def drop_pins(self, number: int) -> None:
        """Note that a holder has closed some descriptors."""
        self._pins -= number

    def forget(self, holder: Holder) -> None:
        """Note that a holder has no descriptor left."""
        self._holders.discard(holder)

    def release(self) -> None:
        """Close all descriptors until they are needed again."""
        for holder in [*self._holders]:
            holder.release()
        for target in self._link_targets.values():
            target.release()


class LinkTarget:
    """A directory that links may lead to out of a docroot, pinned by its path.

    Args:
        path: absolute.  It may be a symbolic link, which is followed again after each
            `ValidRoots.invalidate`.
        valid_roots: of the loop.

    Attributes:
        valid_root: see `Root`.
    """

    __slots__ = ("_note_valid", "_path", "_root", "_status", "valid_root")

    def __init__(self, path: str, valid_roots: ValidRoots) -> None:
        self._path = path
        self._note_valid = valid_roots.note
        self._root = self.valid_root = -1
        self._status = os.stat_result(range(10))

    def find(self) -> int:
        """Return a descriptor of the directory that has the path now; -1 if there is none.

        Raises:
            OSError: descriptors or memory have run out.
        """
        if self.valid_root < 0:
            try:
                if self._root < 0 or not os.path.samestat(os.stat(self._path), self._status):
                    self.release()
                    self._root, self._status = pin_directory(self._path)
            except OSError as error:
                self.release()
                if error.errno in EXHAUSTED:
                    raise
                return -1
            self.valid_root = self._root
            self._note_valid(self)
        return self.valid_root

    def release(self) -> None:
        """Close the descriptor until it is needed again.

        An open descriptor would keep the directory from being unmounted.
        """
        if self._root >= 0:
            os.close(self._root)
            self._root = self.valid_root = -1
