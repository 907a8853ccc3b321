"""The drain of the whole server: workers leave the listeners, finish their requests, and end.

Called by `httpd.process.supervisor`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from httpd.network.listener import stop_handshakes
from httpd.observe.log import Log
from httpd.observe.scoreboard import Phase
from httpd.process.channel import Message
from httpd.process.generation import LAST_WORDS_SECONDS
from httpd.process.generations import Generations
from httpd.process.plan import close_plan
from httpd.process.service_status import ServiceStatus
from httpd.process.shutdown import machine_shuts_down

HANDSHAKE_SECONDS = 0.1
"""How long the server accepts connections whose handshake is under way when a drain begins."""


class Drain:
    """When the workers leave the listeners, and when they end at the latest.

    Args:
        generations: of the supervisor.
        status: tells the service manager and the terminal about the progress.
        log: for messages.
    """

    def __init__(self, generations: Generations, status: ServiceStatus, log: Log) -> None:
        self._generations = generations
        self._status = status
        self._log = log
        self.has_begun = False
        self.is_stopped = False
        """Whether it was ended before its time."""
        self._seconds = float("inf")
        self._leaves_at = float("inf")
        self._ends_at = float("inf")

    def begin(self, *, is_replaced: bool, shares_listeners: bool) -> None:
        """Accept no more connections, but those whose handshake is under way.

        Listeners that the service manager or a successor keeps are left at once and as they are:
        new connections are accepted there.

        Args:
            is_replaced: whether a successor serves from now on.
            shares_listeners: whether a predecessor still accepts connections from the same
                listeners, so that handshakes must not be stopped.
        """
        self.has_begun = True
        self._status.begin_drain()
        self._leaves_at = time.monotonic()
        self._set_limit(is_replaced=is_replaced)
        for generation in self._generations:
            generation.board.phase = Phase.STOPPING
            if is_replaced or not (listeners := generation.plan.own_sockets):
                continue
            self._leaves_at = time.monotonic() + HANDSHAKE_SECONDS
            if not shares_listeners:
                for listener in listeners:
                    stop_handshakes(listener)

    def delay(self, seconds: float) -> None:
        """Accept connections for so many seconds more."""
        self._leaves_at += seconds

    def _set_limit(self, *, is_replaced: bool) -> None:
        serving = self._generations.serving
        if serving is None:
            return
        plan = serving.plan
        seconds = plan.process.drain_timeout
        if not is_replaced and machine_shuts_down():
            seconds = min(seconds, plan.process.shutdown_timeout)
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds + LAST_WORDS_SECONDS
        self._status.limit_drain(plan.worker.loop.send_timeout, self._ends_at)
        for generation in self._generations.former:
            generation.limit_drain(seconds)

    def check_deadlines(self) -> None:
        """Leave the listeners, or end the drain, when it is time."""
        now = time.monotonic()
        if self._leaves_at <= now:
            self._leave()
        if self._ends_at <= now:
            self.stop()

    def _leave(self) -> None:
        """Let all workers leave the listeners and finish the requests that they have received."""
        self._leaves_at = float("inf")
        generations = self._generations
        leaving = generations.candidate, generations.serving
        generations.candidate = generations.serving = None
        for generation in leaving:
            if generation is not None:
                close_plan(generation.plan)
                generations.former.append(generation)
                generation.retire(Phase.STOPPING, self._seconds)
        self._log.notice("draining")

    def stop(self) -> None:
        """End the drain: requests in progress are cut off."""
        self.is_stopped = True
        self._ends_at = float("inf")
        if self._leaves_at < float("inf"):
            self._leave()
        for generation in self._generations.former:
            generation.send(Message.STOP)
            generation.limit_drain(0)

    def deadlines(self) -> Iterator[float]:
        """Yield when something has to be done, by the monotonic clock."""
        yield self._leaves_at
        yield self._ends_at
