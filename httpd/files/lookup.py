"""From the path of a request to the file that is served there: cached, or opened and cached.

One lookup serves one loop; the files it finds are in the file cache of the worker.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from httpd.files.docroot import Docroot, FoundDirectory, FoundElsewhere, LookedUp, OpenResult
from httpd.files.faults import UnreadableError
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.media_types import BUILT_IN, MediaTypes
from httpd.files.open_file import MEDIUM_FILE, OpenFile
from httpd.files.precompressed import CODINGS
from httpd.files.resolver import DirectoryState
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import canonical_path, decode_path, is_literal_path

_LAG_NS = 5_000_000_000
"""Nanoseconds by which a precompressed form may be older than the file: a deployment writes both in
any order, and some tools cut times to seconds."""


OpenPath = Callable[[bytes, LookedUp], OpenResult | FoundDirectory | FoundElsewhere]


class FileLookup:
    """Finds files, and revalidates those that were found before.

    Args:
        docroot: where the files are.
        file_cache: where open files are kept.
        precompressed: whether to look for precompressed forms.
        key: of the site, see `FileCache`.
        media_types: of the site.
        open_path: `Docroot.open`, or what takes its place.
    """

    def __init__(
        self,
        docroot: Docroot,
        file_cache: FileCache,
        *,
        precompressed: bool,
        key: bytes = b"",
        media_types: MediaTypes = BUILT_IN,
        open_path: OpenPath | None = None,
    ) -> None:
        self.docroot = docroot
        self._open: OpenPath = open_path or docroot.open
        self._file_cache = file_cache
        self._key = key
        self._media_types = media_types
        self._codings = CODINGS if precompressed else {}
        self.begin_second(0, 0)

    def begin_second(self, second: int, date: int) -> None:
        """Have every cached file revalidated before it is used again.

        Args:
            second: of the monotonic clock.
            date: seconds since the epoch, as the responses of this second say.
        """
        self._second = second
        self._date = date
        self.docroot.release()

    def release(self) -> None:
        """Close all directories, to free descriptors."""
        self.docroot.release()

    def revalidate(self, cached: CachedFile) -> CachedFile | None:
        """Return a cached file if it is still what the disk has in this second, else remove it.

        A file that is not large is copied into memory then, since it may be asked for more often.

        Raises:
            OutOfDescriptorsError: descriptors or memory have run out.
        """
        second = self._second
        if cached.validated_at == second:
            return cached
        original = cached.original
        status, directory = self.docroot.revalidate(original.name)
        is_plain = directory is not None and directory == cached.no_precompressed
        if not original.is_current(status) or not (
            is_plain or self._has_same_forms(cached, directory)
        ):
            self._file_cache.remove(cached)
            return None
        self._file_cache.note_validation(cached, second)
        return self._with_snapshots(cached) if cached.may_change else cached

    def find(
        self, path: bytes, looked_up: LookedUp = None
    ) -> CachedFile | FoundDirectory | FoundElsewhere:
        """Return what a path leads to, validated within this second.

        The name of a large file is looked up for each request: a download is finished with the
        version that it began with, so a new one is to begin with the newest version.

        Args:
            path: the path of a request, percent-encoded.
            looked_up: see `Docroot.open`.

        Returns:
            The same object as long as nothing changes, if the file is cached; a directory that has
            no index, or whose path lacks its slash; a file that has another address.

        Raises:
            HTTPError: see `Docroot.open` and `decode_path`.
            FileSystemError: see `Docroot.open`.
        """
        files = self._file_cache
        is_literal = is_literal_path(path)
        key = path if is_literal else canonical_path(path)
        if key is None:
            known = None
        else:
            key = self._key + key
            known = files.by_path.get(key)
        if known is not None:
            known = self.revalidate(known)
            if known is not None and known.is_in_place():
                return known
        opened = self._open(path if is_literal else decode_path(path), looked_up)
        if not isinstance(opened, OpenResult):
            return opened
        state = self.docroot.directory_state(opened.name)  # before the names in it are looked for
        original = OpenFile(
            opened, self._date, claim_memory=files.claim, media_types=self._media_types
        )
        plain = files.plain_directories.known
        cached = CachedFile(key, original, state, self._second)
        if not plain.get(state) and (codings := self._existing_codings(original, state)):
            cached.coded = self._open_coded(original, codings)
            cached.no_precompressed = None
        if known is not None or files.note_request(key):
            files.admit(cached)
        return cached

    def is_plain(self, directory: bytes) -> bool:
        """Tell whether a directory is known to contain no precompressed forms, in this second.

        The disk is not asked: `find` does that.

        Args:
            directory: the path of a request up to its last slash.
        """
        resolver = self.docroot.resolver
        pinned = resolver.find_pinned(resolver.directory + directory)
        if pinned is None or not is_literal_path(directory + b"/"):
            return False
        if self._codings and not self._file_cache.plain_directories.known.get(pinned.state):
            return False
        resolver.plain.add(directory)
        return True

    def _has_same_forms(self, cached: CachedFile, directory: DirectoryState | None) -> bool:
        """Tell whether a new lookup would surely find the same precompressed forms.

        Args:
            cached: the file, which is current.
            directory: the state of its directory.

        Raises:
            OutOfDescriptorsError: descriptors or memory have run out.
        """
        original = cached.original
        codings = self._existing_codings(original, directory)
        cached.no_precompressed = None if codings else directory
        return all(
            form.is_current(self.docroot.revalidate(form.name)[0])
            if (form := cached.coded.get(coding))
            else coding not in codings or not self._is_fresh(original, coding)
            for coding in self._codings
        )

    def _with_snapshots(self, cached: CachedFile) -> CachedFile:
        """Return the same files, with snapshots of those of medium size if there is memory."""
        original = self._snapshot(cached.original)
        coded = {coding: self._snapshot(form) for coding, form in cached.coded.items()}
        if original is cached.original and coded == cached.coded:
            return cached
        copied = CachedFile(cached.path, original, cached.no_precompressed, self._second, coded)
        self._file_cache.admit(copied)
        return copied

    def _snapshot(self, file: OpenFile) -> OpenFile:
        is_medium = file.size <= MEDIUM_FILE and self._file_cache.accepts(file.size)
        if not file.may_change or not is_medium:
            return file
        return file.snapshot(self._file_cache.claim) or file

    def _existing_codings(self, original: OpenFile, directory: DirectoryState | None) -> list[str]:
        """Return the codings for which there is a precompressed form, be it a dangling link.

        A type that does not compress has no forms: ``a.tar.gz`` is no form of ``a.tar``.
        """
        name = original.name
        if not self._codings or original.media_type not in self._media_types.compressible:
            return []
        if self._file_cache.plain_directories.has(directory, name, self.docroot.names_beside):
            return []
        return [
            coding
            for coding, ending in self._codings.items()
            if os.access(name + ending, os.F_OK, follow_symlinks=False)
        ]

    def _open_coded(self, original: OpenFile, codings: list[str]) -> dict[str, OpenFile]:
        """Return the precompressed forms that can be sent."""
        forms = {}
        for coding in codings:
            if not self._is_fresh(original, coding):
                continue
            try:
                opened = self.docroot.open_name(original.name + CODINGS[coding])
                if opened is not None:
                    forms[coding] = OpenFile(
                        opened, self._date, coding, original, self._file_cache.claim
                    )
            except (HTTPError, UnreadableError):
                pass  # the file itself can be sent
        return forms

    def _is_fresh(self, original: OpenFile, coding: str) -> bool:
        """Tell whether a precompressed form was not made of an earlier version of the file."""
        status = self.docroot.stat(original.name + CODINGS[coding])
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        return original.modified_ns - status.st_mtime_ns <= _LAG_NS
