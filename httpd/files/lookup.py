"""From the path of a request to what is served there, kept in mind for a while.

One finder serves one loop; what it finds lies in the store of the worker.
"""

from __future__ import annotations

import os
import stat

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import UnreadableError
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.media_types import COMPRESSIBLE
from httpd.files.open_file import MEDIUM_FILE, OpenFile
from httpd.files.precompressed import CODINGS
from httpd.files.resolver import DirectoryState
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import canonical_path, decode_path

_LAG_NS = 5_000_000_000
"""How much older than its original a precompressed form may be: a deploy writes both in any order,
and some tools cut times to seconds."""


class FileLookup:
    """Finds files, and checks those that were found before.

    Args:
        docroot: where they are.
        file_cache: where they are kept.
        precompressed: whether to look for precompressed forms.
    """

    def __init__(self, docroot: Docroot, file_cache: FileCache, *, precompressed: bool) -> None:
        self._docroot = docroot
        self._file_cache = file_cache
        self._codings = CODINGS if precompressed else {}
        self.tick(0, 0)

    def tick(self, second: int, date: int) -> None:
        """Begin a second: everything is to be checked again, and what nobody asks for is let go.

        Args:
            second: of the monotonic clock.
            date: seconds since the epoch, as answers of this second say.
        """
        self._second = second
        self._date = date
        self._docroot.release()
        self._file_cache.tick(second)

    def release(self) -> None:
        """Let go of all files, to free descriptors."""
        self._file_cache.clear()
        self._docroot.release()

    def check(self, cached: CachedFile) -> CachedFile | None:
        """Return what was found if it is still there in this second, else let go of it.

        Files that are not large are copied then, as they may be asked for more often.
        """
        if cached.checked == self._second:
            return cached
        if not self.is_current(cached):
            self._file_cache.forget(cached)
            return None
        self._file_cache.note_check(cached, self._second)
        return self._hold(cached) if cached.is_fragile else cached

    def find(self, path: bytes) -> CachedFile | FoundDirectory:
        """Return what there is at a path, checked against the disk within this second.

        The name of a large file is looked up for each request: what a download begins with is sent
        to its end, so a new one begins with the newest version.

        Args:
            path: the path of a request, percent-encoded.

        Returns:
            The same object as long as nothing changes, if it is kept; a directory that has no index
            or whose path lacks its slash.

        Raises:
            HTTPError: see `Docroot.open` and `decode_path`.
            FileSystemError: see `Docroot.open`.
        """
        key = canonical_path(path)
        known = self._file_cache.kept.get(key) if key is not None else None
        known = self.check(known) if known else None
        if known and known.is_in_place():
            return known
        opened = self._docroot.open(decode_path(path))
        if isinstance(opened, FoundDirectory):
            return opened
        state = self._docroot.directory_state(opened.name)  # before the names in it are looked for
        original = OpenFile(opened, self._date, hold=self._file_cache.claim)
        forms = self._look_for_forms(original, state)
        coded = {
            coding: resource
            for coding in forms
            if (resource := self._open_coded(original, coding)) is not None
        }
        cached = CachedFile(key, original, coded, None if forms else state, self._second)
        if known or self._file_cache.was_asked_for(key):
            self._file_cache.keep(cached)
        return cached

    def is_current(self, cached: CachedFile) -> bool:
        """Tell whether a new look would surely find the same."""
        original = cached.original
        status, state = self._docroot.revalidate(original.name)
        if not original.is_current(status):
            return False
        if state is not None and state == cached.bare:
            return True
        forms = self._look_for_forms(original, state)
        cached.bare = None if forms else state
        return all(
            resource.is_current(self._docroot.revalidate(resource.name)[0])
            if (resource := cached.coded.get(coding))
            else coding not in forms or not self._has_coded(original, coding)
            for coding in self._codings
        )

    def _hold(self, cached: CachedFile) -> CachedFile:
        """Return the same files with snapshots of those of medium size, if they can be had."""
        original = self._hold_one(cached.original)
        coded = {coding: self._hold_one(resource) for coding, resource in cached.coded.items()}
        if original is cached.original and coded == cached.coded:
            return cached
        held = CachedFile(cached.path, original, coded, cached.bare, self._second)
        self._file_cache.keep(held)
        return held

    def _hold_one(self, resource: OpenFile) -> OpenFile:
        is_medium = resource.size <= MEDIUM_FILE and self._file_cache.takes(resource.size)
        if not resource.is_fragile or not is_medium:
            return resource
        return resource.snapshot(self._file_cache.claim) or resource

    def _look_for_forms(self, original: OpenFile, directory: DirectoryState | None) -> list[str]:
        """Return the codings for which there is anything, be it a link that leads to nothing.

        There are none of a type that does not compress: ``a.tar.gz`` is no form of ``a.tar``.
        """
        name = original.name
        if not self._codings or original.media_type not in COMPRESSIBLE:
            return []
        if self._file_cache.plain_directories.has(directory, name, self._docroot.names_beside):
            return []
        return [
            coding
            for coding, ending in self._codings.items()
            if os.access(name + ending, os.F_OK, follow_symlinks=False)
        ]

    def _has_coded(self, original: OpenFile, coding: str) -> bool:
        """Tell whether there is a precompressed form that was not made of an earlier version."""
        name = original.name + CODINGS[coding]
        status = self._docroot.stat(name)
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        return original.modified_ns - status.st_mtime_ns <= _LAG_NS

    def _open_coded(self, original: OpenFile, coding: str) -> OpenFile | None:
        if not self._has_coded(original, coding):
            return None
        try:
            opened = self._docroot.open_name(original.name + CODINGS[coding])
            if opened is None:
                return None
            return OpenFile(opened, self._date, coding, original, self._file_cache.claim)
        except (HTTPError, UnreadableError):
            return None
