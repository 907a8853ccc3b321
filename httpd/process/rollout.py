"""How a reload or an upgrade went, for the log, the service manager, and the command that waits.

Called by `httpd.process.supervisor`.
"""

from __future__ import annotations

import signal
from typing import Any

from httpd.observe.log import Log
from httpd.observe.scoreboard import MAX_REMARK
from httpd.process.errors import EX_OK, EX_WORKER, StartError, describe_failure, format_failure
from httpd.process.generation import Generation
from httpd.process.watchdog import Watchdog

_STATUS_REMARK = 400
"""Characters that the service manager shows of the reason of a failure."""


class Rollout:
    """The changes of a running server, one after the other.

    Args:
        log: is told how each one went.
        pulse: tells the service manager.
    """

    def __init__(self, log: Log, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._ended = 0
        self._outcome: list[Any] = [EX_OK, ""]
        self.log = log
        self.postponed: set[signal.Signals] = set()
        """Changes that were asked for while another one was under way."""

    def publish(self, generation: Generation) -> None:
        """Put the outcome of the last change on a scoreboard."""
        generation.board.facts = {**generation.plan.facts, "outcome": self._outcome}
        generation.board.count_changes(self._ended)

    def explain(self, error: Exception) -> StartError:
        """Return why something could not be done; what was not foreseen is logged with a traceback.

        To be called while the error is handled.
        """
        if isinstance(error, StartError):
            return error
        self.log.error(format_failure())
        return StartError(EX_WORKER, f"internal error, see the log: {error!r}")

    def end(self, what: str, status: int, remark: str) -> None:
        """Log how a change went; the serving generation has to `publish` it.

        Args:
            what: ``reload`` or ``upgrade``.
            status: `EX_OK`, or an exit status.
            remark: why it failed, or what has not come into force all the same.
        """
        self._ended += 1
        self._outcome = [status, remark[:MAX_REMARK]]
        if status != EX_OK:
            for line in describe_failure(what, remark):
                self.log.error(line)
            reasons = remark.replace("\n", "; ")
            self._watchdog.remark = f"; the last {what} failed: {reasons[:_STATUS_REMARK]}"
            return
        if remark:
            self.log.warning(remark)
        self.log.notice("reloaded")
        self._watchdog.remark = ""
