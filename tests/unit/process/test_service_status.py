"""A drain that begins before this is the main process (`httpd.process.service_status`)."""

from __future__ import annotations

import time
from pathlib import Path

from httpd.observe.log import Log
from httpd.process.generations import Generations
from httpd.process.notify import Notifier
from httpd.process.service_status import ServiceStatus
from tests.process.manager import Manager


def test_drain_that_began_before_the_take_over_asks_for_time(tmp_path: Path) -> None:
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = Notifier(manager.address, None, is_main=False)
        log = Log("supervisor", 1, 2, verbose=False)
        status = ServiceStatus(notifier, Generations(), log)
        status.begin_drain()
        status.limit_drain(send_timeout=60, ends_at=time.monotonic() + 300)
        status.report(list)
        status.become_main()
        status.report(list)
        manager.wait_for("^STOPPING=1\nSTATUS=draining: ")
        assert int(manager.wait_for(r"\AEXTEND_TIMEOUT_USEC=(\d+)\Z")[1]) == 65_000_000
