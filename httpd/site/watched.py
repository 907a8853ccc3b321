"""A site that tells which of its parts decided about a request, for `httpd.gateway.explainer`."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from httpd.files.docroot import LookedUp
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.target import decode_path
from httpd.site.builder import PendingBuilder, ResponseBuilder
from httpd.site.no_site import NoSite
from httpd.site.redirect_step import RedirectStep
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.site import Site

_MALFORMED = "malformed path"


class Notes:
    """What was noted of one request.

    Attributes:
        parts: those that had a say, in the order of their turn; the last one decided.
        builder: of the response, or None if there is none.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.builder: ResponseBuilder | None = None

    def watch(self, name: str, part: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and notes its name where it decides.

        Args:
            name: for the operator.
            part: returns None to leave the request to the next one.
        """

        def watched(*arguments: Any) -> Any:
            try:
                made = part(*arguments)
            except HTTPError as error:
                self.parts.append(_MALFORMED if error.status == 400 else name)
                raise
            if made is not None:
                self.parts.append(name)
            return made

        return watched


class _WatchedPart:
    """A part of a site.

    Args:
        part: a step, or what responds to an error.
        name: for the operator.
        notes: where it is noted.
    """

    def __init__(self, part: Any, name: str, notes: Notes) -> None:
        self._part = part
        for method in "handle", "respond":
            if hasattr(part, method):
                setattr(self, method, notes.watch(name, getattr(part, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


class WatchedSite:
    """Responds as a site does.  The parts are watched in a copy, so the site stays as it is.

    Args:
        site: to be watched.
        notes: of one request.

    Attributes:
        is_served: false where no site has the name that was asked for.
    """

    def __init__(self, site: Site | NoSite, notes: Notes) -> None:
        self.is_served = isinstance(site, Site)
        self._original = site
        self._path: bytes | None = None
        self._notes = notes
        self._site = _watch(site, notes) if isinstance(site, Site) else site

    def __getattr__(self, name: str) -> Any:
        return getattr(self._site, name)

    def respond(
        self, request: Request, looked_up: LookedUp = None
    ) -> ResponseBuilder | PendingBuilder:
        """Return the builder of the response; see `Site.respond`."""
        with suppress(HTTPError):
            self._path = decode_path(request.path)
        made = self._site.respond(request, looked_up)
        if not self._notes.parts:
            self._notes.parts.append(self._find_reason(request))
        if isinstance(made, ResponseBuilder):
            self._notes.builder = made
            return made
        return self._later(made)

    def _find_reason(self, request: Request) -> str:
        """Return why no part had a say."""
        if not self.is_served:
            return "no site of this name"
        is_for_file = request.method in ("GET", "HEAD")
        return "directory without an index" if is_for_file else "method"

    @property
    def redirect(self) -> Redirect | None:
        """The redirect of the operator that decided, if one did."""
        steps = self._original.early_steps if isinstance(self._original, Site) else ()
        if self._notes.parts[-1:] != ["redirect"] or self._path is None:
            return None
        found = [step.find(self._path) for step in steps if isinstance(step, RedirectStep)]
        return found[0]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that apply: those for the path, or for the file that is sent in its place."""
        site, path = self._original, self._path
        if not isinstance(site, Site) or site._rules is None or path is None:
            return ()
        if self._notes.parts[-1:] == ["fallback"] and site._fallback is not None:
            path = site._fallback.path
        return site._rules.matching(path)

    def _later(self, pending: PendingBuilder) -> PendingBuilder:
        self._notes.builder = yield from pending
        return self._notes.builder


def _watch(site: Site, notes: Notes) -> Site:
    """Return a copy of a site whose parts are watched."""
    watched = copy.copy(site)
    for steps in "early_steps", "steps":
        parts = [_WatchedPart(step, _name_of(step), notes) for step in getattr(site, steps)]
        setattr(watched, steps, parts)
    for attribute, name in (("_fallback", "fallback"), ("_custom_errors", "page for the error")):
        if (part := getattr(site, attribute)) is not None:
            setattr(watched, attribute, _WatchedPart(part, name, notes))
    find = site.find

    def look_up(path: bytes) -> Any:
        found = notes.watch("lookup", find)(path)
        notes.parts.pop()  # what is found decides nothing yet
        return found

    watched.find = look_up
    return watched


def _name_of(step: object) -> str:
    """Return the name of a step for the operator: ``slash redirect`` for `SlashRedirect`."""
    words = re.findall("[A-Z][a-z]+", type(step).__name__)
    return " ".join(word.lower() for word in words if word not in ("Handler", "Step"))
