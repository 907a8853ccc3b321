"""The interface of the steps of a site.

A site asks its early steps, then its steps, one after the other; the first that returns a builder
decides.  The variant key of a cached response consists of the request header fields that the steps
declare (`reads`).  If a step read an undeclared field, a client could get the response to a request
with another value.
"""

from __future__ import annotations

import time
from typing import Protocol

from httpd.files.docroot import FoundDirectory, FoundElsewhere
from httpd.files.file_cache import CachedFile
from httpd.protocol.messages import Request
from httpd.site.builder import PendingBuilder, ResponseBuilder
from httpd.site.rules import PathPolicy

Found = CachedFile | FoundDirectory | FoundElsewhere
"""The result of the lookup of a path."""


class Clock:
    """The date of this second, for conditions with dates.

    Attributes:
        date: seconds since the epoch, as the responses of this second say.
        this_year: the year of the date, see `parse_date`.
    """

    __slots__ = ("date", "this_year")

    def __init__(self) -> None:
        self.set(0)

    def set(self, date: int) -> None:
        """Begin a second; `date` is in seconds since the epoch."""
        self.date = date
        self.this_year = time.gmtime(date).tm_year


class EarlyStep(Protocol):
    """A concern of a site that needs no file, such as a redirect.

    It is asked before the method is checked and before the path is looked up, for every method.
    """

    @property
    def reads(self) -> frozenset[str]:
        """The request header fields that the step reads, in lower case."""

    def concerns(self, path: bytes) -> bool:
        """Tell whether the step may respond to a GET.

        Args:
            path: of the request, as it was sent: any bytes.
        """

    def handle(self, request: Request, policy: PathPolicy) -> ResponseBuilder | None:
        """Respond to a request, or leave it to the next step.

        The response is not cacheable with a file: that cache does not know of the step.

        Args:
            request: of the client; its path is empty for a target that names none.
            policy: the rules for the path.

        Returns:
            None to leave the request to the next step.

        Raises:
            HTTPError: the response is an error page.
        """


class Step(Protocol):
    """One concern of a site, built once from the settings that it needs."""

    @property
    def reads(self) -> frozenset[str]:
        """The request header fields that the step reads, in lower case."""

    def handle(
        self, request: Request, found: Found, policy: PathPolicy
    ) -> ResponseBuilder | PendingBuilder | None:
        """Respond to a GET or HEAD request, or leave it to the next step.

        Args:
            request: of the client.
            found: the result of the lookup of its path.
            policy: the rules for the path.

        Returns:
            None to leave the request to the next step.

        Raises:
            HTTPError: the response is an error page.
            FileSystemError: a fault of the system.
        """
