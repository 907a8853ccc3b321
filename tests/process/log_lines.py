"""Lines of a log that is read back, and clients that fill it."""

from __future__ import annotations

import re
import threading
from collections import Counter

from tests.support.raw import Client

QUOTED = r'"((?:[ !#-\[\]-~]|\\x[0-9a-f]{2})*)"'
ACCESS = re.compile(
    r"(?P<peer>\S+) - - \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    rf"{QUOTED} (?P<status>\d{{3}}) (?P<body>\d+|-) {QUOTED} {QUOTED} (?P<seconds>\d+\.\d{{6}}) "
    r"(?P<sent>\d+) (?P<site>\S+)"
)
MESSAGE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (error|warning|notice|debug) "
    r"(supervisor|worker \d+|loop \d+\.\d+)\[\d+\]: \S[ -~]*"
)


def requests_in(lines: list[str]) -> list[re.Match[str]]:
    """Return the access lines among whole lines of a log; a line that is neither is an error."""
    strange = [ln for ln in lines if not ACCESS.fullmatch(ln) and not MESSAGE.fullmatch(ln)]
    assert strange == []
    return [match for line in lines if (match := ACCESS.fullmatch(line))]


def hammer(port: int, clients: int, count: int, *lines: str) -> Counter[str]:
    """Let clients ask in parallel, each its own URLs, and return the request lines they sent."""

    def run(who: int) -> None:
        with Client(port) as client:
            for number in range(count):
                path = f"/{'long' * (number % 40 * 10)}?{who}.{number}"
                assert client.ask(path, *lines).status in {200, 404}

    threads = [threading.Thread(target=run, args=(who,)) for who in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(f"{who}.{number}" for who in range(clients) for number in range(count))


def marks(matches: list[re.Match[str]]) -> Counter[str]:
    """Return what `hammer` put into the query of each request; a long target may be cut short."""
    found = (re.search(r"\?(\d+\.\d+)", match[3]) for match in matches)
    return Counter(match[1] for match in found if match)
