"""Messages about docroots that cannot be read, which may stay away for long."""

from __future__ import annotations

from httpd.files.faults import NOT_YET, describe_fault
from httpd.gateway.interface import AnyGateway
from httpd.observe.log import Log

SILENCE = 60.0
"""Seconds between two messages of a loop about the same docroot."""


class DocrootWatch:
    """Logs that requests could not reach a docroot.

    Args:
        gateway: which serves the docroots.
        log: of the loop.
    """

    def __init__(self, gateway: AnyGateway, log: Log) -> None:
        self._gateway = gateway
        self._log = log
        self._silent_until: dict[str, float] = {}  # by docroot

    def tick(self, now: float) -> None:
        """Log the docroots that a request of the last second did not reach.

        Args:
            now: the monotonic clock, in seconds.
        """
        for docroot, fault in self._gateway.take_docroot_faults().items():
            if now >= self._silent_until.get(docroot, 0.0):
                self._silent_until[docroot] = now + SILENCE
                self._log.warning(f"{describe_fault(docroot, fault)}; {NOT_YET}")
