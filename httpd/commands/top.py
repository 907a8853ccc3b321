"""``phttpd top``: the downloads of a running daemon, live.

The daemon writes their records while this command looks, and pays nothing otherwise.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from typing import Any, NamedTuple

from httpd.commands.keys import press, split_keys
from httpd.commands.running import find_daemon, reaching
from httpd.commands.screen import Screen
from httpd.commands.view import Options, Row, Sort, make_rows, render, render_table
from httpd.commands.watch import Figures, Watch, name_loop
from httpd.observe.downloads_log import describe
from httpd.observe.report import parse_time
from httpd.observe.scoreboard import Phase
from httpd.observe.terminal import allows_colours
from httpd.process.errors import EX_NOT_RUNNING, EX_OK, StartError
from httpd.process.output import write_output
from httpd.process.signals import SignalInbox

_STDIN, _STDOUT = 0, 1
_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
_READ = 4096


class TopSettings(NamedTuple):
    """What the command line says.

    Args:
        once: whether to print the table once.
        as_json: whether to print JSON, an object for each look.
        interval: seconds between two looks.
        sort: what the rows are sorted by.
    """

    once: bool
    as_json: bool
    interval: float
    sort: Sort


def top(pidfile: str, settings: TopSettings) -> int:
    """Show the downloads of the daemon: on a terminal until q, or else once.

    Args:
        pidfile: path of the pidfile.
        settings: see `TopSettings`.

    Raises:
        StartError: when no daemon runs, it ends, or it belongs to another user.
    """
    pid = find_daemon(pidfile)
    watch = Watch(pidfile, pid)
    is_terminal = os.isatty(_STDOUT) and os.environ.get("TERM", "dumb") != "dumb"
    if settings.as_json:
        return _print_objects(watch, settings)
    if settings.once or not is_terminal:
        figures = _look_twice(watch)
        write_output(
            render_table(figures, _rows(watch, figures), Options(settings.sort), _uptime(figures))
        )
        return EX_OK
    return _show(watch, settings)


def _look(watch: Watch) -> Figures:
    """Return the figures of the daemon.

    Raises:
        StartError: it has ended, or belongs to another user.
    """
    pid = watch.pid
    with reaching(pid):
        figures = watch.look()
    if figures is None:
        raise StartError(EX_NOT_RUNNING, f"the daemon (pid {pid}) has ended")
    return figures


def _look_twice(watch: Watch) -> Figures:
    """Return the figures once there is a rate, which takes two ticks of the loops."""
    _look(watch)
    for _ in range(2):
        watch.wait_for_records()
        figures = _look(watch)
    return figures


def _rows(watch: Watch, figures: Figures) -> list[Row]:
    return make_rows(watch.downloads.all(), time.monotonic(), figures.threads)


def _uptime(figures: Figures) -> float:
    """Return the seconds since the daemon was started; 0 if it does not say when."""
    try:
        started = parse_time(str(figures.facts["started"]))
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, time.time() - started)


# ---------------------------------------------------------------- JSON


def _print_objects(watch: Watch, settings: TopSettings) -> int:
    """Print an object once, or for each look until no process reads them."""
    figures = _look_twice(watch)
    inbox = SignalInbox(_ENDS, ignored=[])
    poll = select.poll()
    poll.register(inbox, select.POLLIN)
    poll.register(_STDOUT, 0)  # POLLERR when the reader has ended
    while True:
        write_output(json.dumps(_report(watch, figures)))
        if settings.once or watch.pause(poll, settings.interval):
            return EX_OK
        figures = _look(watch)


def _report(watch: Watch, figures: Figures) -> dict[str, Any]:
    now = time.monotonic()
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "pid": figures.pid,
        "phase": figures.phase.name.lower(),
        "version": figures.facts.get("version"),
        "connections": figures.connections,
        "active": figures.active,
        "remaining": figures.remaining,
        "requests_per_second": round(figures.requests_per_second, 1),
        "bytes_per_second": round(figures.bytes_per_second),
        "downloads": [
            {
                **describe(download),
                "running": download.running,
                "age": round(now - download.started, 1),
                "seconds_left": download.seconds_left and round(download.seconds_left, 1),
                "loop": name_loop(download.source, download.loop, figures.threads),
            }
            for download in watch.downloads.all()
        ],
    }


# ---------------------------------------------------------------- the terminal


def _show(watch: Watch, settings: TopSettings) -> int:
    """Show the view until the person quits or a signal arrives."""
    figures = _look(watch)
    inbox = SignalInbox((*_ENDS, signal.SIGWINCH, signal.SIGTSTP), ignored=[])
    keyboard = _STDIN if os.isatty(_STDIN) else None
    try:
        with Screen(keyboard, _STDOUT, sys.stdout.encoding) as screen:
            ended_by = _View(watch, figures, settings, screen, inbox, keyboard).run()
    except OSError:
        return EX_OK  # the terminal is gone
    except StartError as error:
        if watch.phase is Phase.STOPPING:
            write_output(f"phttpd: {error}")
            return EX_OK
        raise
    if ended_by not in (None, signal.SIGINT):
        signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)  # the parent process sees the signal
    return EX_OK


class _View:
    """The view while it is shown."""

    def __init__(
        self,
        watch: Watch,
        figures: Figures,
        settings: TopSettings,
        screen: Screen,
        inbox: SignalInbox,
        keyboard: int | None,
    ) -> None:
        self._watch = watch
        self._figures = figures
        self._rows = _rows(watch, figures)
        self._interval = settings.interval
        self._options = Options(settings.sort)
        self._screen = screen
        self._inbox = inbox
        self._keyboard = keyboard
        self._colours = allows_colours()
        self._poll = select.poll()
        self._poll.register(inbox, select.POLLIN)
        if keyboard is not None:
            self._poll.register(keyboard, select.POLLIN)

    def run(self) -> int | None:
        """Show the view until q, which returns None, or until a signal, which is returned.

        Raises:
            StartError: the daemon has ended.
            OSError: the terminal is gone.
        """
        next_look = time.monotonic()
        while True:
            self._draw()
            for fd, _ in self._watch.pause(self._poll, next_look - time.monotonic()):
                if fd == self._keyboard:
                    if not self._obey_keys(fd):
                        return None
                elif (number := self._take_signals()) is not None:
                    return number
            if time.monotonic() >= next_look:
                self._look()
                next_look = time.monotonic() + self._interval

    def _look(self) -> None:
        figures = _look(self._watch)
        if not self._options.is_paused:
            self._figures, self._rows = figures, _rows(self._watch, figures)

    def _draw(self) -> None:
        lines = render(
            self._figures,
            self._rows,
            self._options,
            self._screen.size(),
            uptime=_uptime(self._figures),
            colours=self._colours,
        )
        self._screen.show(lines)

    def _obey_keys(self, fd: int) -> bool:
        """Obey the keys that were pressed; tell whether to go on."""
        data = os.read(fd, _READ)
        if not data:
            self._poll.unregister(fd)
        _, lines = self._screen.size()
        for key in split_keys(data):
            options = press(key, self._options, lines - 3)
            if options is None:
                return False
            self._options = options
        return True

    def _take_signals(self) -> int | None:
        """Return the signal that ends the view, if one has arrived."""
        for number in self._inbox.take():
            if number in _ENDS:
                return number
            if number is signal.SIGTSTP:
                self._screen.leave()
                os.kill(os.getpid(), signal.SIGSTOP)
                self._screen.enter()  # after SIGCONT
        return None
