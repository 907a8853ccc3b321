"""Handing over from sockets that others take the place of, without a refused connection.

Called by `httpd.process.supervisor`, in a reload and an upgrade that change `host` or `port`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from httpd.network.listener import DEFER_ACCEPT_SECONDS, divert_newcomers
from httpd.process.generation import Generation, Plan, close_listeners

HAND_OVER_SECONDS = DEFER_ACCEPT_SECONDS + 0.5
"""How long such sockets are kept: until the kernel has handed over those who have connected to them
and were silent."""


def divert(listeners: Sequence[socket.socket]) -> float:
    """Let newcomers find other sockets; return for how many seconds these have to be kept."""
    for listener in listeners:
        divert_newcomers(listener)
    return HAND_OVER_SECONDS if listeners else 0.0


class HandOver:
    """A generation that is to be retired, when it has accepted who was just getting in."""

    def __init__(self) -> None:
        self.generation: Generation | None = None
        self.ends_at = float("inf")

    def begin(self, generation: Generation, newer: Plan) -> None:
        """Leave the listeners of a generation to a newer one.

        Args:
            generation: that of before.
            newer: the plan that is in force.
        """
        left = [one for one in generation.plan.listeners if one not in newer.listeners]
        self.generation = generation
        generation.vacancies.clear()  # a new worker would find the sockets closed
        self.ends_at = time.monotonic() + divert(left)
        close_listeners(generation.plan, keep=newer)

    def end(self) -> Generation | None:
        """Return the generation to retire, if there is one."""
        generation, self.generation = self.generation, None
        self.ends_at = float("inf")
        return generation
