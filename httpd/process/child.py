"""Forks a child process that has a channel to this one."""

from __future__ import annotations

import os
from collections.abc import Callable

from httpd.observe.log import Log
from httpd.process.channel import Channel
from httpd.process.errors import EX_WORKER, format_failure


def fork_child(name: str, run: Callable[[Channel], int], log: Log) -> tuple[int, Channel]:
    """Fork a child process that ends with what a function returns.

    Args:
        name: of the child, for messages.
        run: called in the child with its end of the channel; returns the exit status.
        log: gets an exception of `run`.

    Returns:
        The pid of the child, and this end of the channel.

    Raises:
        OSError: the child cannot be forked.
    """
    ours, theirs = Channel.pair()
    try:
        pid = os.fork()
    except BaseException:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        status = EX_WORKER
        try:
            ours.close()
            status = run(theirs)
        except BaseException:
            log.error(f"internal error in {name}: {format_failure()}")
        finally:
            os._exit(status)
    theirs.close()
    return pid, ours
