"""The memo of a loop: from the exact bytes of a request head to its answer, for one second.

The meaning of a head is a pure function of its bytes, and clients send the same bytes again and
again.  What is not in here, or not any more, is looked for among the files of the worker
(`httpd.site.store`), which costs a microsecond more.  So little is held, and no flood of distinct
heads can drive out what is.
"""

from __future__ import annotations

from httpd.site.answer import Answer

_OVERHEAD = 800


class Memo:
    """Args: budget: bytes that the remembered heads and answers may take."""

    __slots__ = ("_budget", "_room", "answers")

    def __init__(self, budget: int) -> None:
        self.answers: dict[bytes, Answer] = {}
        self._budget = budget
        self._room = budget

    def remember(self, head: bytes, answer: Answer) -> None:
        """Let `answer` be the answer to `head` until the next tick, if there is room for it.

        An answer that would hold a file open is not remembered.
        """
        if self._room < _OVERHEAD:
            return
        cost = len(head) + len(answer.wire) + len(answer.behind) + _OVERHEAD
        if cost <= self._room and not answer.length and head not in self.answers:
            self._room -= cost
            self.answers[head] = answer

    def tick(self) -> None:
        """Forget everything: a second has passed."""
        self.answers = {}
        self._room = self._budget
