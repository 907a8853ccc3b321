"""Tells the loops of a worker of changes below a docroot, for live reload.

Called by `httpd.process.worker`; a thread waits for the changes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from httpd.files.tree_watch import TreeWatch
from httpd.network.loop import Loop
from httpd.observe.log import Log, name_thread
from httpd.site.changes import Changes


class ChangeWatch:
    """The watch of a docroot.

    Args:
        docroot: its path.
        changes: which are noted.
        log: for messages.

    Raises:
        OSError: this user, or this process, may watch nothing more.
    """

    def __init__(self, docroot: str, changes: Changes, log: Log) -> None:
        self._docroot = docroot
        self._changes = changes
        self._log = log
        try:
            self._tree = TreeWatch(docroot)
        except OSError as error:
            raise OSError(error.errno, self._describe(error), docroot) from None

    def start(self, loops: Sequence[Loop]) -> None:
        """Watch from now on, in a thread, and wake the loops after each change."""
        threading.Thread(target=self._run, args=(loops,), daemon=True).start()

    def _run(self, loops: Sequence[Loop]) -> None:
        name_thread("watch")
        try:
            while True:
                self._report_limit()
                self._tree.wait()
                self._changes.note()
                for loop in loops:
                    loop.wake()
        except OSError as error:
            self._log.error(f"{self._describe(error)}; pages are not loaded again any more")

    def _report_limit(self) -> None:
        if self._tree.limit_at is not None:
            self._log.warning(
                f"only {self._tree.limit_at} directories below {self._docroot} are watched: "
                "fs.inotify.max_user_watches of sysctl(8) is the limit"
            )
            self._tree.limit_at = None

    def _describe(self, error: OSError) -> str:
        limit = "fs.inotify.max_user_instances of sysctl(8) or ulimit -n is the limit"
        return f"cannot watch {self._docroot} for changes: {error.strerror}; {limit}"
