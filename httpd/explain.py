"""``phttpd explain``: which response a request would get, and why, without sending it.

The request goes through the code of the server in this process, with the configuration of the
server, and as the user of the server if root asks.  No running server is asked.
"""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from httpd.configuration import Settings
from httpd.gateway.explainer import Explainer, Explanation
from httpd.gateway.frontend import Frontend
from httpd.observe.log import printable
from httpd.process.errors import EX_OK, EX_OSERR, EX_USAGE, StartError
from httpd.process.output import write_output
from httpd.process.privileges import ask_as
from httpd.process.unit import find_unit
from httpd.protocol.target import encode_path
from httpd.settings.errors import refuse

_URL = re.compile(r"(?:https?://([^/?#]+))?(?=[/?#]|$)(/[^?#]*)?(\?[^#]*)?(?:#.*)?", re.DOTALL)
_FIELD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*")
_URL_ALLOWED = "a path such as /a.html, or a URL such as http://example.com/a.html"
_FIELD_ALLOWED = "a field such as 'Accept-Encoding: br'"


def explain(
    settings: Settings,
    config_file: str | None,
    url: str,
    fields: Sequence[str],
    *,
    as_json: bool,
) -> int:
    """Print which response a request would get, and why.

    Args:
        settings: of the server.
        config_file: that the settings are from, absolute.
        url: a path or a URL.
        fields: more header lines of the request.
        as_json: whether to print JSON, for programs.

    Raises:
        StartError: the URL or a field is wrong, or the request cannot be tried as the user of the
            server.
    """
    head = make_head(url, fields)
    user, group = _account(settings, config_file)

    def ask() -> str:
        complaints: list[str] = []
        frontend = Frontend(settings.site, settings.gateway)
        made = Explainer(frontend, complaints.append).explain(head)
        return json.dumps(_report(made, settings, config_file) | {"log": complaints})

    made = ask_as(user, group, ask)
    if not made:
        raise StartError(EX_OSERR, f"cannot try the request as the user {user}")
    report = json.loads(made)
    is_root = os.geteuid() == 0
    report["user"] = user if user and is_root else pwd.getpwuid(os.geteuid()).pw_name
    report["server_user"] = user or report["user"]
    if as_json:
        write_output(json.dumps(report, indent=2))
    else:
        write_output("\n".join(printable(line) for line in _lines(report)))
    return EX_OK


def make_head(url: str, fields: Sequence[str]) -> bytes:
    """Return the head of a GET request.

    Args:
        url: a path or a URL; characters beyond ASCII are percent-encoded.
        fields: more header lines; a Host takes the place of that of the URL.

    Raises:
        StartError: the URL or a field is wrong.
    """
    encoded = "".join(c if c.isascii() else encode_path(os.fsencode(c)) for c in url)
    match = _URL.fullmatch(encoded)
    if match is None or not url or not encoded.isprintable() or " " in encoded:
        raise StartError(EX_USAGE, refuse("explain", url, _URL_ALLOWED))
    authority, path, query = match.groups("")
    if not authority and not path:
        raise StartError(EX_USAGE, refuse("explain", url, _URL_ALLOWED))
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise StartError(EX_USAGE, refuse("-H", field, _FIELD_ALLOWED))
    has_host = any(field.lower().startswith("host:") for field in fields)
    lines = [f"GET {path or '/'}{query} HTTP/1.1"]
    lines += fields if has_host else [f"Host: {authority or 'localhost'}", *fields]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


def _account(settings: Settings, config_file: str | None) -> tuple[str | None, str | None]:
    """Return the user and the group of the server; None for those of the user who starts it."""
    unit = find_unit(config_file) if config_file else None
    if unit is not None and unit.value("User"):
        return unit.value("User"), unit.value("Group") or None
    return settings.process.user, settings.process.group


# ---------------------------------------------------------------- what is printed


def _report(made: Explanation, settings: Settings, config_file: str | None) -> dict[str, Any]:
    def place(line: int) -> str | None:
        return f"{config_file}:{line}" if config_file and line else None

    redirect, named = made.redirect, made.named
    top = settings.places.get("docroot", "").partition(": ")[0] or None
    site = {
        "name": made.site or None,
        "place": top if named is None else place(named.line),
        "docroot": settings.site.docroot if named is None else named.docroot,
    }
    return {
        "status": made.status,
        "site": None if made.site is None else site,
        "decided_by": list(made.parts),
        "redirect": redirect
        and {"path": redirect.path, "to": redirect.to, "place": place(redirect.line)},
        "file": made.file,
        "content_encoding": made.get("content-encoding"),
        "rules": [{"path": list(rule.paths), "place": place(rule.line)} for rule in made.rules],
        "cached": made.cached,
        "head": list(made.head),
    }


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines for a person."""
    site, redirect = report["site"], report["redirect"]
    if site is None:
        yield "site        none"
    else:
        yield f"site        {site['name'] or 'that of all other names'}{_in(site)}"
        yield f"docroot     {site['docroot']}"
    yield f"decided by  {' → '.join(report['decided_by']) or 'the head of the request'}"
    if redirect:
        yield f"redirect    {redirect['path']} → {redirect['to'] or 'gone'}{_in(redirect)}"
    if report["file"]:
        yield f"file        {report['file']}"
    if report["content_encoding"]:
        yield f"coding      {report['content_encoding']}"
    for rule in report["rules"]:
        yield f"rule        {', '.join(rule['path'])}{_in(rule)}"
    yield f"cached      {report['cached']}"
    other = report["server_user"]
    note = f"; the server runs as {other}" if other != report["user"] else ""
    yield f"user        {report['user']}{note}"
    for text in report["log"]:
        yield f"log         {text}"
    yield ""
    yield from report["head"]


def _in(part: Mapping[str, Any]) -> str:
    return f", {part['place']}" if part["place"] else ""
