"""Warnings about settings that are valid, but do not have the effect that they seem to have.

Called at the start of a server, by --check, and for what a reload has changed.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Iterator, Mapping
from functools import partial

from httpd.configuration import Settings
from httpd.files.clean_urls import short_address
from httpd.site.redirect_checks import find_loops, find_shadowed
from httpd.site.redirects import Redirect


def advise(settings: Settings, *, has_unit: bool = False) -> list[str]:
    """Return a warning for each setting that has no effect, or less than it seems to have.

    Args:
        settings: of the server.
        has_unit: whether a unit of systemd starts it, so that the limits of this process do not
            matter.
    """
    found = []
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not has_unit and resource.RLIM_INFINITY != descriptors < settings.loop.max_connections:
        found.append(
            f"max_connections is {settings.loop.max_connections}, but a process may open only "
            f"{descriptors} files (ulimit -Hn); raise that limit, or lower max_connections"
        )
    if os.geteuid() != 0:
        user, group = settings.process.user, settings.process.group
        if user and pwd.getpwnam(user).pw_uid != os.geteuid():
            found.append(_without_effect("user", user))
        if group and grp.getgrnam(group).gr_gid != os.getegid():
            found.append(_without_effect("group", group))
    return [*found, *_advise_redirects(settings), *_advise_clean_urls(settings)]


def _advise_redirects(settings: Settings) -> Iterator[str]:
    """Yield a warning for each redirect that no request reaches."""
    of_sites = [(f"sites: {site.names[0]}: ", dict(site.own)) for site in settings.gateway.sites]
    for whose, own in [("", {"redirects": settings.site.redirects}), *of_sites]:
        for shadowed, first in find_shadowed(own.get("redirects", ())):
            yield (
                f"{whose}redirects: that of {shadowed.path} in line {shadowed.line} has no effect, "
                f"since {first.path} in line {first.line} matches the same paths before"
            )


def _advise_clean_urls(settings: Settings) -> Iterator[str]:
    """Yield a warning for each redirect to a file that `clean_urls` redirects back."""
    top = settings.site
    of_sites = [(f"sites: {site.name}: ", site.settings(top)) for site in settings.gateway.sites]
    warned: set[Redirect] = set()
    for whose, site in [("", top), *of_sites]:
        if not site.clean_urls:
            continue
        index = tuple(map(os.fsencode, site.index))
        for loop in find_loops(site.redirects, partial(short_address, index=index)):
            last = loop.redirects[-1]
            if last in warned:
                continue  # a site has the same redirects as the top of the file
            warned.add(last)
            yield (
                f"{whose}redirects: that of {last.path} in line {last.line} leads round in a circle"
                f" if {last.to} is a file, since clean_urls redirects to its address without .html"
            )


def _without_effect(key: str, name: str) -> str:
    unit = f"under systemd, set {key.title()}= in the unit"
    return f"{key}: {name} has no effect unless root starts phttpd; {unit}"


def advise_service(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Return warnings for a server that a service manager has started.

    It runs in the foreground, where the log goes to standard output and error, whatever the config
    file says.  A person who starts a server on a terminal sees that.

    Args:
        settings: of the config file, without the option --log-file.
        environment: of this process, which tells whether a service manager has started it.
    """
    log_file = settings.log.log_file
    if log_file is None or "NOTIFY_SOCKET" not in environment:
        return []
    return [
        f"log_file: {log_file} has no effect in the foreground, which logs to standard "
        "output and standard error; --log-file has"
    ]
