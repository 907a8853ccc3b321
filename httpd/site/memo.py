"""The memo of a worker: from the exact bytes of a request head to its answer, for one second.

The meaning of a head is a pure function of its bytes, and clients send the same bytes again and
again.  Only a query, which means nothing for a file, or percent-encoding that need not be may be
new each time: a head that has one of these is known without.  What is not in here, or not any more,
is looked for among the files of the worker (`httpd.site.store`), which costs a microsecond more.
So a flood of distinct heads can fill it, and not do more than that.
"""

from __future__ import annotations

from httpd.protocol.parser import MAX_REQUEST_LINE, VERSION
from httpd.protocol.target import PERCENT, QUESTION_MARK, canonical_path, plain_path
from httpd.site.answer import Answer

_OVERHEAD = 800
_KEPT_OVERHEAD = 250
_GET = b"GET "


class Memo:
    """One second of it, shared by the loops of a worker.

    They take no lock: the worst that comes of it is a head that is counted twice.

    Args:
        budget: bytes that it may take beside what the store keeps anyway.
    """

    __slots__ = ("_room", "answers")

    def __init__(self, budget: int) -> None:
        self.answers: dict[bytes | tuple[bytes | None, bytes], Answer] = {}
        """By the whole head, or by its path and what follows the target."""
        self._room = budget

    def find(self, head: bytes) -> Answer | None:
        """Return the answer to a head that was remembered with another query or spelling of its
        path; `head` may be any bytes.
        """
        line, _, rest = head.partition(VERSION)
        if (QUESTION_MARK not in line and PERCENT not in line) or not line.startswith(_GET):
            return None
        if len(head) >= MAX_REQUEST_LINE:  # as in `Parser.split`
            return None
        return self.answers.get((plain_path(line[4:]), rest))

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
        if cost <= self._room and not answer.length:
            key = _make_key(head) if answer.is_of_file else head
            if key is not None and key not in self.answers:
                self._room -= cost
                self.answers[key] = answer

    def close(self) -> None:
        """Forget everything, and take nothing in any more."""
        self._room = 0
        self.answers.clear()


def _make_key(head: bytes) -> bytes | tuple[bytes, bytes] | None:
    """Return what a head that asks for a file is to be known by; None for nothing."""
    line, _, rest = head.partition(VERSION)
    if QUESTION_MARK not in line and PERCENT not in line:
        return head
    path = plain_path(line[4:]) if line.startswith(_GET) else None
    # What is no path at all could look like one that is not canonical.
    return (path, rest) if path is not None and path == canonical_path(path) else None
