"""The drain of the whole server: workers leave the listeners, finish their requests, and end.

Before that, the server may be not ready for a while and serve as before (`drain_delay`), so that a
balancer in front of it finds out and sends no more clients.

Called by `httpd.process.supervisor`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from httpd.network.listener import stop_handshakes
from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode, Phase
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
        self._is_replaced = self._shares_listeners = False
        self._seconds = float("inf")
        self._serves_until = float("inf")
        self._leaves_at = float("inf")
        self._ends_at = float("inf")

    @property
    def is_delayed(self) -> bool:
        """Whether the workers still serve as before, until `drain_delay` is over."""
        return self._serves_until < float("inf")

    def begin(self, *, is_replaced: bool, shares_listeners: bool) -> None:
        """Say that the server is not ready, and leave the listeners after `drain_delay`.

        Where another supervisor serves, the server is ready all the time, and nothing is delayed.

        Args:
            is_replaced: whether a successor serves from now on.
            shares_listeners: whether a predecessor still accepts connections from the same
                listeners, so that handshakes must not be stopped.
        """
        self.has_begun = True
        self._is_replaced, self._shares_listeners = is_replaced, shares_listeners
        self._status.begin_drain()
        for generation in self._generations:
            generation.board.phase = self._phase
        shuts_down = not is_replaced and machine_shuts_down()
        delay = 0.0
        if not is_replaced and not shares_listeners:
            self._generations.set_mode(Mode.STOPPING, int(time.time()))
            delay = self._find_delay(shuts_down=shuts_down)
        self._set_limit(delay, shuts_down=shuts_down)
        if delay:
            self._delay(delay)
        else:
            self.end_delay()

    @property
    def _phase(self) -> Phase:
        return Phase.DRAINING if self._is_replaced else Phase.STOPPING

    def _find_delay(self, *, shuts_down: bool) -> float:
        serving = self._generations.serving
        if serving is None:
            return 0.0
        process = serving.plan.process
        return min(process.drain_delay, process.shutdown_timeout if shuts_down else math.inf)

    def _delay(self, seconds: float) -> None:
        self._serves_until = time.monotonic() + seconds
        self._status.delay_drain(self._serves_until)
        for generation in self._generations:
            generation.board.drains_at = math.ceil(time.time() + seconds)
        self._log.notice(f"not ready, draining in {seconds:g} s")

    def end_delay(self) -> None:
        """Accept no more connections, but those whose handshake is under way.

        Listeners that the service manager or a successor keeps are left at once and as they are:
        new connections are accepted there.
        """
        if self.is_delayed:
            self._serves_until = float("inf")
            self._status.delay_drain(0.0)
        self._leaves_at = time.monotonic()
        for generation in self._generations:
            generation.board.drains_at = 0
            if self._is_replaced or not (listeners := generation.plan.own_sockets):
                continue
            self._leaves_at = time.monotonic() + HANDSHAKE_SECONDS
            if not self._shares_listeners:
                for listener in listeners:
                    stop_handshakes(listener)

    def leave_later(self, seconds: float) -> None:
        """Accept connections for so many seconds more."""
        self._leaves_at += seconds

    def _set_limit(self, delay: float, *, shuts_down: bool) -> None:
        """Set when the drain is ended.

        Args:
            delay: seconds until it begins.
            shuts_down: whether the machine shuts down, which limits both together.
        """
        serving = self._generations.serving
        if serving is None:
            return
        plan = serving.plan
        seconds = plan.process.drain_timeout
        if shuts_down:
            seconds = min(seconds, plan.process.shutdown_timeout - delay)
        self._seconds = seconds
        self._ends_at = time.monotonic() + delay + seconds + LAST_WORDS_SECONDS
        self._status.limit_drain(plan.worker.loop.send_timeout, self._ends_at)
        for generation in self._generations.former:
            generation.limit_drain(delay + seconds)

    def check_deadlines(self) -> None:
        """End the delay, leave the listeners, or end the drain, when it is time."""
        now = time.monotonic()
        if self._serves_until <= now:
            self.end_delay()
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
                generation.retire(self._phase, self._seconds)
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
        yield self._serves_until
        yield self._leaves_at
        yield self._ends_at
