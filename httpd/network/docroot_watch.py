"""Messages about a docroot that cannot be read, which may stay away for long."""

from __future__ import annotations

from httpd.files.faults import NOT_YET, describe_fault
from httpd.gateway.gateway import Gateway
from httpd.observe.log import Log

SILENCE = 60.0
"""Seconds between two messages of a loop about the same docroot."""


class DocrootWatch:
    """Logs that requests could not reach a docroot.

    Args:
        docroot: its path.
        gateway: which serves it.
        log: of the loop.
    """

    def __init__(self, docroot: str, gateway: Gateway, log: Log) -> None:
        self._docroot = docroot
        self._gateway = gateway
        self._log = log
        self._silent_until = 0.0

    def tick(self, now: float) -> None:
        """Log that a request of the last second did not reach the docroot, if one did not.

        Args:
            now: the monotonic clock, in seconds.
        """
        fault = self._gateway.take_docroot_fault()
        if fault and now >= self._silent_until:
            self._silent_until = now + SILENCE
            self._log.warning(f"{describe_fault(self._docroot, fault)}; {NOT_YET}")
