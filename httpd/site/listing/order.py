"""By what a client wants the entries of a listing to be sorted."""

from __future__ import annotations

from typing import NamedTuple


class Order(NamedTuple):
    """The order of the entries of a listing.

    Directories come first either way.  Entries with equal keys are sorted by name, and names are
    sorted as people look for them (`httpd.site.listing.natural_order`).

    Args:
        key: ``name``, ``size`` or ``modified``.
        descending: whether the greatest key comes first.
    """

    key: str = "name"
    descending: bool = False


def parse_order(query: bytes) -> Order:
    """Return the order that a query asks for, or the default order if the query makes no sense.

    Args:
        query: the query of a request with its question mark, such as ``?sort=size&order=desc``.
    """
    given = dict(part.partition(b"=")[::2] for part in query[1:].split(b"&"))
    key = given.get(b"sort", b"name")
    direction = given.get(b"order", b"asc")
    if key not in (b"name", b"size", b"modified") or direction not in (b"asc", b"desc"):
        return Order()
    return Order(key.decode(), direction == b"desc")
