"""The command line: commands, options, and the errors of an invalid one.

Called by `httpd.cli`, which carries it out.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from httpd import __version__
from httpd.configuration import KEYS
from httpd.process.errors import EX_USAGE
from httpd.process.output import write_error, write_output
from httpd.settings.declaration import Key
from httpd.settings.errors import refuse, suggest
from httpd.settings.kinds import duration

COMMANDS = (
    *("start", "stop", "reload", "upgrade"),
    *("pause", "resume", "unready", "ready", "status", "top", "explain"),
)

PREVIEW_OPTIONS = {
    "--lan": "serve other machines too, at all addresses",
    "--open": "open a browser",
    "--watch": "have browsers load a page again when a file changes",
}
"""The options of a preview, and what they do."""

SORTS = ("rate", "percent", "eta", "age", "client")
"""The columns that ``phttpd top`` can sort by."""

_TOP_OPTIONS = ("once", "interval", "sort")
_INTERVAL = duration(0.1, 3600)

_USAGE = """\
phttpd [options] DIR
       phttpd [options] start
       phttpd [options] stop | reload | upgrade | status
       phttpd [options] pause | resume | unready | ready
       phttpd [options] top [--once] [--json] [--interval TIME] [--sort COLUMN]
       phttpd [options] explain URL"""

_DESCRIPTION = """\
Serve the files below a directory over HTTP/1.1, to thousands of clients at a time.

With a directory, phttpd previews it in the foreground until Ctrl-C, without config file and
pidfile: for this machine only, at the next free port from 8080 on, with listings, and browsers ask
again for each file.  With “start”, it starts the daemon that the config file describes, and returns
when it serves.  “stop” lets the running daemon finish the requests in progress and waits for that;
“reload” makes it read its configuration again, and “upgrade” replaces it by the code as it is on
the disk, both without a failed request; “pause” makes it respond with 503 to every request until
“resume”; “unready” makes it tell balancers not to use it until “ready”; “status” shows what it is
doing, and “top” its downloads, live: who downloads what, how fast, and how much is left.  “explain”
shows which response a request would get, and why.
"""

_EPILOG = """\
A word that is a command is not taken for a directory; ./start is one.

signals:
  TERM, INT, QUIT   drain: finish the requests in progress, then end; a second one ends at once
  HUP               read the configuration again; if it is bad, go on as before
  USR1              open the log files again
  USR2              upgrade: start phttpd again, which takes over; if it cannot, go on as before
  RTMIN+1, RTMIN+2  pause: respond with 503 to every request; resume
  RTMIN+3, RTMIN+4  unready: tell balancers so, and serve; ready

exit status:
  0 fine   3 no daemon is running   64 wrong usage   66 config file, or what it names, missing
  69 port or pidfile taken, or package missing
  70 a worker could not boot   71 system error   77 not permitted   78 wrong configuration

An option beats the config file, and the config file beats the defaults.  The config file is the one
of --config.  Without it, commands, --foreground, --daemon and --check use the one in the checkout's
etc/, or /etc/phttpd/phttpd.yaml, unless a directory is given.  Commands other than “start” take
--config and --pidfile only, “status” and “top” also --json, as --check does, and “top” its own.
“explain” takes --config, --json and -H.
"""


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help or the version; argparse would ignore a full disk."""
        if file is sys.stdout:
            write_output(message.rstrip("\n"))
        else:
            write_error(message)

    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"phttpd: {message}; see phttpd --help\n")

    def spelling(self, arguments: Sequence[str]) -> dict[str, str]:
        """Return the options of a command line as they were typed, by the name of what they set."""
        known = self._option_string_actions
        words = [argument.partition("=")[0] for argument in arguments]
        return {known[word].dest: word for word in words if word in known}

    def refuse_unknown_options(self, arguments: Sequence[str]) -> None:
        """End the program at the first unknown option, before other errors are reported."""
        known = self._option_string_actions
        for argument in arguments:
            if argument == "--":
                return
            option = argument.partition("=")[0]
            if not re.match(r"-[^0-9]", option) or option in known:
                continue
            if option[:2] != "--" and option[:2] in known:  # -cFILE
                continue
            self.error(f"{option}: unknown option{suggest(option, [o for o in known if o[2:]])}")


def make_parser() -> _Parser:
    """Return the parser of all options; `parse` also checks what it cannot know."""
    parser = _Parser(
        prog="phttpd",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    # `parse` checks it, since it can tell a directory from a misspelt command.
    add("word", nargs="?", metavar="DIR | COMMAND", help="a directory to serve, or a command")
    add("-c", "--config", metavar="FILE", help="YAML config file")
    for key in KEYS.values():
        _add_option(parser, key)
    place = parser.add_mutually_exclusive_group()
    for option, value, text in (
        ("--foreground", False, "stay in the foreground, as with a directory"),
        ("--daemon", True, "run in the background, as with a config file"),
    ):
        place.add_argument(option, dest="daemon", action="store_const", const=value, help=text)
    for option, text in PREVIEW_OPTIONS.items():
        add(option, action="store_true", help=f"with DIR: {text}")
    add("--check", action="store_true", help="check the configuration and the machine, and exit")
    add("--json", action="store_true", help="with status, top, explain and --check: for programs")
    add("--once", action="store_true", help="with top: print once, as without a terminal")
    add("--interval", metavar="TIME", help="with top: time between two looks (1s)")
    add("--sort", metavar="COLUMN", help=f"with top: {', '.join(SORTS)} (rate)")
    text = "with explain: a field of the request, such as 'Accept: text/html'; may be repeated"
    add("-H", "--header", dest="fields", metavar="FIELD", action="append", default=[], help=text)
    add("--version", action="version", version=f"phttpd {__version__}")
    return parser


def _add_option(parser: _Parser, key: Key) -> None:
    """Add the option that sets a key, if the key has one."""
    option = key.option
    if option is None:
        return
    names = [name for name in (option.alias, key.option_name) if name]
    if option.metavar is None:
        parser.add_argument(*names, action="store_const", const=True, help=option.help)
        return
    has_default = key.default is not None and not key.is_required
    text = f"{option.help} ({key.default})" if has_default else option.help
    action = "append" if option.is_repeatable else "store"
    parser.add_argument(*names, dest=key.name, action=action, metavar=option.metavar, help=text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, `command`, `previews`, and `spelling`: how each option was called.

    `previews` tells whether a directory is served in the foreground without a config file.
    `command` is None if there is no command, directory, --config, --foreground, --daemon or
    --check.  An invalid command line ends the program.

    Args:
        arguments: without the name of the program.
    """
    parser = make_parser()
    parser.refuse_unknown_options(arguments)
    parsed, left = parser.parse_known_args(arguments)
    parsed.spelling = parser.spelling(arguments)
    _read_word(parser, parsed)
    left = [word for word in left if word != "--"]
    if parsed.command == "explain":
        if not left:
            parser.error("explain: which request? Give a path such as /a.html, or a URL")
        parsed.url = left.pop(0)
    if left:
        what = "command" if parsed.word in COMMANDS else "directory"
        parser.error(f"{left[0]!r}: there is a {what} already")
    command = parsed.command or "start"
    for name, option in parsed.spelling.items():
        if not _is_heeded(name, command, checks=parsed.check):
            parser.error(f"{option} does not go with {command!r}")
    _check_preview(parser, parsed)
    _read_top(parser, parsed)
    if parsed.config == "":
        parser.error(refuse("--config", parsed.config, "a path"))
    return parsed


def _read_word(parser: _Parser, parsed: argparse.Namespace) -> None:
    """Take the first word as a command, or else as the docroot."""
    word = parsed.word
    if word in COMMANDS:
        parsed.command = word
        return
    if word is not None:
        if os.path.isfile(word):
            parent = os.path.dirname(word) or "."
            parser.error(f"{word!r} is a file; phttpd serves a directory, such as {parent!r}")
        if "/" not in word and not os.path.isdir(word):
            parser.error(f"{word!r} is neither a directory nor a command ({', '.join(COMMANDS)})")
        if parsed.docroot is not None:
            parser.error(f"{word!r}: {parsed.spelling['docroot']} names a directory already")
        parsed.docroot, parsed.spelling["docroot"] = word, "DIR"
    says_what = parsed.check or parsed.daemon is not None
    named = parsed.docroot is not None or parsed.config is not None
    parsed.command = "start" if says_what or named else None


def _check_preview(parser: _Parser, parsed: argparse.Namespace) -> None:
    """Set `previews`, and refuse the options of a preview where there is none."""
    is_alone = parsed.config is None and parsed.daemon is not True
    parsed.previews = is_alone and parsed.spelling.get("docroot") == "DIR"
    if not parsed.previews:
        for option in PREVIEW_OPTIONS:
            if option in parsed.spelling.values():
                parser.error(f"{option} goes with a directory, without --config and --daemon")
    if parsed.lan and parsed.host is not None:
        parser.error("--lan does not go with --host, which says where to listen")


def _read_top(parser: _Parser, parsed: argparse.Namespace) -> None:
    """Turn the options of ``top`` into values."""
    text = "1s" if parsed.interval is None else parsed.interval
    try:
        parsed.interval = _INTERVAL.read(text)
    except ValueError as error:
        parser.error(refuse("--interval", text, error))
    if parsed.sort not in (None, *SORTS):
        parser.error(refuse("--sort", parsed.sort, f"one of {', '.join(SORTS)}"))


def _is_heeded(name: str, command: str, *, checks: bool) -> bool:
    """Tell whether an option has an effect on a command, or on --check."""
    if command == "explain":
        return name in ("config", "json", "fields")
    if name == "json":
        return command in ("status", "top") or checks
    if name in _TOP_OPTIONS:
        return command == "top"
    if name == "fields":
        return False
    return command == "start" or name in ("config", "pidfile")
