"""All generations of a supervisor: the one that boots, the one that serves, those that drain.

Called by `httpd.process.supervisor` and its parts, which share one `Generations`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode, Scoreboard
from httpd.observe.transfers import TransferTable
from httpd.process.accounts import Accounts
from httpd.process.channel import Message
from httpd.process.generation import Generation
from httpd.process.log_files import LogFile
from httpd.process.monitor_process import MonitorProcess
from httpd.process.plan import Plan
from httpd.process.worker_process import WorkerProcess


class Generations:
    """The generations of one supervisor; iteration yields all of them."""

    def __init__(self) -> None:
        self.candidate: Generation | None = None
        """Boots, to take the place of the one that serves."""
        self.serving: Generation | None = None
        """Gets the new connections."""
        self.former: list[Generation] = []
        """Hand over their listeners, drain, or were killed."""
        self.modes = dict.fromkeys(Mode, 0)
        """Since when the server is in each mode, in seconds since the epoch, or 0."""
        self.monitor: MonitorProcess | None = None
        """The process that shows them, while it runs."""
        self.accounts = Accounts()
        self._count = 0

    def __iter__(self) -> Iterator[Generation]:
        for generation in (self.serving, self.candidate, *self.former):
            if generation is not None:
                yield generation

    def create(self, plan: Plan) -> Generation:
        """Make the next generation, which has no workers yet.

        Raises:
            OSError: when there is no memory or descriptor for its scoreboard or transfer table.
        """
        self._count += 1
        workers, threads = plan.process.workers, plan.process.threads
        board = Scoreboard.create(workers, threads, self._count, plan.facts)
        for mode, since in self.modes.items():
            board.set_mode(mode, since)
        most = plan.worker.loop.max_connections
        transfers = TransferTable.create(workers, threads, most, self._count)
        self.accounts.open(self._count, plan)
        return Generation(self._count, plan, board, transfers)

    def continue_after(self, number: int) -> None:
        """Number the generations to come after those of a predecessor.

        Args:
            number: of its last generation.
        """
        self._count = number

    def set_mode(self, mode: Mode, since: int) -> None:
        """Set a mode of all generations, also of those to come; see `Scoreboard.set_mode`."""
        self.modes[mode] = since
        for generation in self:
            generation.board.set_mode(mode, since)

    def active(self) -> list[Generation]:
        """Return the generations that may have clients."""
        return [each for each in self if each is not self.candidate and not each.is_killed]

    def find(self, pid: int) -> tuple[Generation, WorkerProcess] | None:
        """Return the worker with a pid, and its generation."""
        for generation in self:
            if pid in generation.processes:
                return generation, generation.processes[pid]
        return None

    def forget_ended(self) -> None:
        """Drop the former generations whose workers were all reaped."""
        self.former = [generation for generation in self.former if generation.processes]
        self.accounts.keep([generation.number for generation in self])

    def use_log_file(self, fd: int, log: Log) -> None:
        """Let this process and all workers write to another log file.

        Args:
            fd: of that file; it is closed.
            log: of this process.
        """
        os.dup2(fd, log.output, inheritable=False)
        for generation in self:
            generation.send(Message.LOG, str(log.output), [fd])
        if self.monitor is not None:
            self.monitor.channel.send(Message.LOG, str(log.output), [fd])
        os.close(fd)

    def access_log_files(self) -> list[str]:
        """Return the paths of the logs of requests and downloads in use, each once."""
        return list(
            dict.fromkeys(
                path
                for generation in self
                for logs in (generation.plan.access_logs, generation.plan.monitor_logs)
                for path, file in logs.items()
                if not file.is_console
            )
        )

    def use_access_logs(self, opened: Mapping[str, int]) -> None:
        """Let the processes that log to some paths write to the files that are there now.

        Args:
            opened: the descriptors of these files, by path; they are closed.
        """
        for generation in self:
            logs = generation.plan.access_logs
            used = {logs[path].fd: fd for path, fd in opened.items() if path in logs}
            for path, fd in opened.items():
                if path in logs and logs[path].is_open:  # workers to come inherit it
                    os.dup2(fd, logs[path].fd, inheritable=False)
            if used:
                generation.send(Message.LOG, " ".join(map(str, used)), list(used.values()))
            self._use_monitor_logs(generation.plan.monitor_logs, opened)
        for fd in opened.values():
            os.close(fd)

    def _use_monitor_logs(self, logs: Mapping[str, LogFile], opened: Mapping[str, int]) -> None:
        for path, fd in opened.items():
            if path in logs and logs[path].is_open:  # a monitor to come inherits it
                os.dup2(fd, logs[path].fd, inheritable=False)
                if self.monitor is not None:
                    self.monitor.channel.send(Message.LOG, str(logs[path].fd), [fd])
