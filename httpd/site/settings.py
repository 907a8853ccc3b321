"""The settings of a site: the directory, and how its files are served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from httpd.files.media_types import UNKNOWN
from httpd.settings.declaration import REQUIRED, Option, key
from httpd.settings.kinds import FLAG, Kind, any_case, texts
from httpd.settings.system_kinds import DIRECTORY
from httpd.settings.tree import Tree
from httpd.site.changes import Changes
from httpd.site.page_syntax import ERROR_STATUSES, ERRORS, FALLBACK
from httpd.site.reach_syntax import SERVE_HIDDEN, SYMLINKS
from httpd.site.redirect_syntax import REDIRECTS
from httpd.site.redirects import Redirect
from httpd.site.rule_syntax import EXPIRES, RULES
from httpd.site.rules import Rule
from httpd.site.types_syntax import MEDIA_TYPE_KIND, TYPES, TypesByName

_INDEX = texts(
    "a file name such as index.html, or a list of file names",
    r"(?!\.{1,2}$)[^/\u0000]+",
)

_NO_CHARSET = "|".join(map(any_case, ("none", "null", "auto")))
_CHARSET_NAME = rf"(?!({_NO_CHARSET})$)[0-9A-Za-z][0-9A-Za-z._+-]{{0,39}}"
_CHARSET_ALLOWED = "a charset such as utf-8 or iso-8859-1, or null to leave it out"

_RULES_EXAMPLE = """\
- path: [/**/, "*.html"]
  headers:
    Cache-Control: no-cache
- path: /**
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: DENY
- path: /assets/**
  expires: 365d
  headers:
    Cache-Control: public, max-age=31536000, immutable
- path: "*.svgz"
  headers:
    Content-Encoding: gzip"""

_REDIRECTS_EXAMPLE = """\
- path: /old/**
  to: /new/**
- path: /blog/*/index.php
  to: https://blog.example/*/
  status: 301
- path: /secret.html
  status: 410"""


def _read_charset(value: Any) -> str | None:
    """Return the name of a charset.

    ``null`` has a meaning of its own for this key, so an empty value is refused.

    Args:
        value: a `Tree`; a text is the default.
    """
    if isinstance(value, Tree) and value.is_null and value.is_written:
        return None
    text = value.text() if isinstance(value, Tree) and not value.is_flag else value
    if not isinstance(text, str) or not re.fullmatch(_CHARSET_NAME, text):
        raise ValueError(_CHARSET_ALLOWED)
    return text


_CHARSET = Kind(
    _CHARSET_ALLOWED,
    _read_charset,
    {"type": "string", "pattern": f"^({_CHARSET_NAME})$"},
    reads_tree=True,
)


_TYPES_EXAMPLE = """\
.rkt: text/x-racket
.pkg.tar.zst: application/x-alpm-package
apple-app-site-association: application/json"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """The settings of a site: times in seconds, paths absolute.

    Each key may be set at the top of the config file, and in a site that has a name.  The docroot
    is empty where nothing is served but sites that have names.
    """

    docroot: str = key(
        DIRECTORY,
        REQUIRED,
        "The directory to serve. Nothing outside of it is served, not even through a symbolic link,"
        " see `symlinks`."
        " Neither are names that begin with a dot, see `serve_hidden`. While the directory does not"
        " exist, requests are answered with 503.",
        unset="",
        instead="sites",
        option=Option("the directory to serve", "DIR", alias="--base"),
    )
    index: tuple[str, ...] = key(
        _INDEX,
        "index.html",
        "The file that is served for a directory: a file name, or a list of names of which the"
        " first one that exists is taken.",
    )
    listing: bool = key(
        FLAG, False, "Whether a directory without an index file shows a list of its files."
    )
    clean_urls: bool = key(
        FLAG,
        False,
        "Whether `/about` is the address of `about.html`, and `/dir/` that of `dir/index.html`."
        " Requests for these files are redirected there.",
    )
    serve_hidden: bool | tuple[str, ...] = key(
        SERVE_HIDDEN,
        False,
        "Which names that begin with a dot are served: `false` for none but `.well-known` at the"
        " root, a list of names such as `[.nojekyll, .index]` for these as well, in any directory,"
        " or `true` for all, be they `.git`, `.htpasswd`, or the unfinished files of an upload.",
    )
    symlinks: tuple[str, ...] = key(
        SYMLINKS,
        "inside",
        "Where symbolic links may lead out of the docroot: `inside` for nowhere, or a list of"
        " directories such as `[/srv/data]`, by their absolute paths. A link is followed if what it"
        " leads to is inside the docroot or one of them. So users who may make links in the"
        " docroot can publish everything in these directories that phttpd can read.",
    )
    precompressed: bool = key(
        FLAG,
        True,
        "Whether `file.br`, `file.zst` or `file.gz` beside a file of a type that compresses well"
        " (text, scripts, JSON, XML, SVG, fonts and the like) is sent to clients that accept that"
        " coding.",
    )
    types: TypesByName = key(
        TYPES,
        {},
        "Media types that come before the built-in ones, by the extension of the file name with its"
        " dot, or by the whole name. A name gets that of the whole name, else that of the longest"
        " extension. Case makes no difference. A type may have a charset of its own.",
        example=_TYPES_EXAMPLE,
    )
    default_type: str = key(
        MEDIA_TYPE_KIND,
        UNKNOWN,
        "The media type of files with a name for which there is no other.",
    )
    fallback: str | None = key(
        FALLBACK,
        None,
        "A file such as `/index.html` that is sent, with status 200, for a path that leads to"
        " nothing and whose last name has no dot. So an application that runs in the browser can"
        " have pages of its own. `null` in a site: none.",
        example="/index.html",
    )
    errors: tuple[tuple[int, str], ...] = key(
        ERRORS,
        None,
        "Files that are sent as the pages for errors, by status: "
        f"{', '.join(map(str, ERROR_STATUSES))}. A file of more than 128 KiB, or one that cannot be"
        " read, is not sent, and phttpd's own page is.",
        example="{403: /403.html, 404: /404.html, 503: /busy.html}",
        unset=(),
    )
    charset: str | None = key(
        _CHARSET,
        "utf-8",
        "The charset in the `Content-Type` of text files, or `null` to leave it out. XML files, SVG"
        " images among them, get none, since they declare their encoding themselves.",
    )
    expires: int = key(
        EXPIRES,
        "12h",
        "How long clients may use a response without asking again (`Expires`, `Cache-Control`).",
    )
    rules: tuple[Rule, ...] = key(
        RULES,
        [],
        "Header fields, and another `expires`, for some paths: a list of mappings. All rules that"
        " match apply; a later one beats an earlier one.",
        example=_RULES_EXAMPLE,
    )
    redirects: tuple[Redirect, ...] = key(
        REDIRECTS,
        [],
        "Redirects: a list of mappings. The first one that matches counts, before a file is looked"
        " for, and for all methods but `OPTIONS`.",
        details="A redirect that leads round in a circle is an error. One that is never reached,"
        " since another matches its paths before, is a warning.",
        example=_REDIRECTS_EXAMPLE,
    )
    changes: Changes | None = None
    """Those below the docroot, for live reload; None to leave it out.  No key sets this."""
    own_names: frozenset[str] | None = None
    """Names to respond to at the top, in lower case, beside those that `is_own_name` knows; None to
    respond to every name.  No key sets this."""
