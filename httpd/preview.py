"""The preview of a directory: how ``phttpd DIR`` differs from a server with a config file.

It is for the person who edits the files: only this machine reaches it, the next free port is taken,
directories are listed, and browsers revalidate everything.  It responds to names of this machine
alone, so that no web page of another site can read the files.  Called by `httpd.cli`.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from httpd.configuration import Settings
from httpd.network.listener import open_listeners
from httpd.network.settings import ListenSettings
from httpd.observe import terminal
from httpd.observe.qr_code import encode, render
from httpd.process.errors import EX_USAGE, StartError
from httpd.service import explain_bind
from httpd.site.changes import Changes
from httpd.site.rules import Rule

_PORTS = 100
"""How many ports are tried."""
_LOOPBACK = ("127.0.0.1", "::1")
_REVALIDATE = Rule(("/**",), fields=(("Cache-Control", "no-cache"),))


def adapt(settings: Settings, options: Mapping[str, Any], *, lan: bool, watch: bool) -> Settings:
    """Return the settings of a preview: what no option says is as a developer needs it.

    Args:
        settings: of the options alone.
        options: of the command line, by key.
        lan: whether other machines may reach the server.
        watch: whether browsers load a page again when something has changed.

    Raises:
        StartError: the options contradict each other.
    """
    # A cached response may be a second old.
    own_names = _own_names(settings.listen)
    site = replace(settings.site, listing=True, rules=(_REVALIDATE,), own_names=own_names)
    gateway = replace(settings.gateway, cache=0)
    listen, process, log = settings.listen, settings.process, settings.log
    if "host" not in options and not lan:
        listen = replace(listen, host=_loopback())
    if "workers" not in options:
        process = replace(process, workers=1)
    if watch:
        if process.workers > 1:  # each would count the changes for itself
            raise StartError(EX_USAGE, "--watch needs one worker; leave --workers out")
        site = replace(site, changes=Changes())
    if "threads" not in options:  # the lines of several loops would not come in order
        process = replace(process, threads=1)
    if "log_file" not in options:
        log = replace(log, access_log_format="short")
    return replace(settings, listen=listen, site=site, gateway=gateway, process=process, log=log)


def _own_names(settings: ListenSettings) -> frozenset[str]:
    """Return the names of this machine, those of multicast DNS and of ``--host`` among them."""
    machine = socket.gethostname()
    label = machine.partition(".")[0]
    names = (machine, label, f"{label}.local", *settings.names)
    return frozenset(name.lower().removesuffix(".") for name in names)


def _loopback() -> tuple[str, ...]:
    """Return the loopback addresses of this machine: browsers try both for “localhost”."""
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind((_LOOPBACK[1], 0))
        return _LOOPBACK
    return _LOOPBACK[:1]


def open_free_port(settings: ListenSettings, *, is_chosen: bool) -> tuple[list[socket.socket], int]:
    """Listen at the port of the settings, or else at the next one that is free.

    Args:
        settings: where to listen.
        is_chosen: whether the operator has chosen the port, so that no other will do.

    Returns:
        The listening sockets, one for each host, all of the same port; and that port.

    Raises:
        StartError: no port is free, or an address cannot be used.
    """
    first = settings.port
    for port in range(first, first + 1 if is_chosen else min(first + _PORTS, 65536)):
        try:
            return _open(replace(settings, port=port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise explain_bind(error, ()) from None
            failure = error
    why = explain_bind(failure, ())
    advice = "give another --port, or none for the next free one" if is_chosen else "give --port"
    raise StartError(why.status, f"{why.text}; {advice}")


def _open(settings: ListenSettings) -> tuple[list[socket.socket], int]:
    """Listen at one port, also where the kernel chooses it."""
    first: Sequence[socket.socket] = ()
    port = settings.port
    if port == 0:
        first = open_listeners(replace(settings, host=settings.host[:1]))
        port = first[0].getsockname()[1]
    return open_listeners(replace(settings, port=port), first), port


def greet(urls: Sequence[str], *, is_local: bool, opens: bool) -> None:
    """Tell the person at the terminal how others reach the server, and open a browser.

    Args:
        urls: of the server.
        is_local: whether only this machine reaches it, since nothing else was asked for.
        opens: whether to open a browser.
    """
    if is_local:
        terminal.say("phttpd: only this machine reaches it; --lan serves the network as well")
    elif remote := [url for url in urls if "//localhost" not in url]:
        with suppress(ValueError):  # too long for a QR code
            terminal.draw(render(encode(remote[0].encode())))
    if opens and urls:
        _open_browser(urls[0])


def _open_browser(url: str) -> None:
    """Start the browser of the environment variable BROWSER, or else that of the desktop."""
    command = os.environ.get("BROWSER", "").partition(os.pathsep)[0].strip() or "xdg-open"
    try:
        words = [word.replace("%s", url) for word in shlex.split(command)]
    except ValueError as error:
        terminal.say(f"phttpd: the environment variable BROWSER: {error}; open {url} yourself")
        return
    words += [] if "%s" in command else [url]
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    try:
        os.posix_spawnp(
            words[0],
            words,
            os.environ,
            file_actions=silent,
            setsid=True,  # Ctrl-C is for the server
            setsigdef=[signal.SIGPIPE],
        )
    except OSError as error:
        terminal.say(f"phttpd: cannot start {words[0]}: {error.strerror}; open {url} yourself")
