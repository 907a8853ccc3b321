"""The command line."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from httpd import __version__
from httpd.config import (
    KEYS,
    Settings,
    default_config_file,
    default_log_file,
    default_pidfile,
    load,
    load_pidfile,
)
from httpd.config_file import ConfigError, refuse, suggest
from httpd.observe.log import PRIORITIES, is_journal
from httpd.process.activation import take_listeners
from httpd.process.errors import EX_CONFIG, EX_OK, EX_USAGE, StartError
from httpd.process.signals import reset_signals

if TYPE_CHECKING:
    from httpd.process.upgrade import Command, Predecessor

_DESCRIPTION = """\
Serve the files below a folder over HTTP/1.1, to thousands of clients at a time.

Without a command, or with “start”, phttpd starts in the background and returns when it serves.
“stop” lets the running daemon finish the requests in hand and waits for that; “reload” makes it
read its configuration anew, and “upgrade” lets the code as it is now take its place, both without a
failed request; “status” shows what it is doing.
"""

COMMANDS = ("start", "stop", "reload", "upgrade", "status")

_EPILOG = """\
signals:
  TERM, INT   drain: finish the requests in hand, then end; a second one ends at once
  HUP         read the configuration anew; if it is bad, go on as before
  USR1        open the log file anew
  USR2        upgrade: start phttpd anew, which takes over; if it cannot, go on as before

exit status:
  0 fine   3 no daemon is running   64 wrong usage   69 port or pidfile is taken
  70 a worker could not boot   71 system error   77 not permitted   78 wrong configuration

An option beats the config file, and the config file beats the defaults.  The config file is the one
in the checkout's etc/, or /etc/phttpd/phttpd.yaml.  Commands other than “start” go with --config
and --pidfile only, and “status” with --json.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"phttpd: {message}; see phttpd --help\n")

    def spelling(self, arguments: Sequence[str]) -> dict[str, str]:
        """Return the options of a command line as they are spelt there, by what they set."""
        known = self._option_string_actions
        words = [argument.partition("=")[0] for argument in arguments]
        return {known[word].dest: word for word in words if word in known}

    def refuse_unknown(self, arguments: Sequence[str]) -> None:
        """End the program if arguments are left that mean nothing, an option before all others."""
        options = [argument.partition("=")[0] for argument in arguments if argument[:1] == "-"]
        if options:
            known = [option for option in self._option_string_actions if option[:2] == "--"]
            self.error(f"{options[0]}: unknown option{suggest(options[0], known)}")
        if arguments:
            self.error(f"{arguments[0]!r}: there is a command already")


def _make_parser() -> _Parser:
    parser = _Parser(
        prog="phttpd",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    # Checked by `_parse`: what follows a misspelt option is taken for the command.
    add("command", nargs="?", metavar=f"{{{','.join(COMMANDS)}}}", default="start")
    add("-c", "--config", metavar="FILE", help="YAML config file")
    add("--base", "--docroot", dest="docroot", metavar="DIR", help="the folder to serve")
    add("--host", action="append", metavar="ADDR", help="address to listen at; may be repeated (*)")
    add("--port", metavar="N", help="port to listen at, 0 for any free one (8080)")
    add("--recv", metavar="SIZE", help="bytes to ask for in each recv (64KiB)")
    add("--workers", metavar="N", help="worker processes, or auto: one per core (auto)")
    add("--threads", metavar="N", help="threads, each an event loop, per worker (4)")
    add("--user", metavar="NAME", help="whom workers become when root starts phttpd")
    add("--group", metavar="NAME", help="likewise their group")
    add("--pidfile", metavar="FILE", help="where the pid of the daemon stands")
    add(
        "--log-file", metavar="FILE", help="where a daemon logs; in the foreground: instead of here"
    )
    add("--foreground", action="store_true", help="stay in the foreground")
    add("--verbose", action="store_const", const=True, help="log every request, and more")
    add("--check", action="store_true", help="check the configuration and exit")
    add("--json", action="store_true", help="with status: for programs")
    add("--version", action="version", version=f"phttpd {__version__}")
    return parser


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _make_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    parser.refuse_unknown(unknown)
    if parsed.command not in COMMANDS:
        parser.error(f"{parsed.command!r}: unknown command; known are {', '.join(COMMANDS)}")
    parsed.spelling = parser.spelling(arguments)
    for name, option in parsed.spelling.items():
        if not _is_heeded(name, parsed.command):
            parser.error(f"{option} does not go with {parsed.command!r}")
    if parsed.config == "":
        parser.error(refuse("--config", parsed.config, "a path"))
    return parsed


def _is_heeded(name: str, command: str) -> bool:
    """Tell whether a command does anything with an option: all but the start find a daemon only."""
    if name == "json":
        return command == "status"
    return command == "start" or name in ("config", "pidfile")


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line and return the exit status.

    Args:
        arguments: without the name of the program.
    """
    _open_standard_streams()
    reset_signals()
    parsed = _parse(arguments)
    options = {
        name: value for name, value in vars(parsed).items() if name in KEYS and value is not None
    }
    try:
        return _carry_out(parsed, options)
    except StartError as error:
        _complain(error.text)
        return error.status
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        from_options = all(problem.startswith("--") for problem in error.problems)
        return EX_USAGE if from_options else EX_CONFIG


def _complain(text: str) -> None:
    priority = f"<{PRIORITIES['error']}>" if is_journal(sys.stderr.fileno()) else ""
    print(f"{priority}phttpd: {text}", file=sys.stderr)


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


def _carry_out(parsed: argparse.Namespace, options: dict[str, Any]) -> int:
    config_file = parsed.config or default_config_file()
    if config_file:
        config_file = os.path.abspath(config_file)
    if parsed.check:
        load(config_file, options, parsed.spelling)
        return EX_OK
    if parsed.command == "start":
        return _start(parsed, options, config_file)
    return _control(parsed, load_pidfile(config_file, options, parsed.spelling))


def _control(parsed: argparse.Namespace, pidfile: str) -> int:
    from httpd.process import control  # noqa: PLC0415 - a server does without

    if parsed.command == "stop":
        return control.stop(pidfile)
    if parsed.command == "reload":
        return control.reload(pidfile)
    if parsed.command == "upgrade":
        return control.upgrade(pidfile)
    return control.status(pidfile, as_json=parsed.json)


def _start(parsed: argparse.Namespace, options: dict[str, Any], config_file: str | None) -> int:
    # The other commands do without the server.
    from httpd.process.upgrade import Command, Predecessor  # noqa: PLC0415

    command = Command((sys.executable, *sys.orig_argv[1:]), os.getcwd())
    predecessor = Predecessor.from_environment(os.environ)
    if predecessor is None:
        return _serve(parsed, options, config_file, command, None)
    try:
        return _serve(parsed, options, config_file, command, predecessor)
    except StartError as error:
        status, why = error.status, error.text
    except ConfigError as error:
        status, why = EX_CONFIG, "; ".join(error.problems)
    predecessor.tell_failed(status, why)  # it has a log
    return status


def _serve(
    parsed: argparse.Namespace,
    options: dict[str, Any],
    config_file: str | None,
    command: Command,
    predecessor: Predecessor | None,
) -> int:
    from httpd.service import Service  # noqa: PLC0415

    settings = load(config_file, options, parsed.spelling)
    in_foreground = parsed.foreground or not settings.daemon
    # Relative paths were resolved against this folder, and a reload must find the same ones.
    options = {name: _anchor(name, value) for name, value in options.items()}

    def reload() -> Settings:
        return _complete(load(config_file, options, parsed.spelling), in_foreground, options)

    passed = take_listeners(os.environ)
    service = Service(
        reload, _complete(settings, in_foreground, options), command, passed, predecessor
    )
    if in_foreground:
        return service.run(on_ready=lambda: None)
    if predecessor:  # which was a daemon, so this is one
        os.chdir("/")
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
        return service.run(on_ready=lambda: None)
    from httpd.process.daemon import launch  # noqa: PLC0415 - a foreground server does without

    return launch(service.run, keep=passed)


def _complete(settings: Settings, in_foreground: bool, options: dict[str, Any]) -> Settings:
    """Fill in what a daemon needs and was not told; the foreground logs to the terminal."""
    if in_foreground:
        return settings if "log_file" in options else replace(settings, log_file=None)
    return replace(
        settings,
        pidfile=settings.pidfile or default_pidfile(),
        log_file=settings.log_file or default_log_file(),
    )


def _anchor(name: str, value: Any) -> Any:
    return os.path.abspath(os.path.expanduser(value)) if KEYS[name].is_path else value
