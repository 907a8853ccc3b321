"""What of this machine keeps a configuration from working, each with a remedy: for ``--check``.

A finding is no mistake of the configuration, and the next moment may end it.  So it is a warning,
and no start and no deployment fails by it.
"""

from __future__ import annotations

import errno
import math
import os
import pwd
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from httpd.configuration import Settings, complete
from httpd.files.docroot import OpenResult
from httpd.files.faults import (
    FileSystemError,
    NoDocrootError,
    describe_fault,
    describe_target_fault,
    find_fault,
    find_target_fault,
)
from httpd.files.open_file import SMALL_FILE
from httpd.files.valid_roots import ValidRoots
from httpd.gateway.frontend import Frontend
from httpd.monitor.addresses import to_listen
from httpd.network.listener import find_conflicts
from httpd.observe.log import printable
from httpd.process.errors import StartError
from httpd.process.pidfile import find_supervisor
from httpd.process.port_owner import find_owner
from httpd.process.privileges import ask_as
from httpd.process.unit import Unit, read_settings
from httpd.protocol.messages import HTTPError
from httpd.settings.log_target import JOURNAL, STDOUT
from httpd.site.settings import SiteSettings
from httpd.site.sites import make_docroot

_SYSTEMD = 1
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")
_SECRETS = (".env", ".git", ".hg", ".htpasswd", ".ssh", ".svn")
"""Names that are in a docroot by mistake, as a rule, or are meant for nobody else."""
_STOP_SECONDS = "90s"
"""What systemd waits for the end of a service without TimeoutStopSec= (systemd-system.conf(5))."""
_NOT_COMPARED = ("ExecStart", "ExecReload")
_SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "systemd")


class Finding(NamedTuple):
    """Something that keeps the server from working as configured.

    Args:
        about: the key of the setting, ``unit``, or where the setting stands.
        text: what is the matter.
        remedy: what would help.
    """

    about: str
    text: str
    remedy: str

    def describe(self, places: Mapping[str, str]) -> str:
        """Return a sentence.

        Args:
            places: where each setting stands, by key.
        """
        return f"{places.get(self.about, self.about)}: {self.text}; {self.remedy}"


def find(
    settings: Settings, config_file: str | None, pidfile: str, unit: Unit | None
) -> list[Finding]:
    """Return what keeps a server with these settings from working on this machine.

    Args:
        settings: as they were loaded.
        config_file: that the settings are from, absolute.
        pidfile: of the server that may be running.
        unit: that starts the server, or None if no unit does.
    """
    found = [*_check_addresses(settings, pidfile, unit), *_check_console(settings, unit)]
    for key, path in _files(settings, unit):
        found += _check_file(key, path, unit)
    found += _check_secrets(settings)
    found += _check_link_targets(settings, unit)
    found += _check_pages(settings, unit)
    if unit is not None:
        found += _check_docroots(settings, unit)
        found += _check_limit(settings, unit)
        found += _check_delay(settings, unit)
        found += _check_unit(config_file, unit)
    return found


# ---------------------------------------------------------------- addresses


def _check_addresses(settings: Settings, pidfile: str, unit: Unit | None) -> Iterator[Finding]:
    supervisor = None
    with suppress(StartError):  # it belongs to another user
        supervisor = find_supervisor(pidfile)
    for key, error in _find_conflicts(settings):
        address = str(error.filename)
        if error.errno == errno.EADDRINUSE:
            owner = find_owner(address)
            if owner and owner.pid in (supervisor, _SYSTEMD):  # systemd: phttpd.socket
                continue
            if owner and owner.pid is None and owner.user == _service_user(unit):
                continue  # the server itself, which this user may not look at
            who = owner.describe() if owner else ""
            remedy = f"stop that program, or choose another {key}"
            yield Finding(key, f"{address} is already in use{who}", remedy)
        elif isinstance(error, PermissionError) and key != "port" and unit is None:
            why = f"cannot listen on {address}: {error.strerror}"
            yield Finding(key, why, "start phttpd as root, or choose a port above 1023")
        elif not isinstance(error, PermissionError):
            why = f"cannot listen on {address}: {error.strerror}"
            yield Finding(key, why, "name an address of this machine")


def _find_conflicts(settings: Settings) -> Iterator[tuple[str, OSError]]:
    """Yield why this machine does not let the server listen, with the key of the address."""
    for error in find_conflicts(settings.listen):
        is_port = error.errno == errno.EADDRINUSE and not error.filename.startswith("unix:")
        yield "port" if is_port else "host", error
    if settings.monitoring.monitor is not None:
        for error in find_conflicts(to_listen(settings.monitoring.monitor)):
            yield "monitor", error


def _service_user(unit: Unit | None) -> str:
    """Return the name of the user who starts the server."""
    if unit is not None and unit.value("User"):
        return unit.value("User")
    return pwd.getpwuid(os.geteuid()).pw_name


# ---------------------------------------------------------------- files


def _check_console(settings: Settings, unit: Unit | None) -> Iterator[Finding]:
    if not settings.process.daemon or unit is not None:
        return
    for target, place in settings.log_targets.items():
        if target in (STDOUT, JOURNAL):
            text = f"a daemon has no standard output, so {target} is refused when it starts"
            yield Finding(place, text, "give the path of a file, or start with --foreground")


def _files(settings: Settings, unit: Unit | None) -> Iterator[tuple[str, str]]:
    """Yield the files that the server writes, each after its key or where that stands."""
    in_foreground = unit is not None or not settings.process.daemon
    log, gateway = replace(settings.log, access_log=None), replace(settings.gateway, sites=())
    checked = replace(settings, log=log, gateway=gateway)  # without consoles, which were checked
    completed = complete(checked, {}, in_foreground=in_foreground)
    for key, file in (("log_file", completed.log.log_file), ("pidfile", completed.process.pidfile)):
        if file is not None:
            yield key, file
    for target, place in settings.log_targets.items():
        if target not in (STDOUT, JOURNAL):
            yield place, target
    if settings.monitoring.downloads_log is not None:
        yield "downloads_log", settings.monitoring.downloads_log


def _check_file(key: str, path: str, unit: Unit | None) -> Iterator[Finding]:
    user = _service_user(unit)
    if unit is not None:
        own = _own_directories(unit)
        if any(_is_below(path, directory) for directory in own):
            return
        if unit.value("ProtectSystem") == "strict" and not _is_below(path, "/dev"):
            text = f"{unit.name} does not let the service write {path}"
            place = f"choose a path below {own[-1]}, or " if own else ""
            yield Finding(key, text, f"{place}add its directory to the unit as ReadWritePaths=")
            return
    if obstacle := ask_as(*_account(unit), lambda: _find_obstacle(path, key)):
        text = f"{path} cannot be written by {user}: {printable(obstacle)}"
        yield Finding(key, text, f"let {user} write there, or choose another path")


def _own_directories(unit: Unit) -> list[str]:
    """Return the directories that systemd makes for the service, and others that it may write."""
    parents = {
        "RuntimeDirectory": "/run",
        "StateDirectory": "/var/lib",
        "LogsDirectory": "/var/log",
    }
    own = unit.words("ReadWritePaths") + unit.words("CacheDirectory")
    own += [f"{up}/{name}" for key, up in parents.items() for name in unit.words(key)]
    return own


def _account(unit: Unit | None) -> tuple[str | None, str | None]:
    """Return the user and the group to ask as."""
    if unit is None:
        return None, None
    return unit.value("User") or None, unit.value("Group") or None


def _find_obstacle(path: str, key: str) -> str:
    """Return what keeps this process from writing a file, or from making it; empty if nothing."""
    if os.path.isdir(path):
        return os.strerror(errno.EISDIR)
    if os.path.exists(path) and key != "pidfile":  # a pidfile is replaced
        return "" if os.access(path, os.R_OK | os.W_OK) else os.strerror(errno.EACCES)
    directory = os.path.dirname(path)
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    if not os.path.isdir(directory):
        return f"{directory} is not a directory"
    return "" if os.access(directory, os.W_OK | os.X_OK) else f"no write permission in {directory}"


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


# ---------------------------------------------------------------- what is served


def _check_secrets(settings: Settings) -> Iterator[Finding]:
    for label, site in Frontend(settings.site, settings.gateway).sites.items():
        if site.serve_hidden is True:
            served = [name for name in _SECRETS if os.path.lexists(f"{site.docroot}/{name}")]
            remedy = "move it away, or list the names to serve"
            for name in served:
                text = f"{name} in the docroot {label} is served"
                yield Finding(_key_of(label, settings, "serve_hidden"), text, remedy)


def _check_link_targets(settings: Settings, unit: Unit | None) -> Iterator[Finding]:
    keys: dict[str, str] = {}
    for label, site in Frontend(settings.site, settings.gateway).sites.items():
        for path in site.symlinks:
            keys.setdefault(path, _key_of(label, settings, "symlinks"))
    account = _account(unit) if unit else (settings.process.user, settings.process.group)

    def ask() -> str:
        faults = [(path, find_target_fault(path)) for path in keys]
        told = [describe_target_fault(path, fault) if fault else "" for path, fault in faults]
        return "\0".join(told)

    told = ask_as(*account, ask).split("\0")
    for (path, key), text in zip(keys.items(), told, strict=False):  # if it may not ask
        if unit is not None and (setting := _find_hiding(os.path.realpath(path), unit)):
            hidden = f"{unit.name} hides {path} from the service, by {setting}="
            yield Finding(key, hidden, "let links lead elsewhere, or change the unit")
        elif text:
            yield Finding(key, printable(text), "make it, or let links lead elsewhere")


def _key_of(label: str, settings: Settings, key: str) -> str:
    """Return the key whose place has a setting of a site: one at the top, or ``sites``."""
    return key if label == settings.site.docroot else "sites"


def _check_pages(settings: Settings, unit: Unit | None) -> Iterator[Finding]:
    """Look for the files that the operator named for errors and as fallbacks.

    A docroot with a star is many directories, in which the files may come and go.
    """
    pages = [
        (key, name, label, site)
        for label, site in Frontend(settings.site, settings.gateway).sites.items()
        for key, name in (
            ("fallback", site.fallback),
            *(("errors", name) for _, name in site.errors),
        )
        if name is not None and not site.docroot.endswith("*")
    ]
    if not pages:
        return

    def ask() -> str:
        return "\0".join(_find_page_fault(site, key, name) for key, name, _, site in pages)

    faults = ask_as(*_account(unit), ask).split("\0")
    for (key, name, label, _), fault in zip(pages, faults, strict=False):  # if it may not ask
        if fault:
            instead = "requests get 404" if key == "fallback" else "phttpd's own page is sent"
            text = f"{name} in {label} {fault}, so {instead}"
            remedy = "put it there, or name another file"
            yield Finding(_key_of(label, settings, key), printable(text), remedy)


def _find_page_fault(site: SiteSettings, key: str, name: str) -> str:
    """Return why a file of the operator's is not sent; empty if it is, or nothing is."""
    roots = ValidRoots()
    docroot = make_docroot(site, roots)
    try:
        opened = docroot.open(os.fsencode(name))
    except NoDocrootError:
        return ""
    except HTTPError as error:
        return "does not exist" if error.status == 404 else "cannot be read"
    except FileSystemError as error:
        return f"cannot be read: {error.reason}"
    finally:
        docroot.release()
        roots.release()
    if not isinstance(opened, OpenResult):
        return "is a directory"
    os.close(opened.fd)
    if key == "errors" and opened.status.st_size > SMALL_FILE:
        return f"is larger than {SMALL_FILE // 1024} KiB"
    return ""


# ---------------------------------------------------------------- the unit


def _check_docroots(settings: Settings, unit: Unit) -> Iterator[Finding]:
    docroots = dict(Frontend(settings.site, settings.gateway).docroots)
    keys = {label: _key_of(label, settings, "docroot") for label in docroots}
    for label, docroot in list(docroots.items()):
        if setting := _find_hiding(os.path.realpath(docroot), unit):
            text = f"{unit.name} hides {label} from the service, by {setting}="
            yield Finding(keys[label], text, "move it, to /srv for example, or change the unit")
            del docroots[label]

    def ask() -> str:
        faults = {label: find_fault(docroot) for label, docroot in docroots.items()}
        told = [(label, describe_fault(label, fault)) for label, fault in faults.items() if fault]
        return "".join(f"{label}\0{text}\0" for label, text in told)

    user = _service_user(unit)
    remedy = f"let {user} read it, and enter each directory above it"
    *told, _ = ask_as(*_account(unit), ask).split("\0")
    for label, text in zip(told[::2], told[1::2], strict=True):
        yield Finding(keys[label], f"as the user {user}: {printable(text)}", remedy)


def _find_hiding(docroot: str, unit: Unit) -> str:
    """Return the setting of a unit that hides a docroot; empty if none does."""
    for setting, directories in (("ProtectHome", _HOMES), ("PrivateTmp", _TEMPORARY)):
        is_hidden = unit.value(setting) in ("yes", "true", "on", "1", "tmpfs")
        if is_hidden and any(_is_below(docroot, directory) for directory in directories):
            return setting
    return ""


def _check_limit(settings: Settings, unit: Unit) -> Iterator[Finding]:
    limit = unit.value("LimitNOFILE").rpartition(":")[2]
    most = settings.loop.max_connections
    if limit.isdecimal() and int(limit) < most:
        text = f"{most}, but LimitNOFILE={limit} of {unit.name} lets a process open fewer files"
        yield Finding("max_connections", text, "raise LimitNOFILE=, or lower max_connections")


def _check_delay(settings: Settings, unit: Unit) -> Iterator[Finding]:
    """Check that systemd does not kill the server in its `drain_delay`.

    A unit of Type=notify is asked for more time.
    """
    delay = settings.process.drain_delay
    if unit.value("Type").startswith("notify"):
        return
    text = unit.value("TimeoutStopSec")
    units = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
    match = re.fullmatch("([0-9]{1,6}) ?([a-z]*)", text or _STOP_SECONDS)
    seconds = int(match[1]) * units.get(match[2], math.inf) if match else math.inf
    if delay and seconds <= delay:
        what = f"TimeoutStopSec={text}" if text else f"systemd, which waits {seconds:g} s,"
        found = f"{delay:g} s, but {what} of {unit.name} ends a stop before"
        yield Finding("drain_delay", found, "use Type=notify, or raise TimeoutStopSec=")


def _check_unit(config_file: str | None, unit: Unit) -> Iterator[Finding]:
    command = unit.command
    edit = f"correct its ExecStart= by “systemctl edit --full {unit.name}”"
    if not command or not os.path.exists(command[0]):
        program = command[0] if command else "nothing"
        yield Finding("unit", f"{unit.file} starts {program}, which is not there", edit)
    if unit.config_file not in (config_file, None):
        text = f"{unit.file} starts phttpd with {unit.config_file}, not with {config_file}"
        yield Finding("unit", text, edit)
    if "--foreground" not in command and unit.value("Type") == "notify":
        text = f"{unit.file} starts phttpd without --foreground, but waits for it as Type=notify"
        yield Finding("unit", text, edit)
    is_template = unit.name.startswith("phttpd@")
    shipped = list(read_settings(f"{_SHIPPED}/phttpd{'@' * is_template}.service", _instance(unit)))
    installed = list(read_settings(unit.file, _instance(unit)))
    differing = {key for key, _ in {*shipped} ^ {*installed} if key not in _NOT_COMPARED}
    if shipped and differing:
        settings = ", ".join(f"{key}=" for key in sorted(differing))
        text = f"{unit.file} differs from the one of this version in {settings}"
        yield Finding("unit", text, "install it again, and keep changes in a drop-in")


def _instance(unit: Unit) -> str:
    return unit.name.partition("@")[2].removesuffix(".service")
