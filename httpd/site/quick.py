"""The quick way to most first responses: of small files that nobody has requested lately.

`QuickBuilder.respond` is `FileLookup`, `OpenFile`, `FileHandler` and `ResponseBuilder` in one
function, for the requests that need the least of them.  The response is the same, and so are the
traces that it leaves in the caches.  Any other request is left to the general way.
"""

from __future__ import annotations

import os
import stat
from binascii import crc32
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, NamedTuple

from httpd.files.clean_urls import HTML
from httpd.files.descriptor import close_quietly
from httpd.files.docroot import LookedUp
from httpd.files.file_cache import FileCache
from httpd.files.lookup import FileLookup
from httpd.files.media_types import MediaTypes, content_types_by_extension
from httpd.files.memory import UNCLAIMED, Claim
from httpd.files.open_file import SMALL_FILE, identify
from httpd.files.openat2 import open_without_links
from httpd.protocol.dates import EARLIEST, format_date
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Body, Cacheability, DateHeaders, Response
from httpd.protocol.tally import SiteTallies
from httpd.protocol.target import PCHAR
from httpd.site.builder import apply_policy
from httpd.site.file_handler import FileHandler
from httpd.site.rules import NO_POLICY, PathPolicy, Rules
from httpd.site.settings import SiteSettings
from httpd.site.steps import EarlyStep, Step

_UNDERSTOOD = frozenset(
    {
        *("charset", "default_type", "docroot", "expires", "index", "listing", "precompressed"),
        *("clean_urls", "errors", "fallback", "own_names", "redirects", "rules"),
        *("serve_hidden", "symlinks", "types"),
    }
)
"""The settings that the quick way obeys, or that do not concern it."""
_UNDERSTOOD_IN_RULES = frozenset({"cors", "expires", "fields", "line", "paths"})
_OF_THE_FILE = frozenset({"content-encoding", "content-type", "etag", "last-modified"})
"""Fields of which the quick way fills in the value for each file, or on which it depends."""
_MAX_HEADS = 256
_DOT = ord(".")
_new = tuple.__new__  # half the time of calling a NamedTuple


def may_be_quick(settings: SiteSettings, steps: list[Step]) -> bool:
    """Tell whether a site may use the quick way, which bypasses its steps.

    Only the file handler may come first, since that one decides what a client gets of a file.  Nor
    may there be a setting that the quick way does not know, such as one of a later version.

    Args:
        settings: of the site.
        steps: of the site.
    """
    return (
        isinstance(steps[0], FileHandler)
        and _sets_only(settings, _UNDERSTOOD)
        and all(_sets_only(rule, _UNDERSTOOD_IN_RULES) for rule in settings.rules)
    )


def _sets_only(settings: Any, names: frozenset[str]) -> bool:
    """Tell whether the fields of a dataclass have their defaults, but for those with some names."""
    return all(
        getattr(settings, field.name)
        == (field.default if field.default_factory is MISSING else field.default_factory())
        for field in fields(settings)
        if field.name not in names
    )


@cache
def _types_of_no_page(types: MediaTypes, charset: str | None) -> Mapping[bytes, bytes]:
    """Return the same as `content_types_by_extension` without the extension of clean URLs."""
    by_extension = content_types_by_extension(types, charset).items()
    return {extension: kind for extension, kind in by_extension if extension != HTML[1:]}


class _Source(NamedTuple):
    """The file that a body is of; see `httpd.protocol.response.Source`."""

    name: bytes
    content: bytes
    claim: Claim | None
    fd: int
    is_snapshot: bool

    def is_intact(self, part: range, *, is_last: bool) -> bool:  # noqa: ARG002
        """Tell that what is in memory does not change."""
        return True


class _Head(NamedTuple):
    """The head of the responses with one policy.

    Args:
        template: the header lines, to be filled with the Content-Type, the three numbers of the
            entity tag, the modification date, and the size.
        expires: seconds for which clients may cache the response, or None.
    """

    template: bytes
    expires: int | None


class QuickBuilder:
    """Responds to a GET of a small file without precompressed forms.

    Args:
        lookup: of the site.
        file_cache: of the worker.
        key: of the site, see `FileCache`.
        settings: of the site.
        media_types: of the site.
        tallies: of the site.
        rules: of the site; None if there are none.
    """

    def __init__(
        self,
        lookup: FileLookup,
        file_cache: FileCache,
        key: bytes,
        settings: SiteSettings,
        media_types: MediaTypes,
        tallies: SiteTallies,
        rules: Rules | None,
    ) -> None:
        self._tally = tallies.find(200)
        self._lookup = lookup
        self._resolver = lookup.docroot.resolver
        self._file_cache = file_cache
        self._key = key
        self._expires = settings.expires
        # With clean URLs, HTML files may have other addresses, so they are left to the general way.
        find_types = _types_of_no_page if settings.clean_urls else content_types_by_extension
        self._types = find_types(media_types, settings.charset)
        self._rules = rules
        self._only_head: _Head | None = None  # of a site without rules
        self._heads: dict[PathPolicy, _Head | None] = {}

    def respond(  # noqa: PLR0911 - each return is another reason to take the general way
        self,
        path: bytes,
        first_lines: bytes,
        dates: DateHeaders,
        before_blocking: Callable[[], None],
    ) -> Response | LookedUp:
        """Return the response to a GET of a file that is not cached; see `Header.is_usual`.

        Args:
            path: of the request: a slash, and any bytes.
            first_lines: the header lines that every response has, each with its CRLF.
            dates: of this second.
            before_blocking: called before the disk is accessed.

        Returns:
            No response, and no trace of the request, where the general way is to be taken: what the
            path leads to, as far as that was looked up.
        """
        files, resolver = self._file_cache, self._resolver
        marks, mark = files.marks, hash(self._key + path) ^ files.minute
        place = mark % len(marks)
        if marks[place] == mark:
            return None  # requested before, so the file is to be cached
        directory, _, name = path.rpartition(b"/")
        stem, _, extension = name.rpartition(b".")
        content_type = self._types.get(extension)
        if content_type is None or not stem or stem[0] == _DOT or stem.lstrip(PCHAR):
            return None
        before_blocking()
        below = path[1:]
        try:
            root = resolver.valid_root if resolver.valid_root >= 0 else resolver.validate_root()
            if directory not in resolver.plain and not self._lookup.is_plain(directory):
                return None
            head = self._only_head
            if head is None and (head := self._find_head(path, first_lines)) is None:
                return None
            status = os.stat(below, dir_fd=root)
            identity = _, _, size, modified_ns = identify(status)
            modified = modified_ns // 1_000_000_000
            is_usual = size <= SMALL_FILE and EARLIEST <= modified <= dates.date
            if not is_usual or not stat.S_ISREG(status.st_mode):
                return status
            fd = open_without_links(below, root)
            if fd is None and (fd := resolver.open_beneath(below, root)) is None:
                return status
        except (OSError, HTTPError) as error:
            return error
        try:
            content = os.pread(fd, size + 1, 0)
            is_same = len(content) == size and identify(os.fstat(fd)) == identity
        except OSError:
            return None
        finally:
            close_quietly(fd)
        claim = None
        if not is_same or (size > UNCLAIMED and (claim := files.claim(size)) is None):
            return None
        marks[place] = mark
        template, expires = head
        date = format_date(modified).encode()
        lines = template % (content_type, modified_ns, size, crc32(content), date, size)
        source = _new(_Source, (resolver.directory + path, content, claim, -1, False))
        body = _new(Body, (content, (), source, None))
        return Response(self._tally, lines, dates, body, True, True, Cacheability.FILE, expires)

    def _find_head(self, path: bytes, first_lines: bytes) -> _Head | None:
        """Return the head for a path; None where the rules for it ask for the general way.

        Args:
            path: literal, see `is_literal_path`.
            first_lines: see `respond`.
        """
        policy = NO_POLICY if self._rules is None else self._rules.find(path)
        if policy in self._heads:
            return self._heads[policy]
        head = _make_head(policy, self._expires, first_lines.decode("latin-1"))
        if self._rules is None:
            self._only_head = head
        if len(self._heads) < _MAX_HEADS:
            self._heads[policy] = head
        return head


def _make_head(policy: PathPolicy, expires: int, first_lines: str) -> _Head | None:
    """Return the head of the responses with a policy, the same as `FileHandler` makes.

    Args:
        policy: the rules for a path.
        expires: seconds for which clients may cache files, where no rule says otherwise.
        first_lines: the header lines that every response has, each with its CRLF.

    Returns:
        None if the response depends on more than `_Head` has.
    """
    names = policy.removed.union(name.lower() for name, _ in policy.fields)
    if policy.varies_by_origin or names & _OF_THE_FILE:
        return None
    if policy.expires is not None:
        expires = policy.expires
    lines = _escape(first_lines) + (
        'Content-Type: %b\r\nETag: "%x-%x-%x"\r\n'
        f"Cache-Control: max-age={expires}\r\nLast-Modified: %b\r\nAccept-Ranges: bytes\r\n"
    )
    if policy is not NO_POLICY:
        fields = tuple((_escape(name), _escape(value)) for name, value in policy.fields)
        lines = apply_policy(policy._replace(fields=fields), lines)
    lines += "Content-Length: %d\r\n\r\n"
    return _Head(lines.encode("latin-1"), None if "expires" in policy.removed else expires)


def _escape(text: str) -> str:
    return text.replace("%", "%%")


class SelectiveQuickBuilder:
    """The quick way of a site with early steps: what may concern one of them is left to them.

    Args:
        quick: for the other paths.
        early_steps: of the site.
    """

    def __init__(self, quick: QuickBuilder, early_steps: Sequence[EarlyStep]) -> None:
        self._respond = quick.respond
        self._concern = [step.concerns for step in early_steps]

    def respond(
        self,
        path: bytes,
        first_lines: bytes,
        dates: DateHeaders,
        before_blocking: Callable[[], None],
    ) -> Response | LookedUp:
        """See `QuickBuilder.respond`."""
        for concerns in self._concern:
            if concerns(path):
                return None
        return self._respond(path, first_lines, dates, before_blocking)


AnyQuickBuilder = QuickBuilder | SelectiveQuickBuilder
