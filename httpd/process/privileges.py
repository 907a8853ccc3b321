"""Giving up root."""

from __future__ import annotations

import errno
import grp
import os
import pwd


def drop_privileges(user: str | None, group: str | None) -> None:
    """Become `user` and `group` for good; does nothing unless root runs us.

    Args:
        user: name of a user, or None to stay who we are.
        group: name of a group, or None for the user's own groups.

    Raises:
        OSError: when the system refuses, or no longer knows the user or group.
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
