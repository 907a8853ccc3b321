"""Ways out of the docroot and into hidden files: none of them leads anywhere."""

from __future__ import annotations

from tests.corpus.case import Case, get, line
from tests.corpus.site import HOME, PLAIN, SUB

DOTS = "RFC 3986 5.2.4, 6.2.2.3: dot segments are removed; above the root: 400"
SLASH = "an encoded slash is a slash"
HIDDEN = "spec: hidden files not served"
LINKS = "spec: symlinks that leave the docroot refused"
KINDS = "spec: only regular files are served"

DOT_CASES = [
    Case("plain", DOTS, get("/../secret.txt"), 400),
    Case("alone", DOTS, get("/.."), 400),
    Case("with-slash", DOTS, get("/../"), 400),
    Case("many", DOTS, get("/" + "../" * 40 + "etc/passwd"), 400),
    Case("within", DOTS, get("/sub/../plain.txt"), 200, PLAIN),
    Case("within-missing", DOTS, get("/none/../plain.txt"), 200, PLAIN),
    Case("within-hidden", DOTS, get("/.git/../plain.txt"), 200, PLAIN),
    Case("within-query", DOTS, get("/sub/../plain.txt?/../../x"), 200, PLAIN),
    Case("at-end", DOTS, get("/sub/.."), 200, HOME),
    Case("one-dot-at-end", DOTS, get("/sub/."), 200, SUB),
    Case("one-dot-encoded", DOTS, get("/sub/%2e/page.html"), 200, b"page"),
    Case("one-dot", DOTS, get("/./plain.txt"), 200, PLAIN),
    Case("one-dot-before-hidden", DOTS, get("/./.hidden.txt"), 404),
    Case("into-hidden", DOTS, get("/sub/../.git/config"), 404),
    Case("below-a-file", DOTS, get("/plain.txt/../plain.txt"), 200, PLAIN),
    Case("sibling", DOTS, get("/../site-secret/secret.txt"), 400),
    Case("encoded", DOTS, get("/%2e%2e/secret.txt"), 400),
    Case("encoded-uppercase", DOTS, get("/%2E%2E/secret.txt"), 400),
    Case("half-encoded", DOTS, get("/.%2e/secret.txt"), 400),
    Case("other-half-encoded", DOTS, get("/%2e./secret.txt"), 400),
    Case("within-encoded", DOTS, get("/sub/%2e%2e/plain.txt"), 200, PLAIN),
    Case("above-encoded", DOTS, get("/sub/%2e%2e/%2e%2e/secret.txt"), 400),
    Case("after-slashes", DOTS, get("//../secret.txt"), 404),
    Case("after-slashes-above", DOTS, get("//../../secret.txt"), 400),
    Case("absolute-form", DOTS, get("http://localhost/../secret.txt"), 400),
    Case("encoded-slash", SLASH, get("/..%2fsecret.txt"), 400),
    Case("all-encoded", SLASH, get("/%2e%2e%2fsecret.txt"), 400),
    Case("encoded-slash-within", SLASH, get("/sub%2f..%2f..%2fsecret.txt"), 400),
    Case("encoded-slash-back", SLASH, get("/sub%2f..%2Fplain.txt"), 200, PLAIN),
    Case("encoded-root", SLASH, get("/%2fetc%2fpasswd"), 404),
    Case("encoded-slash-only", SLASH, get("/sub%2Fpage.html"), 200, b"page"),
    Case("encoded-slash-at-end", SLASH, get("/sub%2f"), 200, SUB),
    Case("encoded-slash-first", "RFC 9112 3.2.1", line("GET %2Fplain.txt HTTP/1.1"), 400),
    Case("encoded-slash-hidden", SLASH, get("/.git%2Fconfig"), 404),
    Case("encoded-slash-hidden-below", SLASH, get("/sub%2F.hidden"), 404),
    Case("twice-encoded", DOTS, get("/%252e%252e/secret.txt"), 404),
    Case("twice-encoded-slash", DOTS, get("/%252e%252e%252fsecret.txt"), 404),
    Case("backslash", DOTS, get("/..\\secret.txt"), (400, 404)),
    Case("encoded-backslash", DOTS, get("/..%5csecret.txt"), (400, 404)),
    Case("overlong-utf-8", DOTS, get("/%c0%ae%c0%ae/secret.txt"), (400, 404)),
    Case("overlong-slash", DOTS, get("/..%c0%afsecret.txt"), (400, 404)),
    Case("fullwidth-dots", DOTS, get("/%EF%BC%8E%EF%BC%8E/secret.txt"), 404),
    Case("fullwidth-slash", DOTS, get("/..%EF%BC%8Fsecret.txt"), 404),
    Case("four-dots", DOTS, get("/....//secret.txt"), (400, 404)),
    Case("three-dots", DOTS, get("/.../secret.txt"), 404),
    Case("semicolon", DOTS, get("/..;/secret.txt"), (400, 404)),
    Case("dots-nul", DOTS, get("/..%00/secret.txt"), 400),
    Case("absolute-path", DOTS, get("//etc/passwd"), 404),
    Case("drive-letter", DOTS, get("/C:/secret.txt"), 404),
    Case("home", DOTS, get("/~root/.profile"), 404),
    Case("dots-in-name", "RFC 3986 3.3", get("/plain..txt"), 404),
]

FILES = [
    Case("hidden-file", HIDDEN, get("/.hidden.txt"), 404),
    Case("hidden-encoded", HIDDEN, get("/%2ehidden.txt"), 404),
    Case("hidden-folder", HIDDEN, get("/.git/config"), 404),
    Case("hidden-folder-itself", HIDDEN, get("/.git"), 404),
    Case("hidden-below", HIDDEN, get("/sub/.hidden"), 404),
    Case(
        "well-known",
        "RFC 8615",
        get("/.well-known/security.txt"),
        200,
        b"Contact: mailto:a@example.com\n",
    ),
    Case("link-inside", LINKS, get("/inside.txt"), 200, PLAIN),
    Case("link-outside", LINKS, get("/outside.txt"), 404),
    Case("link-to-folder-outside", LINKS, get("/outside/secret.txt"), 404),
    Case("link-out-and-in", LINKS, get("/outside/site/plain.txt"), (200, 404), PLAIN),
    Case("fifo", KINDS, get("/fifo"), 404),
]

CASES = [*DOT_CASES, *FILES]
