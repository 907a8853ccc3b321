"""The listings of one loop: each is made once a second, however many clients ask for it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from weakref import ReferenceType, WeakValueDictionary, ref

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.memory import ClaimMoreMemory, grant
from httpd.protocol.target import has_straight_slashes
from httpd.site.listing.listing import Listing
from httpd.site.listing.making import list_directory
from httpd.site.listing.order import Order

_Key = tuple[ReferenceType[Docroot], bytes, Order, bool, bool]
"""A listing may be sent for hours, and its docroot holds directories open: so it keeps none."""


class ListingCache:
    """The listings that a loop has made within this second, and those that are still being sent.

    Only one listing is made at a time, and one that has not changed is not stored twice, however
    many clients ask for it.  That bounds the memory that a large directory can take.

    Args:
        budget: bytes that the listings of one second may take while no client is being sent them.
        claim_memory: claims the memory that listings take.
    """

    def __init__(self, budget: int, claim_memory: ClaimMoreMemory = grant) -> None:
        self._claim_memory = claim_memory
        self._budget = budget
        self._is_busy = False
        self._made: WeakValueDictionary[_Key, Listing] = WeakValueDictionary()
        self._second = 0
        self.begin_second()

    def begin_second(self) -> None:
        """Begin a second, in which directories may have changed."""
        self._second += 1
        self._tags: dict[_Key, str] = {}  # of what was read in this second
        self._unsent: list[Listing] = []  # while no client is being sent them
        self._room = self._budget

    def make(
        self,
        docroot: Docroot,
        directory: FoundDirectory,
        path: bytes,
        order: Order,
        *,
        as_json: bool,
        is_unmodified: Callable[[str], bool] = lambda _: False,
    ) -> Generator[None, None, Listing | str]:
        """Return a listing that was made in this second or later, or make one.

        The steps are those of `list_directory`.

        Args:
            docroot: where the directory is.
            directory: what the lookup of `path` found.
            path: the path of the request, percent-encoded.
            order: the order of the entries.
            as_json: true for JSON, false for HTML.
            is_unmodified: given an entity tag, tells whether the client needs no listing; may raise
                HTTPError.

        Returns:
            The listing, or its entity tag if the client needs no more.
        """
        # The key is the decoded path: a path has any number of spellings, but only one listing.
        is_straight = as_json or has_straight_slashes(path, directory.path)
        key = (ref(docroot), directory.path, order, as_json, is_straight)
        asked = self._second
        if (etag := self._tags.get(key)) is not None and is_unmodified(etag):
            return etag
        while (made := self._made.get(key)) is None or made.second < asked:
            if not self._is_busy:
                break
            yield
        else:
            return made.etag if is_unmodified(made.etag) else made

        begun = self._second

        def known(etag: str) -> Listing | str | None:
            made = self._made.get(key)
            is_same = made is not None and made.etag == etag
            if begun == self._second:
                self._tags[key] = etag
            return etag if is_unmodified(etag) else made if is_same else None

        self._is_busy = True
        try:
            listing = yield from list_directory(
                docroot,
                directory,
                path,
                order,
                self._claim_memory,
                as_json=as_json,
                known=known,
            )
        finally:
            self._is_busy = False
        if isinstance(listing, str):
            return listing
        listing.second = begun
        self._made[key] = listing
        if listing.size <= self._room:
            self._room -= listing.size
            self._unsent.append(listing)
        return listing
