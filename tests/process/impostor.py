"""A process that holds the lock of a pidfile, and has control characters in its name.

    python -m tests.process.impostor PIDFILE

Ends on SIGTERM; on SIGHUP, it says that a reload has failed.
"""

from __future__ import annotations

import signal
import sys

from httpd.observe.ledger import Ledger
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.process.pidfile import Pidfile

ORDER = "\x1b]0;owned\a\r\n\u202e"


def main(path: str) -> None:
    noted = (signal.SIGHUP, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, noted)
    Pidfile(path).acquire()
    board = Scoreboard.create(1, 1, 1)
    board.phase = Phase.SERVING
    facts = {
        "version": ORDER,
        "docroot": ORDER,
        "addresses": [ORDER],
        "started": ORDER,
        "outcome": [1, ORDER],
    }
    board.facts = facts
    ledger = Ledger.create()
    print("ready", flush=True)
    while signal.sigwait(noted) != signal.SIGTERM:
        board.count_changes(board.changes + 1)
    ledger.close()


if __name__ == "__main__":
    main(sys.argv[1])
