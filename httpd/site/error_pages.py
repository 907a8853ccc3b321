"""The page of an error or a redirect: small, self-contained, with a sentence that explains it."""

from __future__ import annotations

from httpd.protocol.messages import STATUSES
from httpd.site.markup import escape

POLICY = (
    "default-src 'none'; img-src 'self'; "
    "style-src 'sha256-rB7RfUmn7AL6O8hRKYDDiSjZSst7N77h5d9ZMgoL3Bw='"
)
"""Content-Security-Policy of the page: it allows its own style, by its hash, and nothing else.  The
hash is a constant, as importing `hashlib` would take 4 MB of memory."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} {reason}</title>
<style>
html {{ background: Canvas; color: CanvasText; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; }}
body > * {{ margin-inline: 1.5rem; }}
h1 {{ font-size: 1.4rem; font-weight: 600; }}
h1 b {{ display: block; font-size: 4rem; font-weight: 200; line-height: 1; opacity: .7; }}
footer {{ margin-top: 2.5rem; font-size: .8rem; opacity: .7; }}
</style>
</head>
<body>
<main>
<h1><b>{status}</b> {reason}</h1>
<p>{detail}</p>
{link}</main>
<footer>phttpd</footer>
</body>
</html>
"""


_DEEPEST = 100
"""The most names in a path whose page has a link to the start page; from a deeper path, the link
would be most of the page."""


def render_page(status: int, detail: str, path: bytes = b"") -> bytes:
    """Return the HTML page for `status`.

    Args:
        status: a key of `STATUSES`.
        detail: plain text.
        path: of the request, as the client spelled it; empty where there is none.
    """
    home = find_home(path)
    link = f'<nav><a href="{home}">Start page</a></nav>\n' if home else ""
    text = escape(detail)
    phrase = STATUSES[status].phrase
    return _PAGE.format(status=status, reason=phrase, detail=text, link=link).encode()


def find_home(path: bytes) -> str:
    """Return the link from a path to the start page of the site; empty where a page has no link.

    The link is relative, so that it is right also behind a proxy that strips a prefix of the path.

    Args:
        path: see `render_page`.  An empty segment counts, as it does for a client that resolves the
            link (RFC 3986 §5.2.4).
    """
    depth = path.count(b"/") - 1
    if path == b"/" or not 0 <= depth <= _DEEPEST:
        return ""
    return "../" * depth or "./"
