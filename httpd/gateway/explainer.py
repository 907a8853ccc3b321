"""Explains which response a request gets, and why, without sending it."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from httpd.files.open_file import OpenFile
from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.gateway import Gateway
from httpd.gateway.interface import Hooks
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.response import Cacheability, Response
from httpd.site.builder import ResponseBuilder
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.sites import number_of
from httpd.site.sites_syntax import NamedSite
from httpd.site.watched import Notes, WatchedSite

_CACHED = {
    Cacheability.NEVER: "not cached",
    Cacheability.HEAD: "by the bytes of the request head, for the rest of the second",
    Cacheability.FILE: "with the file, from its second request within a minute on",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which response a request gets, and why.

    Args:
        site: that responds; None where no site of this name is served, or none was asked.
        named: its settings in the configuration; None for the site of all other names.
        parts: of the site that had a say, in the order of their turn; the last one decided.
        redirect: that decided, or None.
        rules: that apply, in their order.
        file: the real path of what is sent, or None.
        cached: where the response is cached.
        status: of the response.
        head: all of its lines, without the empty one.
    """

    site: str | None
    named: NamedSite | None
    parts: tuple[str, ...]
    redirect: Redirect | None
    rules: tuple[Rule, ...]
    file: str | None
    cached: str
    status: int
    head: tuple[str, ...]

    @property
    def summary(self) -> str:
        """All but the fields, in one line."""
        facts = [f"{self.status} by {' → '.join(self.parts) or 'the head of the request'}"]
        if self.site:
            facts.append(f"site {self.site}")
        if self.redirect is not None:
            facts.append(f"redirect in line {self.redirect.line}")
        facts += [f"rule in line {rule.line}" for rule in self.rules]
        if self.file is not None:
            facts.append(f"file {self.file}")
        return ", ".join(facts)

    def get(self, name: str) -> str | None:
        """Return the value of a field of the response; `name` is in lower case."""
        fields = (line.partition(": ")[::2] for line in self.head[1:])
        return next((value for key, value in fields if key.lower() == name), None)


class Explainer:
    """Makes the response to a request without any cache.

    Args:
        frontend: whose clients send the requests.
        complain: called with what a server would log.
    """

    def __init__(self, frontend: Frontend, complain: Callable[[str], None]) -> None:
        self._frontend = frontend

        def complain_of_exception() -> None:
            complain(traceback.format_exc())

        hooks = Hooks(lambda: None, lambda: None, complain, complain_of_exception)
        self._gateway = Gateway(frontend, Caches(0), hooks)

    def explain(self, head: bytes) -> Explanation:
        """Return the explanation of a request without a body.

        Args:
            head: the whole of it.
        """
        gateway = self._gateway
        gateway.begin_second(int(time.monotonic()))
        notes = Notes()
        site: WatchedSite | None = None
        try:
            request = gateway.parse(head)
            site = WatchedSite(request.header.site, notes)
            header = request.header._replace(site=site)
            response = self._make(head, request._replace(header=header))
        except HTTPError as error:
            response = gateway.refuse(error, head_only=head.startswith(b"HEAD "))
        made = self._describe(site, notes, response)
        gateway.release()
        return made

    def _make(self, head: bytes, request: Request) -> Response:
        made = self._gateway.respond_to(head, request)
        if isinstance(made, Response):
            return made
        while not isinstance(step := self._gateway.resume(made), Response):
            pass
        return step

    def _describe(self, site: WatchedSite | None, notes: Notes, response: Response) -> Explanation:
        lines = response.head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        builder = notes.builder
        cacheability = response.cacheability if builder else Cacheability.NEVER
        number = number_of(site.key) if site is not None and site.is_served else None
        return Explanation(
            site=site.name if site is not None and site.is_served else None,
            named=None if number is None else self._frontend.gateway.sites[number],
            parts=tuple(notes.parts),
            redirect=None if site is None else site.redirect,
            rules=() if site is None else site.rules,
            file=_find_file(builder),
            cached=_CACHED[cacheability],
            status=response.status,
            head=tuple(lines),
        )


def _find_file(builder: ResponseBuilder | None) -> str | None:
    """Return the real path of what a response is made of, if that is a file."""
    if builder is None:
        return None
    if isinstance(builder.source, OpenFile):
        return os.path.realpath(os.fsdecode(builder.source.name))
    # The response to a condition is made of a file, and does not have it.
    cached = builder.cached
    return None if cached is None else os.path.realpath(os.fsdecode(cached.original.name))
