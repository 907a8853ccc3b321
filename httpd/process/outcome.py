"""The outcome of a reload or upgrade: for the log, the service manager, and the waiting command.

Called by `httpd.process.rollout`.
"""

from __future__ import annotations

from typing import Any

from httpd.observe.log import Log
from httpd.observe.scoreboard import MAX_REMARK
from httpd.process.errors import EX_OK, describe_failure
from httpd.process.generation import Generation
from httpd.process.service_status import ServiceStatus

_MAX_STATUS_REMARK = 400
"""Characters that the service manager shows of the reason of a failure."""


class Outcome:
    """How the last reload or upgrade went, and how many there were.

    Args:
        log: gets the outcome of each one.
        status: shows the service manager a failure until the next success.
    """

    def __init__(self, log: Log, status: ServiceStatus) -> None:
        self._log = log
        self._status = status
        self._count = 0
        self._last: list[Any] = [EX_OK, ""]

    def publish(self, generation: Generation) -> None:
        """Put the outcome on a scoreboard, where ``phttpd reload`` and ``phttpd upgrade`` look."""
        generation.board.facts = {**generation.plan.facts, "outcome": self._last}
        generation.board.count_changes(self._count)

    def record(self, what: str, status: int, remark: str) -> None:
        """Log how a reload or upgrade went; the generation that serves has to `publish` it.

        Args:
            what: ``reload`` or ``upgrade``.
            status: `EX_OK`, or an exit status.
            remark: why it failed, or which settings need a restart.
        """
        self._count += 1
        self._last = [status, remark[:MAX_REMARK]]
        if status != EX_OK:
            for line in describe_failure(what, remark):
                self._log.error(line)
            reasons = remark.replace("\n", "; ")
            self._status.remark = f"; the last {what} failed: {reasons[:_MAX_STATUS_REMARK]}"
            return
        if remark:
            self._log.warning(remark)
        self._log.notice("reloaded")
        self._status.remark = ""
