"""From a request to its answer.  One responder serves one loop."""

from __future__ import annotations

import time
from dataclasses import dataclass

from httpd import __version__
from httpd.protocol import conditional
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.ranges import parse_range
from httpd.protocol.target import decode_segments, encode_path
from httpd.site.answer import Answer, Stamp
from httpd.site.docroot import Docroot, OutOfDescriptorsError
from httpd.site.pages import render_page
from httpd.site.resource import Resource, Resources

_ALLOW = "GET, HEAD, OPTIONS"
_KNOWN_METHODS = frozenset({"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
_CLOSING_STATUSES = frozenset({400, 408, 414, 431, 500, 501, 503, 505})

Fields = tuple[tuple[str, str], ...]
_COMMON_FIELDS: Fields = (
    ("Server", f"phttpd/{__version__}"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What the operator says about the site.

    Args:
        docroot: absolute path of the folder to serve.
        index: names of index files.
        expires: seconds from now that clients may keep what they got.
        cache: bytes that one loop may use for files and answers.
    """

    docroot: str
    index: tuple[str, ...]
    expires: int
    cache: int


class Responder:
    """Answers requests from the files below a docroot."""

    def __init__(self, settings: SiteSettings) -> None:
        docroot = Docroot(settings.docroot, settings.index)
        self._resources = Resources(docroot, settings.cache // 2)
        self._expires = settings.expires
        self.tick(0)

    def tick(self, now: int) -> None:
        """Begin a second; `now` is the monotonic clock's."""
        date = time.time()
        self._stamp = Stamp(date, self._expires)
        self._this_year = time.gmtime(date).tm_year
        self._resources.tick(now, int(date))

    def release(self) -> None:
        """Close the files that nobody downloads."""
        self._resources.clear()

    def respond(self, request: Request, *, may_keep_alive: bool) -> Answer:
        """Return the answer to a request; errors are answers too, but for one.

        Args:
            request: what the parser made of the head.
            may_keep_alive: false to close the connection after this answer in any case.

        Raises:
            OutOfDescriptorsError: the caller may give some back and try again.
        """
        keep_alive = may_keep_alive and request.keep_alive and not request.has_body
        try:
            answer = self._dispatch(request)
        except OutOfDescriptorsError:
            raise
        except HTTPError as error:
            answer = _make_error(error, head_only=request.method == "HEAD")
        answer.path = request.path
        answer.keep_alive = keep_alive and answer.status not in _CLOSING_STATUSES
        # A client that did not ask for the close may be sending its next request.
        answer.lingers = request.has_body or request.keep_alive
        if not answer.keep_alive:
            answer.fields = b"Connection: close\r\n" + answer.fields
        elif request.minor_version == 0:
            answer.fields = b"Connection: keep-alive\r\n" + answer.fields
        return answer.stamp(self._stamp)

    def refuse(self, error: HTTPError, *, head_only: bool = False) -> Answer:
        """Return the answer to bytes that are no request, or to a client that is not served.

        Args:
            error: what is wrong.
            head_only: the bytes look like a HEAD request, whose answer has no body.
        """
        answer = _make_error(error, head_only=head_only)
        answer.fields = b"Connection: close\r\n" + answer.fields
        answer.lingers = True
        return answer.stamp(self._stamp)

    def refresh(self, answer: Answer) -> bool:
        """Bring an answer of an earlier second up to now, if its file is still the same.

        Args:
            answer: what `respond` returned.

        Returns:
            False when the request must be answered anew.
        """
        if answer.resource is None:
            return False
        try:
            if self._resources.find(answer.path) is not answer.resource:
                return False
        except HTTPError:
            return False
        answer.stamp(self._stamp)
        return True

    def _dispatch(self, request: Request) -> Answer:
        if request.method in ("GET", "HEAD"):
            return self._get(request)
        if request.method == "OPTIONS":
            return _make(200, (("Allow", _ALLOW),), body=b"")
        if request.method in _KNOWN_METHODS:
            raise HTTPError(405, "Files here can be read, not changed.", (("Allow", _ALLOW),))
        raise HTTPError(501, "The server does not know this method.")

    def _get(self, request: Request) -> Answer:
        resource = self._resources.find(request.path)
        head_only = request.method == "HEAD"
        if resource is None:
            return _make_redirect(request, head_only=head_only)
        status = conditional.evaluate(
            request.fields, resource.etag, resource.modified, self._this_year
        )
        if status == 412:
            raise HTTPError(412, "The file is not in the state that the request asks for.")
        if status == 304:
            return self._not_modified(resource)
        part = None if head_only else self._range(request, resource)
        return self._file(resource, part, head_only=head_only)

    def _range(self, request: Request, resource: Resource) -> range | None:
        text = request.fields.get("range")
        if text is None or not conditional.range_applies(
            request.fields, resource.etag, resource.modified, self._this_year
        ):
            return None
        return parse_range(text, resource.identity.size)

    def _cache_fields(self, resource: Resource) -> Fields:
        return (("ETag", resource.etag), ("Cache-Control", f"max-age={self._expires}"))

    def _not_modified(self, resource: Resource) -> Answer:
        answer = _make(304, self._cache_fields(resource))
        answer.expires = True
        answer.resource = resource
        return answer

    def _file(self, resource: Resource, part: range | None, *, head_only: bool) -> Answer:
        size = resource.identity.size
        chosen = part if part is not None else range(size)
        fields: Fields = (
            ("Content-Type", resource.media_type),
            ("Content-Length", str(len(chosen))),
            ("Last-Modified", resource.last_modified),
            ("Accept-Ranges", "bytes"),
            *self._cache_fields(resource),
        )
        if part is not None:
            fields += (("Content-Range", f"bytes {part.start}-{part.stop - 1}/{size}"),)
        answer = _make(200 if part is None else 206, fields)
        answer.expires = True
        answer.resource = resource
        if head_only:
            return answer
        if resource.content is not None:
            answer.body = resource.content[chosen.start : chosen.stop]
        else:
            answer.offset, answer.length = chosen.start, len(chosen)
        return answer


def _make(
    status: int, fields: Fields, body: bytes | None = None, *, head_only: bool = False
) -> Answer:
    """Make an answer; with a `body`, also its Content-Length."""
    if body is not None:
        fields += (("Content-Length", str(len(body))),)
    lines = "".join(f"{name}: {value}\r\n" for name, value in _COMMON_FIELDS + fields)
    return Answer(
        status=status,
        fields=lines.encode("latin-1") + b"\r\n",
        keep_alive=False,
        body=body if body and not head_only else b"",
    )


def _make_page(status: int, detail: str, fields: Fields, *, head_only: bool) -> Answer:
    fields = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"), *fields)
    return _make(status, fields, render_page(status, detail), head_only=head_only)


def _make_error(error: HTTPError, *, head_only: bool) -> Answer:
    return _make_page(error.status, error.detail, error.fields, head_only=head_only)


def _make_redirect(request: Request, *, head_only: bool) -> Answer:
    """RFC 9110 §15.4.2.  The path is rebuilt from its segments, so that it cannot begin with
    ``//``, which a client would take for another host.
    """
    path = "/" + encode_path(b"/".join(decode_segments(request.path))) + "/"
    location = path + request.query.decode()
    detail = "This is a folder; its address ends in a slash."
    return _make_page(301, detail, (("Location", location),), head_only=head_only)
