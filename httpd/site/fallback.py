"""The file that is sent for paths that lead to nothing, such as the routes of an application that
runs in the browser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Cacheability
from httpd.protocol.target import decode_path
from httpd.site.builder import ResponseBuilder
from httpd.site.error_pages import find_home
from httpd.site.named_file import NamedFile
from httpd.site.rules import NO_POLICY, PathPolicy, Rules
from httpd.site.settings import SiteSettings
from httpd.site.steps import Found, Step

_CACHE_CONTROL = "cache-control"


class NoIndexError(HTTPError):
    """A directory has neither an index file nor a listing, so its path leads to nothing."""

    def __init__(self) -> None:
        super().__init__(403, "This directory has no index page, and its files are not listed.")


class Fallback:
    """Responds with one file to the requests whose paths lead to nothing.

    The rules are those for the file, not those for the path of the request: the lifetime of the
    files in a directory must not become that of the page that stands for a missing one.

    Args:
        name: of the file, as `SiteSettings.fallback` has it.
        find: of the site.
        steps: those of the site that respond with any file.
        rules: of the site; None if there are none.
    """

    __slots__ = ("_file", "_policy", "_steps")

    def __init__(
        self,
        name: str,
        find: Callable[[bytes], Found],
        steps: Sequence[Step],
        rules: Rules | None,
    ) -> None:
        self._file = NamedFile(name, find)
        self._steps = tuple(steps)
        policy = NO_POLICY if rules is None else rules.find(self._file.decoded)
        self._policy = _always_revalidate(policy)

    @property
    def path(self) -> bytes:
        """The decoded path of the file, which the rules are for."""
        return self._file.decoded

    def respond(self, error: HTTPError, request: Request) -> ResponseBuilder | None:
        """Return the response with the file; None for another error, or without the file.

        The response depends on two paths, so it is not cacheable with the file.

        Args:
            error: that the request ended in.
            request: of the client.

        Raises:
            HTTPError: the response is the page for this error.
            FileSystemError: a fault of the system.
        """
        leads_to_nothing = error.status == 404 or isinstance(error, NoIndexError)
        if not leads_to_nothing or not _may_be_route(request) or not (found := self._file.find()):
            return None
        file, path = found
        policy = self._policy
        if policy.cors:
            policy = policy.for_origin(request.header.fields.get("origin"))
        for step in self._steps:
            made = step.handle(request, file, policy)
            if isinstance(made, ResponseBuilder):
                break
        else:
            return None
        is_cacheable = made.cacheability is not Cacheability.NEVER
        address = (find_home(request.path) or "/") + path[1:].decode()
        return made._replace(
            lines=f"{made.lines}Content-Location: {address}\r\n",
            cacheability=Cacheability.HEAD if is_cacheable else Cacheability.NEVER,
            cached=None,
        )


def make_fallback(
    settings: SiteSettings,
    find: Callable[[bytes], Found],
    steps: Sequence[Step],
    rules: Rules | None,
) -> Fallback | None:
    """Return the fallback of a site, see `Fallback`; None if no setting names one."""
    return None if settings.fallback is None else Fallback(settings.fallback, find, steps, rules)


def _may_be_route(request: Request) -> bool:
    """Tell whether a request may be for a page of the application, and not for a file.

    The last name of a file has a dot.  A name that begins with a dot is kept from clients, or
    belongs to a protocol that looks for a certain file (RFC 8615).
    """
    if request.method not in ("GET", "HEAD"):
        return False
    try:
        path = decode_path(request.path)
    except HTTPError:
        return False
    return path.find(b"/.") < 0 and path.find(b".", path.rfind(b"/")) < 0


def _always_revalidate(policy: PathPolicy) -> PathPolicy:
    """Return a policy for responses that clients may not use without asking again.

    A deployment replaces the file together with those that it refers to.  Only a Cache-Control of
    the operator for this very file takes precedence.
    """
    if _CACHE_CONTROL in policy.removed or policy.get(_CACHE_CONTROL) is not None:
        return policy
    return policy._replace(expires=0, fields=(*policy.fields, ("Cache-Control", "no-cache")))
