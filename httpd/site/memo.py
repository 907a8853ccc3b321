"""The memo of a worker: from the exact bytes of a request head to its answer, for one second.

The meaning of a head is a pure function of its bytes, and clients send the same bytes again and
again.  What is not in here, or not any more, is looked for among the files of the worker
(`httpd.site.store`), which costs a microsecond more.  So a flood of distinct heads can fill it, and
not do more than that.
"""

from __future__ import annotations

from httpd.site.answer import Answer

_OVERHEAD = 800
_KEPT_OVERHEAD = 250


class Memo:
    """One second of it, shared by the loops of a worker.

    They take no lock: the worst that comes of it is a head that is counted twice.

    Args:
        budget: bytes that it may take beside what the store keeps anyway.
    """

    __slots__ = ("_room", "answers")

    def __init__(self, budget: int) -> None:
        self.answers: dict[bytes, Answer] = {}
        self._room = budget

    def remember(self, head: bytes, answer: Answer) -> None:
        """Let `answer` be the answer to `head`, if there is room for it.

        An answer that would hold a file open is not remembered.  One that is made of a file is to
        be one that the store keeps, so that only the head takes room.
        """
        cost = len(head)
        if answer.is_of_file:
            cost += _KEPT_OVERHEAD
        else:
            cost += len(answer.wire) + len(answer.behind) + _OVERHEAD
        if cost <= self._room and not answer.length and head not in self.answers:
            self._room -= cost
            self.answers[head] = answer

    def close(self) -> None:
        """Forget everything, and take nothing in any more."""
        self._room = 0
        self.answers.clear()
