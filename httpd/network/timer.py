"""A timer of the kernel that expires each second; called by `httpd.network.loop`.

A timeout of epoll_wait(2) is armed at each call and disarmed at each event, which is expensive on a
processor that has slept meanwhile.  This timer is armed once.  `os.timerfd_create` is new in Python
3.13.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time

_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_TIMES = struct.Struct("@4l")
"""``struct itimerspec``: seconds and nanoseconds of the interval, and of the first time."""


def open_timer() -> int:
    """Return a timer that becomes readable at each whole second of the monotonic clock, until it is
    read; a non-blocking descriptor, see timerfd_create(2).

    Raises:
        OSError: the kernel cannot make one more timer.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC | os.O_NONBLOCK)
    times = _TIMES.pack(1, 0, int(time.monotonic()) + 1, 0)
    if fd < 0 or libc.timerfd_settime(fd, _ABSOLUTE, times, None) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "timerfd")
    return fd
