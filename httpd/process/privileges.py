"""Dropping the privileges of root."""

from __future__ import annotations

import errno
import grp
import os
import pwd
from collections.abc import Callable


def drop_privileges(user: str | None, group: str | None) -> None:
    """Become `user` and `group` for good; without effect unless this process runs as root.

    Args:
        user: name of a user, or None to keep the present one.
        group: name of a group, or None for the groups of `user`.

    Raises:
        OSError: when a system call fails, or the user or group does not exist any more.
    """
    if os.geteuid() != 0 or (user is None and group is None):
        return
    try:
        account = pwd.getpwnam(user) if user else None
        group_entry = grp.getgrnam(group) if group else None
    except KeyError as error:
        raise OSError(errno.EINVAL, str(error.args[0]), user or group) from None
    if group_entry:
        gid = group_entry.gr_gid
    elif account:
        gid = account.pw_gid
    if account and not group:
        os.initgroups(account.pw_name, gid)
    else:
        os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    if account:
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def ask_as(user: str | None, group: str | None, question: Callable[[], str]) -> str:
    """Return the result of a function that a child process calls as `user` and `group`.

    Args:
        user: as `drop_privileges` takes it.
        group: likewise.
        question: the function; the result is empty if it fails.

    Raises:
        OSError: when no process can be started.
    """
    read_fd, write_fd = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            try:
                drop_privileges(user, group)
                os.write(write_fd, question().encode("utf-8", "surrogateescape"))
            finally:
                os._exit(os.EX_OK)
    finally:
        os.close(write_fd)
    with open(read_fd, "rb") as responses:
        response = responses.read().decode("utf-8", "surrogateescape")
    os.waitpid(pid, 0)
    return response
