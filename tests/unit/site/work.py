"""Does the work of an answer that takes several turns of a loop."""

from __future__ import annotations

from httpd.site.answer import Answer
from httpd.site.responder import Work


def done(answer: Answer | Work) -> Answer:
    """Return the answer, after all of its steps."""
    if isinstance(answer, Answer):
        return answer
    while True:
        try:
            next(answer)
        except StopIteration as end:
            assert isinstance(end.value, Answer)
            return end.value
