"""Whose response a response is: what tells those of one site and status apart from others.

The loops of a worker share the tallies, as they share the responses that refer to them.
"""

from __future__ import annotations

NO_NAME = "-"
"""The name of the site for all names that no other site has, and of no site."""


class Tally:
    """The responses of one site that have one status.

    The loops of a worker count in it without a lock: CPython switches threads at calls and at
    backward jumps, of which ``tally.requests += 1`` has none.

    Args:
        site: the name of the site.
        status: a key of `STATUSES`.

    Attributes:
        requests: the responses that were sent.
        sent: the bytes of them that were sent.
    """

    __slots__ = ("requests", "sent", "site", "status")

    def __init__(self, site: str, status: int) -> None:
        self.site = site
        self.status = status
        self.requests = 0
        self.sent = 0

    def __repr__(self) -> str:
        return f"<Tally {self.site} {self.status}>"


class SiteTallies:
    """The tallies of one site.

    Args:
        site: the name of the site.

    Attributes:
        by_status: those that were asked for.
    """

    __slots__ = ("by_status", "site")

    def __init__(self, site: str) -> None:
        self.site = site
        self.by_status: dict[int, Tally] = {}

    def find(self, status: int) -> Tally:
        """Return the tally of the responses with a status, the same each time."""
        found = self.by_status.get(status)
        return found or self.by_status.setdefault(status, Tally(self.site, status))


class Tallies:
    """The tallies of a worker.

    Attributes:
        by_site: those that were asked for.
    """

    __slots__ = ("by_site",)

    def __init__(self) -> None:
        self.by_site: dict[str, SiteTallies] = {}

    def find(self, site: str) -> SiteTallies:
        """Return the tallies of the site of a name, the same each time."""
        return self.by_site.get(site) or self.by_site.setdefault(site, SiteTallies(site))
