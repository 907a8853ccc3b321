"""Giving up root, in children that are root."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from httpd.process.privileges import drop_privileges
from tests.unit.process.children import run_in_child

USER = "nobody"
OTHER_GROUP = "daemon"


def ids_after(user: str | None, group: str | None) -> str:
    def drop() -> tuple[object, ...]:
        drop_privileges(user, group)
        return (os.getresuid(), os.getresgid(), sorted(os.getgroups()))

    return run_in_child(drop)


@pytest.mark.root
def test_drop_to_a_user_sets_his_groups() -> None:
    account = pwd.getpwnam(USER)
    groups = sorted(os.getgrouplist(USER, account.pw_gid))
    uids, gids = (account.pw_uid,) * 3, (account.pw_gid,) * 3
    assert ids_after(USER, None) == str((uids, gids, groups))


@pytest.mark.root
def test_drop_to_a_user_and_a_group() -> None:
    """And no other group: root's were given up as well."""
    uid, gid = pwd.getpwnam(USER).pw_uid, grp.getgrnam(OTHER_GROUP).gr_gid
    assert ids_after(USER, OTHER_GROUP) == str(((uid,) * 3, (gid,) * 3, [gid]))


@pytest.mark.root
def test_drop_to_a_group_keeps_the_user() -> None:
    gid = grp.getgrnam(OTHER_GROUP).gr_gid
    assert ids_after(None, OTHER_GROUP) == str(((0,) * 3, (gid,) * 3, [gid]))


@pytest.mark.root
def test_drop_without_user_and_group_changes_nothing() -> None:
    before = (os.getresuid(), os.getresgid(), sorted(os.getgroups()))
    assert ids_after(None, None) == str(before)


@pytest.mark.root
def test_drop_is_for_good() -> None:
    def try_again() -> None:
        drop_privileges(USER, None)
        os.seteuid(0)

    assert run_in_child(try_again).startswith("PermissionError")


@pytest.mark.root
def test_drop_puts_files_of_root_out_of_reach(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)

    def read() -> str:
        drop_privileges(USER, None)
        return secret.read_text()

    assert run_in_child(read).startswith("PermissionError")


@pytest.mark.root
@pytest.mark.parametrize(("user", "group"), [("no-such-user", None), (None, "no-such-group")])
def test_drop_to_a_removed_account_is_an_os_error(user: str | None, group: str | None) -> None:
    """It was there when the configuration was read; a worker that cannot become it must not boot,
    and says why in one line.
    """

    def drop() -> str:
        try:
            drop_privileges(user, group)
        except OSError as error:
            return f"{error.strerror}: {error.filename}"
        return "not refused"

    assert (user or group or "") in run_in_child(drop)


@pytest.mark.root
def test_drop_without_root_changes_nothing() -> None:
    def drop_twice() -> tuple[object, ...]:
        drop_privileges(USER, None)
        before = (os.getresuid(), os.getresgid())
        drop_privileges("root", "root")
        return (before == (os.getresuid(), os.getresgid()),)

    assert run_in_child(drop_twice) == "(True,)"
