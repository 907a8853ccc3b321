"""Conditional requests: does the client already have the current version (RFC 9110 §13)?"""

from __future__ import annotations

from collections.abc import Mapping

from httpd.protocol import grammar
from httpd.protocol.dates import parse_date
from httpd.protocol.messages import HTTPError

CONDITIONS = frozenset({"if-match", "if-modified-since", "if-none-match", "if-unmodified-since"})
"""The fields that `evaluate` reads."""


def is_unmodified(
    fields: Mapping[str, str], etag: str | None, modified: int | None, this_year: int
) -> bool:
    """Tell whether the response to a GET or HEAD is a 304; see `evaluate`.

    Raises:
        HTTPError: 412.
    """
    status = evaluate(fields, etag, modified, this_year)
    if status == 412:
        raise HTTPError(412, "The file is not in the state that the request asks for.")
    return status == 304


def evaluate(
    fields: Mapping[str, str], etag: str | None, modified: int | None, this_year: int
) -> int:
    """Return the status that the preconditions of a GET or HEAD lead to: 200, 304 or 412.

    The order is that of RFC 9110 §13.2.2.

    Args:
        fields: the fields of the request.
        etag: the strong entity tag of the representation, with its quotes; None if there is none,
            which equals no other.
        modified: its Last-Modified, in seconds since the epoch; None if there is none, or it says
            nothing about the content, so that conditions with dates are ignored.
        this_year: see `parse_date`.
    """
    if (tags := fields.get("if-match")) is not None:
        if not matches(tags, etag, weak=False):
            return 412
    elif (text := fields.get("if-unmodified-since")) is not None:
        date = parse_date(text, this_year)
        if modified is not None and date is not None and modified > date:
            return 412
    if (tags := fields.get("if-none-match")) is not None:
        return 304 if matches(tags, etag, weak=True) else 200
    if (text := fields.get("if-modified-since")) is not None:
        date = parse_date(text, this_year)
        if modified is not None and date is not None and modified <= date:
            return 304
    return 200


def matches(tags: str, etag: str | None, *, weak: bool) -> bool:
    """Tell whether a list of entity tags, or ``*``, has `etag` in it.

    A list that is malformed from some place on counts up to there.

    Args:
        tags: the value of If-Match or If-None-Match.
        etag: a strong entity tag, with its quotes, or None.
        weak: compare weakly (RFC 9110 §8.8.3.2), so that ``W/"a"`` equals ``"a"``.
    """
    if tags.strip(" \t") == "*":
        return True
    position = 0
    while match := grammar.ENTITY_TAG.match(tags, position):
        if match[2] == etag and (weak or not match[1]):
            return True
        position = match.end()
    return False


def range_applies(
    fields: Mapping[str, str], etag: str | None, modified: int | None, now: int, this_year: int
) -> bool:
    """Tell whether If-Range lets the Range field count (RFC 9110 §13.1.5).

    A tag must match strongly and a date exactly; anything else means that the file has changed.
    A date does not count while the file may still change within the second that it names
    (§8.8.2.2).

    Args:
        fields: the fields of the request.
        etag: the strong entity tag of the representation, with its quotes, or None.
        modified: its Last-Modified, in seconds since the epoch; None if there is none, or a date
            cannot tell it from another representation or version.
        now: seconds since the epoch.
        this_year: see `parse_date`.
    """
    condition = fields.get("if-range")
    if condition is None:
        return True
    is_strong = modified is not None and modified < now
    return condition == etag or (is_strong and parse_date(condition, this_year) == modified)
