"""The monitor as the supervisor sees it: its process, and the memory that it was given.

Called by `httpd.process.generations` and `httpd.process.monitor_keeper`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection

from httpd.observe.shared_memory import find_generations
from httpd.process.channel import Channel, Message
from httpd.process.others import ends_within


class MonitorProcess:
    """A monitor process.

    Args:
        pid: of the process, a child of this one.
        channel: the supervisor's end of the channel to the monitor.
    """

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self.started = time.monotonic()
        self._shared: set[str] = set()

    def share(self, generations: Collection[int]) -> None:
        """Give the monitor the memory of new generations, and take back that of ended ones.

        The monitor may run as another user than the supervisor, who could not find it by himself.

        Args:
            generations: the numbers of those that there are.
        """
        found = find_generations(os.getpid())
        paths = {name: path for name, (number, path) in found.items() if number in generations}
        for name in self._shared - paths.keys():
            self.channel.send(Message.GONE, name)
        for name in paths.keys() - self._shared:
            fd = os.open(paths[name], os.O_RDONLY | os.O_CLOEXEC)
            self.channel.send(Message.BOARD, name, [fd])
            os.close(fd)
        self._shared = {*paths}

    def leave(self) -> None:
        """Let it leave its listeners, and end when the responses under way are sent."""
        self.channel.send(Message.STOP)

    def end(self, seconds: float, patience: float = 0.0) -> None:
        """Kill it.

        Args:
            seconds: how long to wait for its end.
            patience: seconds in which it may end by itself before.
        """
        handle = os.pidfd_open(self.pid)
        if not (patience and ends_within(handle, patience)):
            os.kill(self.pid, signal.SIGKILL)
            ends_within(handle, seconds)
        os.close(handle)
