"""Imports modules that the standard library imports only when they are first used.

A server runs for years, and its Python may be replaced or removed meanwhile.  Modules that were
imported stay in memory.  A later import would fail, or find a module of another version.

Called by `httpd.service` before the workers are forked.
"""

from __future__ import annotations

import importlib
import traceback
from contextlib import suppress

_LATE = (
    "ast",  # of `traceback`, which marks the place in a line
    "tokenize",  # of `linecache`, since Python 3.13
    "_suggestions",  # of `traceback`, since Python 3.13: what a name may have been meant to be
    "encodings.unicode_escape",  # of `str.encode`, for what a terminal must not get as it is
)


def preload() -> None:
    """Import all that a server may need later."""
    for name in _LATE:
        with suppress(ImportError):  # not every Python has all of them
            importlib.import_module(name)
    try:
        raise ValueError
    except ValueError:
        traceback.format_exc()
