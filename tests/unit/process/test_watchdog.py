"""A drain that begins before this is the main process (`httpd.process.watchdog`)."""

from __future__ import annotations

from pathlib import Path

from httpd.observe.log import Log
from httpd.process.notify import Notifier
from httpd.process.watchdog import Watchdog
from tests.process.manager import Manager


def test_time_is_asked_for_though_the_drain_began_unheard(tmp_path: Path) -> None:
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = Notifier(manager.address, None, is_main=False)
        watchdog = Watchdog(notifier, Log("supervisor", 1, 2, verbose=False))
        watchdog.begin_drain(send_timeout=60, seconds=300)
        watchdog.beat((), None, is_draining=True)
        watchdog.speak((), is_draining=True)
        watchdog.beat((), None, is_draining=True)
        manager.wait_for("^STOPPING=1\nSTATUS=draining: ")
        assert int(manager.wait_for(r"\AEXTEND_TIMEOUT_USEC=(\d+)\Z")[1]) == 65_000_000
