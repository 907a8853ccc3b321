"""Makes the listing of a directory a step at a time, so that other clients do not wait for it.

The steps are for the owner of an event loop.  Nothing here waits, except for the disk.
"""

from __future__ import annotations

import os
from binascii import crc32
from collections.abc import Callable, Generator

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.faults import explain
from httpd.files.memory import ClaimMoreMemory, grant
from httpd.protocol.target import has_straight_slashes
from httpd.site.listing.entries import Contents
from httpd.site.listing.html_format import render_html
from httpd.site.listing.json_format import render_json
from httpd.site.listing.listing import Listing
from httpd.site.listing.order import Order
from httpd.site.listing.reader import read_entries
from httpd.site.listing.template import LAYOUT

HTML = "text/html; charset=utf-8"
JSON = "application/json"
STEP = 8 * 1024
"""Characters that are rendered in one step."""

Known = Callable[[str], "Listing | str | None"]
"""Given the entity tag of a listing, returns what makes the listing unnecessary, or None."""


def list_directory(
    docroot: Docroot,
    directory: FoundDirectory,
    path: bytes,
    order: Order,
    claim_memory: ClaimMoreMemory = grant,
    *,
    as_json: bool,
    known: Known = lambda _: None,
) -> Generator[None, None, Listing | str]:
    """List a directory in steps of about a millisecond.

    The first step opens all that is needed, and raises the errors of that.  Closing the generator
    closes everything.

    Args:
        docroot: where the directory is.
        directory: what the lookup of `path` found.
        path: the path of the request, percent-encoded.
        order: the order of the entries.
        claim_memory: claims the memory that the listing takes.
        as_json: true for JSON, false for HTML.
        known: called once the directory is read, before anything is rendered.

    Returns:
        The listing, or what `known` returned.

    Raises:
        HTTPError: see `Docroot.open_directory`.
        FileSystemError: see `Docroot.open_directory`.
    """
    is_straight = as_json or has_straight_slashes(path, directory.path)
    fd = docroot.open_directory(directory)
    try:
        listing = Listing(path, JSON if as_json else HTML, claim_memory=claim_memory)
        contents = yield from read_entries(docroot, fd, directory.path.count(b"/") - 1, order)
    except OSError as error:
        raise explain(error) from None
    finally:
        os.close(fd)
    listing.etag = _make_etag(contents, order, as_json, is_straight)
    if (instead := known(listing.etag)) is not None:
        return instead
    if as_json:
        texts = render_json(contents.entries)
    else:
        texts = render_html(directory.path, order, contents, is_straight=is_straight)
    step = ""
    for text in texts:
        step += text
        if len(step) >= STEP:
            listing.append(step)
            step = ""
            yield
    listing.append(step)
    listing.finish()
    return listing


def _make_etag(contents: Contents, *details: object) -> str:
    """Return an entity tag, which is known as soon as the directory is read.

    Args:
        contents: what the directory contains.
        details: what else the listing depends on, except for the directory's path.
    """
    layout = crc32(repr((LAYOUT, *details)).encode())
    return f'"{contents.count:x}-{contents.fingerprint:x}-{layout:x}"'
