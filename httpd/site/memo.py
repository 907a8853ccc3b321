"""The memo of a loop: from the exact bytes of a request head to its answer.

The meaning of a head is a pure function of its bytes, and clients send the same bytes again and
again. `fresh` holds the answers that were made or checked within this second: a hit needs no
further look. `aging` holds those of the second before, which are to be checked once and stamped
with the new time. What nobody asked for in a whole second is gone, so both are bounded in time; a
budget bounds them in bytes as well, and a flood of distinct heads costs no more than a miss each.
"""

from __future__ import annotations

from httpd.site.answer import Answer
from httpd.site.resource import MAX_OPEN_FILES

_OVERHEAD = 800
_SEGMENT = 180
"""Bytes that a segment takes: a range, or the lines that are sent before one of several."""


class Memo:
    """Args: budget: bytes that the remembered heads and answers may take."""

    __slots__ = ("_half", "_room", "aging", "fresh")

    def __init__(self, budget: int) -> None:
        self.fresh: dict[bytes, Answer] = {}
        self.aging: dict[bytes, Answer] = {}
        self._half = budget // 2
        self._room = self._half

    def remember(self, head: bytes, answer: Answer) -> None:
        """Let `answer` be the answer to `head` until the next tick."""
        cost = len(head) + len(answer.wire) + _OVERHEAD + _SEGMENT * len(answer.segments)
        if answer.variants is not None:  # whose descriptors it keeps open
            cost += answer.variants.count_open() * self._half // (MAX_OPEN_FILES // 4)
        if cost > self._half:
            return
        if cost > self._room:
            self.tick()
        self._room -= cost
        self.fresh[head] = answer

    def tick(self) -> None:
        """Let every answer age: by a second that has passed, or because there is no room left."""
        self.aging = self.fresh
        self.fresh = {}
        self._room = self._half

    def clear(self) -> None:
        """Forget everything."""
        self.tick()
        self.tick()
