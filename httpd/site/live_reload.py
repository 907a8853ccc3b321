"""Live reload: a browser loads a page again when something below the docroot has changed.

HTML files get a script at their end.  The script asks for the next change by server-sent events
(HTML, section 9.2).  Each response is one event, so that it ends as others do, and the browser asks
again.  Both are at paths that no file has, since names that begin with a dot are not served.

The script knows the version that the page was sent with.  So no change between page and request is
missed, nor one between two requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from httpd.files.docroot import FoundDirectory
from httpd.files.file_cache import CachedFile
from httpd.files.media_types import MediaTypes, content_types, without_parameters
from httpd.files.open_file import OpenFile
from httpd.protocol.conditional import CONDITIONS, is_unmodified
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.negotiation import IDENTITY
from httpd.protocol.response import Cacheability, Pause
from httpd.site.builder import PendingBuilder, ResponseBuilder
from httpd.site.changes import Changes
from httpd.site.rules import PathPolicy
from httpd.site.steps import Clock, Found

LISTENERS = 100
"""The most requests of a loop that wait for a change."""
_SCRIPT = b"/.phttpd/reload.js"
_EVENTS = b"/.phttpd/reload"
_OWN = FoundDirectory(b"/.phttpd/")
_HTML = "text/html"
_UTF16 = (b"\xfe\xff", b"\xff\xfe")
"""Byte order marks of the encodings in which ASCII characters are no bytes of their own."""
_TAG = b'<script async src="%b?%d"></script>\n'
_SOURCE = b"""\
"use strict";
{
  const seen = new URL(document.currentScript.src).search;
  let events;
  const reload = ({ data }) => {
    if (sessionStorage.getItem(".phttpd") !== data) {
      sessionStorage.setItem(".phttpd", data);
      location.reload();
    }
  };
  const listen = () => {
    events = new EventSource("/.phttpd/reload" + seen);
    events.addEventListener("reload", reload);
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) {
        setTimeout(look, 2000);
      }
    });
  };
  const look = () => {
    events?.close();
    if (!document.hidden) {
      listen();
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
}
"""
"""A page that nobody sees does not listen: browsers open six connections to a server.  A page that
an old cache keeps is not loaded twice for the same version."""


class LiveReload:
    """Adds the script to HTML, and tells it of changes.

    Args:
        changes: of the docroot.
        expires: seconds from now for which clients may cache files.
        charset: of text files; None to leave it out.
        media_types: of the site.
        clock: of the site.
    """

    reads = CONDITIONS

    def __init__(
        self,
        changes: Changes,
        expires: int,
        charset: str | None,
        media_types: MediaTypes,
        clock: Clock,
    ) -> None:
        self._changes = changes
        self._expires = expires
        self._content_types = content_types(media_types, charset)
        self._clock = clock
        self._listeners = 0

    def wrap(self, find: Callable[[bytes], Found]) -> Callable[[bytes], Found]:
        """Return a lookup that finds the paths of the script and of the events, too."""
        own = (_SCRIPT, _EVENTS)
        return lambda path: _OWN if path in own else find(path)

    def handle(
        self, request: Request, found: Found, policy: PathPolicy
    ) -> ResponseBuilder | PendingBuilder | None:
        """Respond to the script, or with a page that has it; see `Step.handle`."""
        if found is _OWN:
            return _script(policy) if request.path == _SCRIPT else self._wait(request, policy)
        if not isinstance(found, CachedFile):
            return None
        file = found.original
        is_html = without_parameters(file.media_type) == _HTML
        if not is_html or policy.coding not in (None, IDENTITY) or _is_utf16(file):
            return None
        return self._page(request, file, policy)

    def _page(self, request: Request, file: OpenFile, policy: PathPolicy) -> ResponseBuilder:
        """Return an HTML file with the script behind it, where an HTML parser takes it as well.

        The page is another one after each change, so that neither ranges nor dates apply to it.
        """
        version = self._changes.version
        etag = f'{file.etag[:-1]}-{version}"'
        never, expires = Cacheability.NEVER, self._expires
        lines = f"ETag: {etag}\r\nCache-Control: no-cache\r\n"
        if is_unmodified(request.header.fields, etag, None, self._clock.this_year):
            policy = policy.for_not_modified()
            return ResponseBuilder(304, lines, never, policy, None, expires=expires)
        lines = (
            f"Content-Type: {self._content_types[file.media_type]}\r\n{lines}"
            f"Last-Modified: {file.last_modified}\r\nAccept-Ranges: none\r\n"
        )
        segments = (range(file.size), _TAG % (_SCRIPT, version))
        return ResponseBuilder(200, lines, never, policy, segments, file, expires=expires)

    def _wait(self, request: Request, policy: PathPolicy) -> PendingBuilder:
        """Return the event of the next change, or none if the wait ends before."""
        changes = self._changes
        before = changes.version
        known = request.query[1:] or b"%d" % before
        if known == b"%d" % before and request.method == "GET":
            if self._listeners >= LISTENERS:
                raise HTTPError(503, "Too many pages wait for a change.")
            self._listeners += 1
            try:
                yield Pause.UNTIL_WOKEN
            finally:
                self._listeners -= 1
        event = b"retry: 100\n\n"
        if known != b"%d" % changes.version:
            event = b"event: reload\ndata: %d\n%b" % (changes.version, event)
        lines = "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        return ResponseBuilder(200, lines, Cacheability.NEVER, policy.for_page(), (event,))


def _script(policy: PathPolicy) -> ResponseBuilder:
    lines = "Content-Type: text/javascript; charset=utf-8\r\nCache-Control: no-cache\r\n"
    return ResponseBuilder(200, lines, Cacheability.NEVER, policy.for_page(), (_SOURCE,))


def _is_utf16(file: OpenFile) -> bool:
    start = os.pread(file.fd, 2, 0) if file.content is None else file.content[:2]
    return start in _UTF16
