"""The limit of open descriptors, and the size of the kernel's table of them.

Called by `httpd.service` and, for its own process, by `httpd.process.worker`.
"""

from __future__ import annotations

import fcntl
import os
import resource


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def make_room(number: int) -> None:
    """Let the kernel enlarge this process's descriptor table, while there is only one thread.

    In a process with several threads, the kernel waits for all processors (an RCU grace period)
    when the table grows, at 64 descriptors, 128, 256 and so on.  That delays open(2) or accept(2)
    by 10 ms or more.

    Args:
        number: of descriptors; at most the limit of open descriptors is used.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fd = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        os.close(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(number, soft) - 1))
    except OSError:
        pass  # no memory; the table grows later, when it has to
    finally:
        os.close(fd)
