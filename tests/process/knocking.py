"""Clients that go on connecting while a server changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from tests.process.events import until
from tests.support.raw import Response
from tests.support.server import DEADLINE


class Knocking:
    """Clients each of whose requests has a connection of its own, until the `with` block ends.

    Args:
        ask: connects, sends a request, and returns the response.
        count: of clients.
    """

    def __init__(self, ask: Callable[[], Response], count: int) -> None:
        self.failed: list[str] = []
        self.answered = 0
        self._ask = ask
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def more(self, count: int) -> None:
        """Wait for more responses, or a failure."""
        enough = self.answered + count
        until(lambda: self.answered >= enough or self.failed, f"{count} more answers")

    def _run(self) -> None:
        while not self._enough.is_set():
            try:
                assert self._ask().status == 200
                self.answered += 1
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
                return
