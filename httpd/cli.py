"""The command ``phttpd``: options, config file and pidfile for the command that was given."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from httpd.advice import advise, advise_service
from httpd.arguments import parse
from httpd.configuration import (
    KEYS,
    Settings,
    complete,
    default_config_file,
    instance_pidfile,
    load,
    load_pidfile,
)
from httpd.files.faults import (
    NO_TARGET,
    NOT_YET,
    describe_fault,
    describe_target_fault,
    find_fault,
    find_target_fault,
)
from httpd.gateway.frontend import Frontend
from httpd.network.addresses import machine_addresses, visible_urls
from httpd.network.listener import format_address
from httpd.observe import terminal
from httpd.observe.log import PRIORITIES, is_journal, printable
from httpd.observe.scoreboard import read_all
from httpd.packages import needing_packages
from httpd.process.activation import take_listeners
from httpd.process.errors import EX_CONFIG, EX_NOINPUT, EX_OK, EX_USAGE, StartError
from httpd.process.output import write_error, write_output
from httpd.process.pidfile import find_supervisor
from httpd.process.privileges import ask_as
from httpd.process.signals import reset_signals
from httpd.process.status_text import count, describe_sites
from httpd.settings.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace

    from httpd.process.predecessor import Predecessor
    from httpd.process.successor import Command
    from httpd.service import Service

_SHORT_HELP = """\
usage: phttpd DIR                   preview a directory at http://localhost:8080/, until Ctrl-C
       phttpd start                 start the daemon of {config}
       phttpd --config FILE         start the daemon of another config file
       phttpd status | top | reload | upgrade | stop
       phttpd pause | resume | unready | ready
       phttpd --help                everything else
"""


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line and return the exit status.

    Args:
        arguments: without the name of the program.
    """
    _open_standard_streams()
    reset_signals()
    try:
        return _carry_out(parse(arguments))
    except StartError as error:
        _complain(*error.lines)
        return error.status
    except ConfigError as error:
        _complain(*(problem.removeprefix("DIR: ") for problem in error.problems))
        if error.may_pass:
            return EX_NOINPUT
        from_options = all(problem.startswith(("--", "DIR:")) for problem in error.problems)
        return EX_USAGE if from_options else EX_CONFIG


def _complain(*lines: str) -> None:
    priority = f"<{PRIORITIES['error']}>" if is_journal(sys.stderr.fileno()) else ""
    for line in lines:
        write_error(f"{priority}phttpd: {line}\n")


def _warn(lines: Iterable[str]) -> None:
    priority = f"<{PRIORITIES['warning']}>" if is_journal(sys.stderr.fileno()) else ""
    for line in lines:
        write_error(f"{priority}phttpd: warning: {line}\n")


def _open_standard_streams() -> None:
    """Give descriptors 0 to 2 to /dev/null where the caller closed them, before others get them."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):  # as always but in a test
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever its encoding lacks


def _carry_out(parsed: Namespace) -> int:
    if parsed.command is None:
        config = default_config_file() or "the config file, of which there is none yet"
        write_error(_SHORT_HELP.format(config=config))
        return EX_USAGE
    if parsed.command == parsed.word and os.path.isdir(parsed.word):
        word = parsed.word
        terminal.say(f"phttpd: {word!r} is the command; the directory is ./{word}")
    options = {
        name: value for name, value in vars(parsed).items() if name in KEYS and value is not None
    }
    config_file = _choose_config_file(parsed)
    if config_file is None and parsed.daemon is None:
        options["daemon"] = False
    if parsed.check:
        settings = _load(parsed, options, config_file)
        if faults := _find_faults(settings):
            raise StartError(EX_NOINPUT, *faults)
        return _check(parsed, options, config_file, settings)
    if parsed.command == "start":
        return _start(parsed, options, config_file)
    if parsed.command == "explain":
        from httpd.explain import explain  # noqa: PLC0415 - the others do without

        settings = load(config_file, options, parsed.spelling)
        return explain(settings, config_file, parsed.url, parsed.fields, as_json=parsed.json)
    return _control(parsed, _find_pidfile(parsed, options, config_file))


def _check(
    parsed: Namespace, options: dict[str, Any], config_file: str | None, settings: Settings
) -> int:
    """Print warnings, what on this machine is in the way, and what the server would serve."""
    from httpd import findings  # noqa: PLC0415 - a server does without
    from httpd.process.unit import find_unit  # noqa: PLC0415

    unit = find_unit(config_file) if config_file else None
    warnings = advise(settings, has_unit=unit is not None)
    pidfile = _find_pidfile(parsed, options, config_file)
    found = [] if parsed.previews else findings.find(settings, config_file, pidfile, unit)
    listen, process = settings.listen, settings.process
    urls = [f"http://{format_address((name, listen.port))}/" for name in listen.names]
    urls += map(str, listen.unix_addresses)
    if parsed.json:
        report = {
            "config_file": config_file,
            "docroot": settings.site.docroot or None,
            "sites": len(settings.gateway.sites),
            "addresses": urls,
            "workers": process.workers,
            "threads": process.threads,
            "user": process.user,
            "warnings": warnings,
            "findings": [finding._asdict() for finding in found],
        }
        write_output(json.dumps(report, indent=2))
        return EX_OK
    _warn([*warnings, *(finding.describe(settings.places) for finding in found)])
    workers = f"{count(process.workers, 'worker')} of {count(process.threads, 'loop')}"
    user = f", user {process.user}" if process.user else ""
    facts = {"docroot": settings.site.docroot, "sites": len(settings.gateway.sites)}
    served = describe_sites(facts)
    what = f"{served} at {', '.join(urls)}, {workers}{user}"
    write_output(f"OK: {config_file or 'no config file'}: {what}")
    return EX_OK


def _load(parsed: Namespace, options: dict[str, Any], config_file: str | None) -> Settings:
    """Return the settings of a server whose docroot must exist."""
    settings = load(config_file, options, parsed.spelling, needs_docroot=True)
    return _adapt(settings, parsed, options) if parsed.previews else settings


def _choose_config_file(parsed: Namespace) -> str | None:
    """Return the config file to read, or None: a directory to serve needs no config file."""
    path = parsed.config
    if path is None and parsed.docroot is None:
        path = default_config_file()
    return _find_config(path) if path else None


def _find_pidfile(parsed: Namespace, options: dict[str, Any], config_file: str | None) -> str:
    """Return the pidfile of the daemon that a command is for.

    A running instance of the template unit comes first.
    """
    if config_file and "pidfile" not in options:
        instance = instance_pidfile(config_file)
        if instance and find_supervisor(instance) is not None:
            return instance
    return load_pidfile(config_file, options, parsed.spelling)


def _control(parsed: Namespace, pidfile: str) -> int:
    # A server does without these modules.
    if parsed.command == "status":
        from httpd.commands.status import status  # noqa: PLC0415

        return status(pidfile, as_json=parsed.json)
    if parsed.command == "top":
        from httpd.commands.top import TopSettings, top  # noqa: PLC0415
        from httpd.commands.view import Sort  # noqa: PLC0415

        sort = Sort(parsed.sort or Sort.RATE)
        settings = TopSettings(parsed.once, parsed.json, parsed.interval, sort)
        return top(pidfile, settings)
    from httpd.commands import control, modes  # noqa: PLC0415

    commands = {
        "stop": control.stop,
        "reload": control.reload,
        "upgrade": control.upgrade,
        "pause": modes.pause,
        "resume": modes.resume,
        "unready": modes.unready,
        "ready": modes.ready,
    }
    return commands[parsed.command](pidfile)


def _start(parsed: Namespace, options: dict[str, Any], config_file: str | None) -> int:
    # The other commands do without the server.
    from httpd.process.predecessor import Predecessor  # noqa: PLC0415
    from httpd.process.successor import Command  # noqa: PLC0415

    command = Command(
        (sys.executable, *sys.orig_argv[1:]),
        _working_directory(),
        names_relative_paths=_names_relative_paths(parsed, options),
    )
    predecessor = Predecessor.from_environment(os.environ)

    def serve() -> int:
        if parsed.previews:
            return _preview(parsed, options, command, predecessor)
        return _serve(parsed, options, config_file, command, predecessor)

    if predecessor is None:
        return serve()
    try:
        return serve()
    except StartError as error:
        status, why = error.status, error.text
    except ConfigError as error:
        status = EX_NOINPUT if error.may_pass else EX_CONFIG
        why = "\n".join(error.problems)
    predecessor.send_failed(status, why)  # it has a log
    return status


def _serve(
    parsed: Namespace,
    options: dict[str, Any],
    config_file: str | None,
    command: Command,
    predecessor: Predecessor | None,
) -> int:
    from httpd.service import Service  # noqa: PLC0415

    # A docroot on the command line must exist; that of a config file may be mounted later.
    is_typed = config_file is None and predecessor is None
    settings = load(config_file, options, parsed.spelling, needs_docroot=is_typed)
    in_foreground = not settings.process.daemon
    # A reload must resolve relative paths against the directory of the start.
    options = {name: _anchor(name, value) for name, value in options.items()}

    def reload() -> Settings:
        loaded = load(config_file, options, parsed.spelling)
        return complete(loaded, options, in_foreground=in_foreground)

    if predecessor is None:
        _warn(advise(settings))
        if in_foreground and "log_file" not in options:
            _warn(advise_service(settings, os.environ))
    passed = take_listeners(os.environ)
    settings = complete(settings, options, in_foreground=in_foreground)
    service = Service(reload, settings, command, passed, predecessor)
    if in_foreground:
        supervisor = os.getpid() if predecessor is None else None  # a successor has the same URLs
        return service.run(on_ready=lambda: _announce(supervisor))
    if predecessor:  # which was a daemon, so this is one
        os.chdir("/")
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
        return service.run(on_ready=lambda: None)
    _warn(f"{fault}; {NOT_YET}" for fault in _find_faults(settings))
    _warn(f"{fault}; {NO_TARGET}" for fault in _find_target_faults(settings))
    return _launch(service, passed, settings.process.pidfile)


def _adapt(settings: Settings, parsed: Namespace, options: dict[str, Any]) -> Settings:
    from httpd import preview  # noqa: PLC0415 - other servers do without

    return preview.adapt(settings, options, lan=parsed.lan, watch=parsed.watch)


def _preview(
    parsed: Namespace, options: dict[str, Any], command: Command, predecessor: Predecessor | None
) -> int:
    from httpd import preview  # noqa: PLC0415
    from httpd.service import Service  # noqa: PLC0415

    options = {name: _anchor(name, value) for name, value in options.items()}

    def reload() -> Settings:
        settings = load(None, options, parsed.spelling)
        return complete(_adapt(settings, parsed, options), options, in_foreground=True)

    settings = _load(parsed, options, None)
    passed = take_listeners(os.environ)
    opened: list[socket.socket] = []
    if predecessor is not None and predecessor.endpoint is not None:
        options["port"] = predecessor.endpoint.port
    elif not passed:
        opened, port = preview.open_free_port(settings.listen, is_chosen="port" in options)
        options["port"] = port
    _warn(advise(settings))

    def greet() -> None:
        if predecessor is None:  # a successor has the same URLs
            _announce(os.getpid())
            is_local = "host" not in options and not parsed.lan
            preview.greet(_find_urls(os.getpid())[1], is_local=is_local, opens=parsed.open)

    service = Service(reload, reload(), command, passed, predecessor, opened)
    return service.run(greet)


def _find_faults(settings: Settings) -> list[str]:
    """Return why the workers could not read some of the docroots."""

    def ask() -> str:
        docroots = Frontend(settings.site, settings.gateway).docroots
        faults = {label: find_fault(docroot) for label, docroot in docroots.items()}
        return "\0".join(describe_fault(label, fault) for label, fault in faults.items() if fault)

    return _ask_as_worker(settings, ask)


def _find_target_faults(settings: Settings) -> list[str]:
    """Return why the workers could not follow links into some of the directories for them."""

    def ask() -> str:
        targets = Frontend(settings.site, settings.gateway).link_targets
        faults = {path: find_target_fault(path) for path in targets}
        return "\0".join(
            describe_target_fault(path, fault) for path, fault in faults.items() if fault
        )

    return _ask_as_worker(settings, ask)


def _ask_as_worker(settings: Settings, ask: Callable[[], str]) -> list[str]:
    """Return the texts between the zero bytes of a result, found with the rights of a worker."""
    found = ask_as(settings.process.user, settings.process.group, ask)
    return [printable(text) for text in found.split("\0") if text]


def _launch(service: Service, passed: list[socket.socket], pidfile: str | None) -> int:
    with needing_packages():
        from httpd.process.daemon import launch  # noqa: PLC0415 - a foreground server does without
    status = launch(service.run, keep=passed)
    if pidfile and terminal.is_terminal():
        with suppress(StartError):  # the daemon serves all the same
            _announce(find_supervisor(pidfile))
    return status


def _announce(supervisor: int | None) -> None:
    """Print the URLs of the server on a terminal."""
    if supervisor and terminal.is_terminal():
        served, urls = _find_urls(supervisor)
        is_here = supervisor == os.getpid()
        how = "until Ctrl-C" if is_here else f"in the background with pid {supervisor}"
        if urls:
            terminal.say(f"phttpd: serving {served} {how}: {' '.join(urls)}")


def _find_urls(supervisor: int) -> tuple[str, list[str]]:
    """Return what a server serves, and its URLs; no URLs if it has just ended."""
    try:
        facts = read_all(supervisor)[0].facts
        return describe_sites(facts), visible_urls(facts["addresses"], machine_addresses())
    except (OSError, LookupError):  # or it may not be looked at: no reason to fail
        return "", []


def _find_config(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        text = f"--config {path}: give an absolute path, since there is no working directory"
        raise StartError(EX_USAGE, text) from None


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed; absolute paths do without it
        return None


def _names_relative_paths(parsed: Namespace, options: dict[str, Any]) -> bool:
    paths = [value for name, value in options.items() if KEYS[name].kind.is_path]
    paths += [parsed.config] if parsed.config else []
    return not all(os.path.isabs(os.path.expanduser(path)) for path in paths)


def _anchor(name: str, value: Any) -> Any:
    return os.path.abspath(os.path.expanduser(value)) if KEYS[name].kind.is_path else value
