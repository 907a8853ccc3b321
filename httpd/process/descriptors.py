"""As many descriptors as there may be, and room for them.

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
    """Have the kernel make its table of our descriptors large enough, while there is one thread.

    With several, it waits for all processors whenever the table has to grow (an RCU grace period),
    and that keeps who opens something for 10 ms and more, at 64 descriptors, 128, 256 and so on.

    Args:
        number: of descriptors; what is over the limit is left out.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fd = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        os.close(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(number, soft) - 1))
    except OSError:
        pass  # there is no memory for it now; it grows when it has to
    finally:
        os.close(fd)
