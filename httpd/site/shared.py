"""What the sites of one gateway share."""

from __future__ import annotations

from httpd.files.file_cache import FileCache
from httpd.files.valid_roots import ValidRoots
from httpd.protocol.tally import Tallies
from httpd.site.listing.listing_cache import ListingCache
from httpd.site.steps import Clock


class Shared:
    """What the sites of one gateway share.

    Args:
        file_cache: of the worker.
        listing_budget: bytes that the listings of one second may take, see `ListingCache`.
        tallies: of the worker.

    Attributes:
        second: of the monotonic clock.
        clock: the date of this second.
        listings: of all sites.
        valid_roots: of all docroots, which they hold open for a second at the most.
        faults: why docroots could not be read for requests, by `Identity.label`.
    """

    __slots__ = ("clock", "faults", "file_cache", "listings", "second", "tallies", "valid_roots")

    def __init__(self, file_cache: FileCache, listing_budget: int, tallies: Tallies) -> None:
        self.file_cache = file_cache
        self.tallies = tallies
        self.second = 0
        self.clock = Clock()
        self.listings = ListingCache(listing_budget, file_cache.claim)
        self.valid_roots = ValidRoots()
        self.faults: dict[str, OSError] = {}

    def begin_second(self, second: int, date: int) -> None:
        """Begin a second.

        Args:
            second: of the monotonic clock.
            date: seconds since the epoch.
        """
        self.second = second
        self.clock.set(date)
        self.listings.begin_second()
        self.valid_roots.release()
