"""The page that comes with an error or a redirect: small, self-contained, and saying what
happened.
"""

from __future__ import annotations

import html

from httpd.protocol.messages import REASONS

POLICY = (
    "default-src 'none'; img-src 'self'; style-src"
    " 'sha256-L2MGBRBmIRjS1RljJ+vvCTvOHsBY2M5m+dYsLqWL4Ls='"  # this page's
    " 'sha256-hBDvNMOZJ6weaM9mnfVTEv8+eO/sfEUxC76Um2x1s1Y='"  # a listing's
)
"""Content-Security-Policy of the server's own pages: their style, known by its hash, and nothing
else.  The hashes are written down, as `hashlib` would take 4 MB to make them."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} {reason}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 0; }}
body > * {{ margin-inline: 1.5rem; }}
h1 {{ font-size: 1.4rem; font-weight: 600; }}
h1 b {{ display: block; font-size: 4rem; font-weight: 200; line-height: 1; opacity: .55; }}
footer {{ margin-top: 2.5rem; font-size: .8rem; opacity: .6; }}
</style>
</head>
<body>
<h1><b>{status}</b> {reason}</h1>
<p>{detail}</p>
<footer>phttpd</footer>
</body>
</html>
"""


def render_page(status: int, detail: str) -> bytes:
    """Return the HTML page for `status`; `detail` is plain text."""
    return _PAGE.format(status=status, reason=REASONS[status], detail=html.escape(detail)).encode()
